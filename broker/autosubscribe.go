package broker

import (
	"maps"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// autoSubscribe gives a client that has just connected the subscriptions of
// module.subscription.*. As in EMQ X 4.2 neither hooks nor the ACL are asked,
// and the mountpoint is added; as in 4.3 an entry with %u is skipped for a
// client without a username.
func (br *Broker) autoSubscribe(b *Batch, c *Client, o *Opening) {
	info := o.Ask.Client
	for _, e := range br.subscriptions {
		f, ok := br.fillFilter(b, e.Topic, info)
		if !ok {
			continue
		}
		f.Bare = info.Mountpoint + f.Bare
		s := mqtt.SubscribeFilter{Filter: f.String(), SubscribeOptions: e.options(info.Version)}
		code, isNew := br.Subscribe(b, c, o.Conn, f, s, 0)
		if !code.Failed() {
			br.Replay(b, c, o.Conn, s.Filter, isNew)
		}
	}
}

// fillFilter replaces %c and %u in the filter of an entry; false: the client
// doesn't get it. The ACL isn't asked, so a name that brings a wildcard along
// must not make a filter of its own.
func (br *Broker) fillFilter(b *Batch, text string, info *hook.ClientInfo) (f topic.Filter, ok bool) {
	filter := fill(text, info)
	if strings.Contains(filter, "%u") {
		return f, false
	}
	f, err := topic.Parse(filter)
	if err == nil && strings.Count(filter, "+")+strings.Count(filter, "#") == strings.Count(text, "+")+strings.Count(text, "#") {
		return f, true
	}
	br.logs.badAutoSubscribe.warn(br.log, b.Now(), "an automatic subscription is left out: the client's name doesn't fit into the topic filter",
		"filter", filter, "client", info.ClientID)
	return f, false
}

// options are the entry's; before version 5 there is only the QoS.
func (s *Subscription) options(v mqtt.Version) mqtt.SubscribeOptions {
	o := mqtt.SubscribeOptions{QoS: mqtt.QoS(s.QoS)}
	if v == mqtt.V5 {
		o.NoLocal, o.RetainAsPublished, o.RetainHandling = s.NoLocal == 1, s.RetainAsPublished == 1, byte(s.RetainHandling)
	}
	return o
}

// autoSubscriptions are the entries of a table in the order of their numbers.
func autoSubscriptions(m *ModulesConfig) (all []Subscription) {
	if !m.AutoSubscribe {
		return nil
	}
	for _, id := range slices.SortedFunc(maps.Keys(m.Subscriptions), byNumber) {
		all = append(all, m.Subscriptions[id])
	}
	return all
}
