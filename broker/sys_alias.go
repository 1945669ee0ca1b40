package broker

import (
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// What the messages of this node begin with, and what many scripts ask for
// instead, though no version of EMQ X publishes it.
const (
	sysTopic = "$SYS/brokers/"
	sysAlias = "$SYS/broker/"
)

// publishAlias gives a message of the node to those who subscribe to it below
// sysAlias. Who subscribes to $SYS/# has got it, and must not get it twice.
func (br *Broker) publishAlias(b *Batch, m *mqtt.Message) {
	rest, is := strings.CutPrefix(m.Topic, sysTopic)
	if !is {
		return
	}
	k := m.Copy()
	k.Topic, k.Retain = sysAlias+rest, false
	routes := br.index.Match(k.Topic, b.routes[:0])
	for i, r := range routes {
		if isAlias(r) {
			r.to.Deliver(b, k, &r.Subscription)
		}
		routes[i] = nil
	}
	b.forget()
	b.routes = routes[:0]
	br.forward(b, k)
}

// isAlias reports whether r is of somebody who subscribes below sysAlias.
func isAlias(r *route) bool { return strings.HasPrefix(r.Bare(), sysAlias) }

// formerNames are what EMQ X called metrics on $SYS in versions before 4.3, by
// the names they have now.
var formerNames = map[string][]string{
	"packets.connect.received":              {"packets.connect"}, // up to 3.1, like the others of packets
	"packets.connack.sent":                  {"packets.connack"},
	"packets.subscribe.received":            {"packets.subscribe"},
	"packets.suback.sent":                   {"packets.suback"},
	"packets.unsubscribe.received":          {"packets.unsubscribe"},
	"packets.unsuback.sent":                 {"packets.unsuback"},
	"packets.pingreq.received":              {"packets.pingreq"},
	"packets.pingresp.sent":                 {"packets.pingresp"},
	"packets.auth.received":                 {"packets.auth"},
	"delivery.dropped.expired":              {"messages.expired"},                                  // up to 3.2
	"packets.publish.dropped":               {"messages.qos2.dropped"},                             // up to 3.2
	"messages.dropped.await_pubrel_timeout": {"messages.qos2.expired", "messages.dropped.expired"}, // up to 3.2; 4.0 to 4.2
	"client.auth.success.anonymous":         {"auth.mqtt.anonymous", "client.auth.anonymous"},      // up to 3.2; 4.0 to 4.2
}
