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
	r := &route{to: c, Subscription: session.Subscription{
		Filter: o.Filter, SubscribeOptions: o.SubscribeOptions, ID: id, Group: f.Group, Bare: f.Bare,
	}}
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return mqtt.UnspecifiedError, false
	}
	if f.Kind == topic.Exclusive && !br.exclusive.claim(c, f.Bare) {
		c.leave(b)
		return mqtt.QuotaExceeded, false
	}
	old, err := c.sess.Subscribe(&r.Subscription)
	if err != nil {
		c.leave(b)
		return mqtt.QuotaExceeded, false
	}
	if old != nil && old.Filter != o.Filter {
		br.unroute(c, old)
	}
	if f.Group == "" {
		br.index.Set(f.Bare, c, r)
	} else {
		c.shared++
	}
	c.leave(b)
	if f.Group != "" {
		br.groups.join(br, c, r)
		br.unpark(b, c)
	}
	if old == nil {
		br.count.subscriptions.Add(1)
		if f.Group != "" {
			br.count.sharedSubscriptions.Add(1)
		}
	}
	if h := &br.Hooks.SessionSubscribed; !h.Empty() {
		h.Run(&hook.SessionSubscription{Client: c.Info(), SubscribeFilter: o, New: old == nil})
	}
	return mqtt.ReasonCode(o.QoS), old == nil
}

// Unsubscribe gives one subscription up; the filter is mounted.
func (br *Broker) Unsubscribe(b *Batch, c *Client, conn Conn, filter string) mqtt.ReasonCode {
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return mqtt.UnspecifiedError
	}
	sub := c.sess.Unsubscribe(filter)
	if sub == nil {
		c.leave(b)
		return mqtt.NoSubscriptionExisted
	}
	br.unroute(c, sub)
	c.leave(b)
	if h := &br.Hooks.SessionUnsubscribed; !h.Empty() {
		h.Run(&hook.SessionSubscription{Client: c.Info(), SubscribeFilter: mqtt.SubscribeFilter{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions}})
	}
	return mqtt.Success
}

// unroute takes a subscription out of the index. The client is entered.
func (br *Broker) unroute(c *Client, sub *session.Subscription) {
	br.count.subscriptions.Add(-1)
	if f, err := topic.Parse(sub.Filter); err == nil && f.Kind == topic.Exclusive {
		br.exclusive.release(c, f.Bare)
	}
	if sub.Group == "" {
		br.index.Delete(sub.Bare, c)
		return
	}
	c.shared--
	br.count.sharedSubscriptions.Add(-1)
	br.groups.leave(br, c, sub)
}
