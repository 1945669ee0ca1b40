package server

import (
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// counters are what connections count, under EMQ X's names.
type counters struct {
	bytesReceived, bytesSent       *metrics.Counter
	packetsReceived, packetsSent   *metrics.Counter
	receivedOf, sentOf             [16]*metrics.Counter // by packet type; nil where EMQ X has none
	missed, inuse                  [16]*metrics.Counter
	messagesReceived, messagesSent *metrics.Counter
	receivedQoS, sentQoS           [3]*metrics.Counter

	connackError, connackAuthError     *metrics.Counter
	publishError, publishAuthError     *metrics.Counter
	publishInuse, publishDropped       *metrics.Counter
	pubrelMissed                       *metrics.Counter
	subscribeError, subscribeAuthError *metrics.Counter
	unsubscribeError                   *metrics.Counter
	connects                           *metrics.Histogram
}

// connectTimes are the bounds of connects, in microseconds: from an answer out
// of memory to what a client takes for an outage.
func connectTimes() []int64 {
	return []int64{25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000}
}

func newCounters(r *metrics.Registry) *counters {
	n := &counters{
		bytesReceived:      r.Counter("bytes.received", "bytes read from clients"),
		bytesSent:          r.Counter("bytes.sent", "bytes written to clients"),
		packetsReceived:    r.Counter("packets.received", "packets from clients"),
		packetsSent:        r.Counter("packets.sent", "packets to clients"),
		messagesReceived:   r.Counter("messages.received", "PUBLISH packets from clients"),
		messagesSent:       r.Counter("messages.sent", "PUBLISH packets to clients"),
		connackError:       r.Counter("packets.connack.error", "CONNACKs with a failure"),
		connackAuthError:   r.Counter("packets.connack.auth_error", "CONNACKs that say bad user name or password, or not authorized"),
		publishError:       r.Counter("packets.publish.error", "PUBLISH packets acknowledged with a failure"),
		publishAuthError:   r.Counter("packets.publish.auth_error", "PUBLISH packets that the ACL forbade"),
		publishInuse:       r.Counter("packets.publish.inuse", "QoS 2 PUBLISH packets whose identifier still waited for PUBREL"),
		publishDropped:     r.Counter("packets.publish.dropped", "PUBLISH packets refused for a quota or max_awaiting_rel, or because no backend could judge them"),
		subscribeError:     r.Counter("packets.subscribe.error", "SUBSCRIBE packets with a refused filter"),
		subscribeAuthError: r.Counter("packets.subscribe.auth_error", "SUBSCRIBE packets with a filter that the ACL forbade"),
		unsubscribeError:   r.Counter("packets.unsubscribe.error", "UNSUBSCRIBE packets with an invalid filter"),
		connects: r.Histogram("connect.answers", "CONNECTs answered, by the microseconds that authentication and session took; without those in several steps",
			connectTimes()),
	}
	both := func(name, what string, t mqtt.Type) {
		n.receivedOf[t] = r.Counter("packets."+name+".received", what+" packets from clients")
		n.sentOf[t] = r.Counter("packets."+name+".sent", what+" packets to clients")
	}
	in := func(name, what string, t mqtt.Type) {
		n.receivedOf[t] = r.Counter("packets."+name+".received", what+" packets from clients")
	}
	out := func(name, what string, t mqtt.Type) {
		n.sentOf[t] = r.Counter("packets."+name+".sent", what+" packets to clients")
	}
	in("connect", "CONNECT", mqtt.TypeConnect)
	out("connack", "CONNACK", mqtt.TypeConnack)
	both("publish", "PUBLISH", mqtt.TypePublish)
	in("subscribe", "SUBSCRIBE", mqtt.TypeSubscribe)
	out("suback", "SUBACK", mqtt.TypeSuback)
	in("unsubscribe", "UNSUBSCRIBE", mqtt.TypeUnsubscribe)
	out("unsuback", "UNSUBACK", mqtt.TypeUnsuback)
	in("pingreq", "PINGREQ", mqtt.TypePingreq)
	out("pingresp", "PINGRESP", mqtt.TypePingresp)
	both("disconnect", "DISCONNECT", mqtt.TypeDisconnect)
	both("auth", "AUTH", mqtt.TypeAuth)
	for t, name := range map[mqtt.Type]string{mqtt.TypePuback: "puback", mqtt.TypePubrec: "pubrec", mqtt.TypePubrel: "pubrel", mqtt.TypePubcomp: "pubcomp"} {
		both(name, t.String(), t)
		n.missed[t] = r.Counter("packets."+name+".missed", t.String()+" packets with an unknown identifier")
		if t != mqtt.TypePubrel {
			n.inuse[t] = r.Counter("packets."+name+".inuse", t.String()+" packets whose identifier belongs to another flow")
		}
	}
	n.pubrelMissed = n.missed[mqtt.TypePubrel]
	for q, name := range []string{"qos0", "qos1", "qos2"} {
		n.receivedQoS[q] = r.Counter("messages."+name+".received", "PUBLISH packets of this QoS from clients")
		n.sentQoS[q] = r.Counter("messages."+name+".sent", "PUBLISH packets of this QoS to clients")
	}
	return n
}

// connectAnswered counts a CONNECT whose authentication began then.
func (n *counters) connectAnswered(began time.Time) {
	n.connects.Observe(time.Since(began).Microseconds())
}

func (n *counters) received(p mqtt.Packet) {
	n.packetsReceived.Inc()
	n.receivedOf[p.Type()].Inc()
	if k, ok := p.(*mqtt.Publish); ok {
		n.messagesReceived.Inc()
		n.receivedQoS[k.QoS].Inc()
	}
}

func (n *counters) sent(t mqtt.Type) {
	n.packetsSent.Inc()
	n.sentOf[t].Inc()
}

// sentPublish counts an outgoing PUBLISH; EMQ X leaves $SYS traffic out.
func (n *counters) sentPublish(q mqtt.QoS, sys bool) {
	if sys {
		return
	}
	n.sent(mqtt.TypePublish)
	n.messagesSent.Inc()
	n.sentQoS[q].Inc()
}

func (n *counters) refused(code mqtt.ReasonCode) {
	n.connackError.Inc()
	if code == mqtt.BadUserNameOrPassword || code == mqtt.NotAuthorized {
		n.connackAuthError.Inc()
	}
}

func (n *counters) publishFailed(code mqtt.ReasonCode) {
	n.publishError.Inc()
	if code == mqtt.NotAuthorized {
		n.publishAuthError.Inc()
	}
}

func (n *counters) subscribed(codes []mqtt.ReasonCode) {
	failed, denied := false, false
	for _, code := range codes {
		failed = failed || code.Failed()
		denied = denied || code == mqtt.NotAuthorized
	}
	if failed {
		n.subscribeError.Inc()
	}
	if denied {
		n.subscribeAuthError.Inc()
	}
}
