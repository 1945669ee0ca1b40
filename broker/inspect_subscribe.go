package broker

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// SubscribeFor subscribes the client of an id to a filter at the wish of an
// operator; false: there is no such client. The filter is what the client
// would write: the mountpoint is added here. As with automatic subscriptions,
// neither the ACL nor the hook client.subscribe is asked, and nothing is
// rewritten.
//
// The subscription is the session's: a connected client gets the retained
// messages that match, one that is away gets messages from now on. In a cluster
// it waits for other nodes if the filter is below $exclusive/.
func (br *Broker) SubscribeFor(b *Batch, id string, o mqtt.SubscribeFilter) (code mqtt.ReasonCode, known bool) {
	f, err := topic.Parse(o.Filter)
	if err != nil {
		return mqtt.TopicFilterInvalid, true
	}
	for c := range br.present(id) {
		s, g := o, f
		s.QoS = min(o.QoS, mqtt.QoS(c.zone.MaxQoSAllowed))
		if c.info.Version < mqtt.V5 { // as for a SUBSCRIBE of its own
			s.NoLocal, s.RetainAsPublished = c.zone.IgnoreLoopDeliver && f.Kind != topic.Shared, c.info.Bridge
		}
		g.Bare = c.info.Mountpoint + f.Bare
		s.Filter = g.String()
		over, ok := br.awaitExclusive(g, id)
		if !ok {
			return mqtt.QuotaExceeded, true
		}
		code, isNew := br.Subscribe(b, c.Client, c.conn, g, s, 0)
		over()
		if code == mqtt.UnspecifiedError {
			continue
		}
		if !code.Failed() && c.conn != nil {
			br.Replay(b, c.Client, c.conn, s.Filter, isNew)
		}
		return code, true
	}
	return mqtt.Success, false
}

// UnsubscribeFor gives up a subscription of the client of an id at the wish of
// an operator; see SubscribeFor.
func (br *Broker) UnsubscribeFor(b *Batch, id, filter string) (code mqtt.ReasonCode, known bool) {
	f, err := topic.Parse(filter)
	if err != nil {
		return mqtt.TopicFilterInvalid, true
	}
	for c := range br.present(id) {
		g := f
		g.Bare = c.info.Mountpoint + f.Bare
		if code := br.Unsubscribe(b, c.Client, c.conn, g.String()); code != mqtt.UnspecifiedError {
			return code, true
		}
	}
	return mqtt.Success, false
}

// appearance is a client as it was at one moment.
type appearance struct {
	*Client
	conn Conn // nil: it is away
	zone *Zone
	info *hook.ClientInfo
}

// present yields the client of an id as it is now, again and again until there
// is none: what was done to it may have come too late, because another
// connection took the session over or because the session ended.
func (br *Broker) present(id string) func(yield func(appearance) bool) {
	return func(yield func(appearance) bool) {
		for {
			c := br.clients.get(id)
			if c == nil {
				return
			}
			c.mu.Lock()
			a := appearance{c, c.conn, c.zone, c.info}
			c.mu.Unlock()
			if !yield(a) {
				return
			}
		}
	}
}
