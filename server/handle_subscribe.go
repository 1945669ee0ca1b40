package server

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// handleSubscribe judges each filter on its own, in EMQ X's order: the ACL on
// what the client wrote, topic rewriting, hook client.subscribe, limits. It
// subscribes to those that pass, answers with one code for each
// [MQTT-3.8.4-6], and then sends the retained messages.
func (c *conn) handleSubscribe(p *pass, k *mqtt.Subscribe) {
	for i := range k.Filters {
		if !c.wellFormed(&k.Filters[i]) {
			return
		}
	}
	codes := make([]mqtt.ReasonCode, len(k.Filters))
	open := c.permit(p, k.Filters, codes)
	if len(open) == 0 || c.forbids(codes) {
		c.subscribeAll(p, k, codes)
		return
	}
	c.askSubscribe(k, codes, open)
}

// permit asks the ACL about valid filters, as the client wrote them but for the
// prefixes $share and so on. It fills in the codes and returns which of them
// are open: a backend has to be asked.
func (c *conn) permit(p *pass, filters []mqtt.SubscribeFilter, codes []mqtt.ReasonCode) (open []int) {
	access, z := c.listener.server.broker.Access, c.listener.policy()
	for i := range filters {
		code, decided := access.Authorize(&z.Policy, c.info, c.aclCache(p), auth.Subscribe, bare(filters[i].Filter))
		if !decided {
			open = append(open, i)
		}
		codes[i] = code
		if a := c.listener.server.trace.Active(); a != nil && (!z.EnableACL || c.info.Superuser) {
			c.traceUnasked(a, auth.Subscribe, bare(filters[i].Filter))
		}
	}
	return open
}

// bare is what the ACL sees of a valid filter.
func bare(filter string) string {
	f, _ := topic.Parse(filter) // wellFormed has looked at it
	return f.Bare
}

// maxOpen is how many filters of one SUBSCRIBE backends are asked about at a
// time: one client shall not fill the queues for all.
const maxOpen = 32

// askSubscribe has backends asked about the open filters; the SUBSCRIBE goes on
// when the last answer is there.
func (c *conn) askSubscribe(k *mqtt.Subscribe, codes []mqtt.ReasonCode, open []int) {
	access, z := c.listener.server.broker.Access, c.listener.policy()
	s := c.suspend(len(open), func(p *pass) { c.subscribeAll(p, k, codes) })
	cache, info := &c.access.cache, c.info
	var next atomic.Int32
	var ask func()
	ask = func() {
		n := int(next.Add(1)) - 1
		if n >= len(open) || c.ended() {
			return
		}
		i := open[n]
		r := &auth.Request{Client: info, Action: auth.Subscribe, Topic: bare(k.Filters[i].Filter)}
		access.AuthorizeLater(&z.Policy, r, cache, func(code mqtt.ReasonCode) {
			codes[i] = code
			ask()
			s.answered()
		})
	}
	for range min(len(open), maxOpen) {
		ask()
	}
}

// forbids reports whether one of the codes is the end of the connection.
func (c *conn) forbids(codes []mqtt.ReasonCode) bool {
	return c.listener.policy().ACLDenyAction == "disconnect" && slices.Contains(codes, mqtt.NotAuthorized)
}

// subscribeAll goes on with a SUBSCRIBE whose filters the ACL has judged.
func (c *conn) subscribeAll(p *pass, k *mqtt.Subscribe, codes []mqtt.ReasonCode) {
	s := c.listener.server
	if c.forbids(codes) {
		s.count.subscribeAuthError.Inc()
		c.fail(mqtt.NotAuthorized, "not_authorized", "SUBSCRIBE to a filter that the ACL forbids")
		return
	}
	e := hook.ClientSubscribe{Client: c.info, Props: k.Props, Filters: k.Filters, Refused: codes}
	for i := range e.Filters {
		e.Filters[i].Filter = s.broker.RewriteFilter(c.info, e.Filters[i].Filter)
	}
	s.broker.OnSubscribe(&e)
	id := uint32(0)
	if k.Props.Has(mqtt.PropSubscriptionID) {
		id = k.Props.SubscriptionIDs[0]
	}
	ack := &mqtt.Suback{PacketID: k.PacketID, Codes: e.Refused}
	if asked := c.exclusives(e.Filters, ack.Codes); len(asked) > 0 {
		c.askExclusive(asked, ack.Codes, func(p *pass) { c.enter(p, e.Filters, id, ack) })
		return
	}
	c.enter(p, e.Filters, id, ack)
}

// enter subscribes to the filters that nobody has refused, and answers.
func (c *conn) enter(p *pass, filters []mqtt.SubscribeFilter, id uint32, ack *mqtt.Suback) {
	s := c.listener.server
	fresh := make([]bool, len(filters))
	for i := range filters {
		if !ack.Codes[i].Failed() {
			ack.Codes[i], fresh[i] = c.subscribe(p, &filters[i], id)
		}
		c.traceSubscription("subscription", filters[i].Filter, ack.Codes[i])
	}
	c.whenKept(p, func(p *pass, err error) {
		if err != nil {
			c.unsubscribeAll(p, filters, ack.Codes, fresh)
		}
		s.count.subscribed(ack.Codes)
		c.send(p, ack)
		for i, f := range filters {
			if !ack.Codes[i].Failed() {
				s.broker.Replay(p.batch, c.client, c, f.Filter, fresh[i])
			}
		}
	})
}

// unsubscribeAll takes subscriptions back that can't be kept.
func (c *conn) unsubscribeAll(p *pass, filters []mqtt.SubscribeFilter, codes []mqtt.ReasonCode, fresh []bool) {
	for i := range filters {
		if codes[i].Failed() {
			continue
		}
		codes[i] = mqtt.QuotaExceeded
		if fresh[i] && c.listener.server.broker.Unsubscribe(p.batch, c.client, c, filters[i].Filter).Failed() {
			return // the session has been taken over, or has ended
		}
	}
}

// checkSyntax ends the connection if a filter is none [MQTT-4.7.1-1].
func (c *conn) checkSyntax(filter string) bool {
	_, err := topic.Parse(filter)
	if err != nil {
		c.fail(mqtt.TopicFilterInvalid, "topic_filter_invalid", fmt.Sprintf("%.100q: %v", filter, err))
	}
	return err == nil
}

// wellFormed ends the connection if a subscription is against the standard.
func (c *conn) wellFormed(o *mqtt.SubscribeFilter) bool {
	if !c.checkSyntax(o.Filter) {
		return false
	}
	if f, _ := topic.Parse(o.Filter); o.NoLocal && f.Kind == topic.Shared { // [MQTT-3.8.3-4]
		c.fail(mqtt.ProtocolError, "protocol_error", "SUBSCRIBE with No Local to a shared subscription")
		return false
	}
	return true
}

// withinLimits judges a filter by what the zone has switched off.
func (c *conn) withinLimits(f topic.Filter) mqtt.ReasonCode {
	z := c.listener.zone
	switch {
	case z.MaxTopicLevels > 0 && topic.Levels(f.Bare) > z.MaxTopicLevels,
		!z.ExclusiveSubscription && f.Kind == topic.Exclusive:
		return mqtt.TopicFilterInvalid
	case !z.WildcardSubscription && topic.HasWildcard(f.Bare):
		return mqtt.WildcardSubscriptionsNotSupported
	case !z.SharedSubscription && f.Kind == topic.Shared:
		return mqtt.SharedSubscriptionsNotSupported
	}
	return mqtt.Success
}

// subscribe mounts a filter that is permitted, in place, and subscribes to it
// if the limits allow.
func (c *conn) subscribe(p *pass, o *mqtt.SubscribeFilter, id uint32) (code mqtt.ReasonCode, fresh bool) {
	z := c.listener.zone
	f, err := topic.Parse(o.Filter)
	if err != nil { // a hook has changed it
		return mqtt.TopicFilterInvalid, false
	}
	if code := c.withinLimits(f); code.Failed() {
		return code, false
	}
	if c.info.Version < mqtt.V5 {
		o.NoLocal = z.IgnoreLoopDeliver && f.Kind != topic.Shared
		o.RetainAsPublished = c.info.Bridge
	}
	o.QoS = min(o.QoS, mqtt.QoS(z.MaxQoSAllowed))
	o.Filter, f = c.mount(o.Filter, f)
	return c.listener.server.broker.Subscribe(p.batch, c.client, c, f, *o, id)
}

// mount puts the mountpoint in front of the bare filter.
func (c *conn) mount(filter string, f topic.Filter) (string, topic.Filter) {
	if c.info.Mountpoint == "" {
		return filter, f
	}
	bare := c.info.Mountpoint + f.Bare
	filter = strings.TrimSuffix(filter, f.Bare) + bare
	f.Bare = bare
	return filter, f
}
