package broker

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// Subscribe adds one subscription, or replaces the one that the session has
// for this filter [MQTT-3.8.4-3]. The filter is mounted, valid and permitted;
// f is its parsed form. The code is for the SUBACK.
//
// Retained messages are not sent here: the caller sends the SUBACK first and
// then calls Replay.
func (br *Broker) Subscribe(b *Batch, c *Client, conn Conn, f topic.Filter, o mqtt.SubscribeFilter, id uint32) (code mqtt.ReasonCode, isNew bool) {
	r := &route{to: &c.self, Subscription: session.Subscription{Filter: o.Filter, SubscribeOptions: o.SubscribeOptions, ID: id}}
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return mqtt.UnspecifiedError, false
	}
	isNew, err := c.subscribe(r, f)
	if err == nil {
		c.keepRecord(r.Filter)
	}
	info := c.info
	c.leave(b)
	if err != nil {
		return mqtt.QuotaExceeded, false
	}
	if f.Kind == topic.Shared {
		br.settle(b, c)
	}
	if h := &br.Hooks.SessionSubscribed; !h.Empty() {
		h.Run(&hook.SessionSubscription{Client: info, SubscribeFilter: o, New: isNew})
	}
	return mqtt.ReasonCode(o.QoS), isNew
}

// subscribe enters r into the session and the index; both at once, so that the
// session can't end in between. The error says that the client may not have
// any more, or not this one. The client is entered.
func (c *Client) subscribe(r *route, f topic.Filter) (isNew bool, err error) {
	br, to := c.broker, c.routes()
	if f.Kind == topic.Exclusive && !br.exclusive.claim(c, f.Bare) {
		return false, mqtt.QuotaExceeded
	}
	old, err := c.sess.Subscribe(&r.Subscription)
	if err != nil {
		if f.Kind == topic.Exclusive {
			br.exclusive.release(c, f.Bare, false)
		}
		return false, err
	}
	if rd := c.reader(); rd != nil && f.Kind != topic.Shared {
		rd.subscribed(br.durable, r.Filter, old == nil)
	}
	if to != nil && f.Kind != topic.Shared {
		to.Added(f.Bare, c.inLog(r.QoS))
		if old != nil {
			to.Removed(f.Bare, c.inLog(old.QoS))
		}
	}
	c.route(r, f, old == nil)
	return old == nil, nil
}

// route enters a subscription of the session into the index. The client is
// entered.
func (c *Client) route(r *route, f topic.Filter, isNew bool) {
	br := c.broker
	if f.Kind == topic.Shared {
		br.groups.join(f, member{client: c, route: r})
	} else {
		br.index.Set(r)
	}
	if isNew {
		br.count.subscriptions.Add(1)
		if f.Kind == topic.Shared {
			br.count.sharedSubscriptions.Add(1)
			c.shared++
		}
	}
}

// Unsubscribe gives one subscription up; the filter is mounted. What is queued
// or in flight for it still goes to the client [MQTT-3.10.4-3].
func (br *Broker) Unsubscribe(b *Batch, c *Client, conn Conn, filter string) mqtt.ReasonCode {
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return mqtt.UnspecifiedError
	}
	sub := c.giveUp(filter)
	info, shares := c.info, c.shares()
	c.leave(b)
	pump(b, shares)
	if sub == nil {
		return mqtt.NoSubscriptionExisted
	}
	br.unsubscribed(info, sub)
	return mqtt.Success
}

// giveUp ends a subscription; nil: there is none. The client is entered.
func (c *Client) giveUp(filter string) *session.Subscription {
	to := c.routes()
	sub := c.sess.Unsubscribe(filter)
	if sub == nil {
		return nil
	}
	c.broker.unroute(c, sub, to)
	if r := c.reader(); r != nil {
		delete(r.since, filter)
		c.keepRecord(filter)
	}
	return sub
}

// unsubscribed tells that a subscription has ended. No client is entered.
func (br *Broker) unsubscribed(info *hook.ClientInfo, sub *session.Subscription) {
	if h := &br.Hooks.SessionUnsubscribed; !h.Empty() {
		h.Run(&hook.SessionSubscription{Client: info, SubscribeFilter: mqtt.SubscribeFilter{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions}})
	}
}

// unroute takes a subscription out of the index; to is what Client.routes said
// when the session had it. The client is entered.
func (br *Broker) unroute(c *Client, sub *session.Subscription, to Routes) {
	br.count.subscriptions.Add(-1)
	f := split(sub.Filter)
	if f.Kind == topic.Shared {
		br.groups.leave(f, c)
		br.count.sharedSubscriptions.Add(-1)
		c.shared--
		return
	}
	br.index.Delete(f.Bare, routeKey{&c.self, f.Kind})
	if to != nil {
		to.Removed(f.Bare, c.inLog(sub.QoS))
	}
	if f.Kind == topic.Exclusive {
		br.exclusive.release(c, f.Bare, false)
	}
}

// split takes apart a filter that is known to be valid.
func split(filter string) topic.Filter {
	if filter[0] == '$' {
		if f, err := topic.Parse(filter); err == nil {
			return f
		}
	}
	return topic.Filter{Bare: filter}
}
