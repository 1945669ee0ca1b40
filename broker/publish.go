package broker

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Publish takes one message through the pipeline, in this fixed order: topic
// rewriting, the hook message.publish, delayed messages, retained messages,
// routing. from is the publisher, nil for the broker's own messages; the
// topic is mounted. m may be borrowed (mqtt.Message); it is changed.
//
// The code is what the publisher is told: Success, NoMatchingSubscribers when
// nobody gets the message now, or the failure with which a hook refused it;
// deliveries is how many subscriptions matched.
func (br *Broker) Publish(b *Batch, from *hook.ClientInfo, m *mqtt.Message) (code mqtt.ReasonCode, deliveries int) {
	code, deliveries = br.publish(b, from, &m)
	if m.Sys {
		br.publishAlias(b, m)
	}
	if h := &br.Hooks.MessageRouted; !h.Empty() {
		h.Run(&hook.MessageRouted{Message: m, Code: code, Deliveries: deliveries})
	}
	return code, deliveries
}

// publish is Publish but for the hook at its end. *message becomes what a hook
// made of it.
func (br *Broker) publish(b *Batch, from *hook.ClientInfo, message **mqtt.Message) (code mqtt.ReasonCode, deliveries int) {
	m := *message
	if !m.Sys {
		br.count.published.Inc()
	}
	br.rewritePublish(from, m)
	if h := &br.Hooks.MessagePublish; !h.Empty() {
		e := hook.MessagePublish{Client: from, Message: m}
		h.Run(&e)
		if e.Refuse {
			br.Refused(RefusedByHook, m.From, m.Topic)
			br.traceRefused(m, RefusedByHook.String(), e.Code)
			return e.Code, 0
		}
		m = e.Message
		*message = m
	}
	count := br.topics.of(m.Topic)
	if count != nil {
		count.in(m.QoS)
	}
	if isDelayed(m.Topic) {
		if code, delayed := br.delay(m, b.Now()); delayed {
			return code, 0
		}
	}
	if m.Retain && !br.retain(m, b.Now()) {
		return mqtt.Success, 0
	}
	n := br.route(b, m)
	if n == 0 {
		if count != nil {
			count.dropped()
		}
		br.unroutable(m)
		return mqtt.NoMatchingSubscribers, 0
	}
	return mqtt.Success, n
}

// route delivers m to everybody whose filter matches its topic and returns
// how many those are. Order per publisher and topic is kept because a
// publisher's messages are routed one after the other, each to its end.
func (br *Broker) route(b *Batch, m *mqtt.Message) int {
	routes := br.index.Match(m.Topic, b.routes[:0])
	br.traceRoute(m, len(routes))
	if len(routes) == 0 {
		return 0
	}
	b.forget() // the memory of m may have been that of another message before
	for i, r := range routes {
		r.to.Deliver(b, m, &r.Subscription)
		routes[i] = nil
	}
	b.forget()
	b.routes = routes[:0]
	return len(routes)
}

// retain stores or deletes the retained message of m's topic. false: m only
// deletes, and the configuration says that nobody hears of that.
func (br *Broker) retain(m *mqtt.Message, now int64) bool {
	br.count.retained.Inc()
	if len(m.Payload) == 0 {
		br.Retained.Delete(m.Topic)
		br.traceRetained(m, "retained message deleted", nil)
		return !br.Retained.StopPublishClearMsg()
	}
	err := br.Retained.Put(m, now)
	if err != nil {
		br.logs.notRetained.warn(br.log, now, "a retained message is not stored", "topic", m.Topic, "client", m.From, "err", err)
		br.traceRetained(m, "not retained", err)
		return true
	}
	br.traceRetained(m, "retained", nil)
	return true
}

// unroutable books a message that nobody gets.
func (br *Broker) unroutable(m *mqtt.Message) {
	if m.Sys {
		return
	}
	br.count.dropped.Inc()
	br.Refused(NoSubscribers, m.From, m.Topic)
	br.traceDropped(m, NoSubscribers.String())
	if h := &br.Hooks.MessageDropped; !h.Empty() {
		h.Run(&hook.MessageDropped{Message: m, Reason: "no_subscribers"})
	}
}

// acked books a PUBACK or PUBREC.
func (br *Broker) acked(by *hook.ClientInfo, m *mqtt.Message) {
	br.count.acked.Inc()
	br.traceAcked(by, m)
	if h := &br.Hooks.MessageAcked; !h.Empty() {
		h.Run(&hook.MessageAcked{Client: by, Message: m})
	}
}
