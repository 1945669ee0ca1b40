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
// deliveries is how many subscriptions matched. A message that durable sessions
// have to get is routed when the log has it, and nobody hears if it doesn't
// take it; see PublishFrom and PublishKept.
func (br *Broker) Publish(b *Batch, from *hook.ClientInfo, m *mqtt.Message) (code mqtt.ReasonCode, deliveries int) {
	code, deliveries, _ = br.take(b, from, m, receipt{})
	return code, deliveries
}

// PublishFrom is Publish for a message that o.Conn acknowledges. pending: the
// log is being given the message, and the acknowledgement was promised.
func (br *Broker) PublishFrom(b *Batch, from *hook.ClientInfo, m *mqtt.Message, o Origin) (code mqtt.ReasonCode, deliveries int, pending bool) {
	return br.take(b, from, m, receipt{Origin: o})
}

// PublishKept is Publish for one who has the time to wait until the message is
// kept, if it has to be. The code then also tells if it isn't.
func (br *Broker) PublishKept(b *Batch, from *hook.ClientInfo, m *mqtt.Message) (code mqtt.ReasonCode, deliveries int) {
	kept := make(chan mqtt.ReasonCode, 1)
	code, deliveries, pending := br.take(b, from, m, receipt{over: func(code mqtt.ReasonCode) { kept <- code }})
	if !pending {
		return code, deliveries
	}
	b.End() // what others wait for
	select {
	case code = <-kept:
	case <-br.stop:
		code = mqtt.ServerShuttingDown
	}
	return code, deliveries
}

// take is Publish, and says whether the message is pending; r is for who waits
// then.
func (br *Broker) take(b *Batch, from *hook.ClientInfo, m *mqtt.Message, r receipt) (code mqtt.ReasonCode, deliveries int, pending bool) {
	code, deliveries, pending = br.publish(b, from, &m, r)
	if m.Sys {
		br.publishAlias(b, m)
	}
	if !pending {
		br.tellRouted(m, code, deliveries)
	}
	return code, deliveries, pending
}

// tellRouted runs the hook message.routed.
func (br *Broker) tellRouted(m *mqtt.Message, code mqtt.ReasonCode, deliveries int) {
	if h := &br.Hooks.MessageRouted; !h.Empty() {
		h.Run(&hook.MessageRouted{Message: m, Code: code, Deliveries: deliveries})
	}
}

// publish is take but for the hook at its end. *message becomes what a hook
// made of it.
func (br *Broker) publish(b *Batch, from *hook.ClientInfo, message **mqtt.Message, r receipt) (code mqtt.ReasonCode, deliveries int, pending bool) {
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
			return e.Code, 0, false
		}
		m = e.Message
		*message = m
	}
	count := br.topics.of(m.Topic)
	if count != nil {
		count.in(m.QoS)
	}
	if isDelayed(m.Topic) {
		if code, pending, delayed := br.delay(b, m, r); delayed {
			return code, 0, pending
		}
	}
	if !m.Retain {
		return br.spread(b, m, r, count)
	}
	w, goesOn := br.retain(m, b.Now(), &r)
	code = mqtt.Success
	if goesOn {
		code, deliveries, pending = br.spread(b, m, r, count)
	}
	if w != nil && !pending {
		br.tellRouted(m, code, deliveries)
		w.routed(b, code, 0)
		pending = true
	}
	return code, deliveries, pending
}

// spread brings m to all whose filter matches its topic, by the log if it has
// to be kept for some of them.
func (br *Broker) spread(b *Batch, m *mqtt.Message, r receipt, count *topicCount) (code mqtt.ReasonCode, deliveries int, pending bool) {
	routes := br.index.Match(m.Topic, b.routes[:0])
	n := len(routes)
	switch d := br.durable; {
	case d != nil && d.wants(b, m, routes):
		clear(routes)
		b.routes = routes[:0]
		d.append(b, m, r)
		return mqtt.Success, n, true
	default:
		n = br.deliver(b, m, routes)
	}
	if n == 0 {
		if count != nil {
			count.dropped()
		}
		br.unroutable(m)
		return mqtt.NoMatchingSubscribers, 0, false
	}
	return mqtt.Success, n, false
}

// deliver gives m to everybody whose filter matches its topic: to those in
// routes, and to other nodes. It returns how many those are, each node counting
// as one. Order per publisher and topic is kept because a publisher's messages
// are routed one after the other, each to its end.
func (br *Broker) deliver(b *Batch, m *mqtt.Message, routes []*route) (n int) {
	n = len(routes)
	br.traceRoute(m, n)
	b.forget() // the memory of m may have been that of another message before
	for i, r := range routes {
		r.to.Deliver(b, m, &r.Subscription)
		routes[i] = nil
	}
	b.forget()
	b.routes = routes[:0]
	return n + br.forward(b, m)
}

// retain stores or deletes the retained message of m's topic. false: m only
// deletes, and the configuration says that nobody hears of that. w, if not nil,
// waits until that is kept, in the place of r.
func (br *Broker) retain(m *mqtt.Message, now int64, r *receipt) (w *await, goesOn bool) {
	br.count.retained.Inc()
	var done func(error)
	if br.Retained.Keeps() {
		if w = br.await(m, r); w != nil {
			done = w.kept
		}
	}
	goesOn, waits := br.retainIn(m, now, done)
	if w != nil && !waits {
		w.kept(nil)
	}
	return w, goesOn
}

func (br *Broker) retainIn(m *mqtt.Message, now int64, done func(error)) (goesOn, waits bool) {
	if len(m.Payload) == 0 {
		waits = br.Retained.DeleteKept(m.Topic, done)
		br.traceRetained(m, "retained message deleted", nil)
		return !br.Retained.StopPublishClearMsg(), waits
	}
	waits, err := br.Retained.PutKept(m, now, done)
	if err != nil {
		br.logs.notRetained.warn(br.log, now, "a retained message is not stored", "topic", m.Topic, "client", m.From, "err", err)
		br.traceRetained(m, "not retained", err)
		return true, false
	}
	br.traceRetained(m, "retained", nil)
	return true, waits
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
	br.guards.settle(m)
	br.traceAcked(by, m)
	if h := &br.Hooks.MessageAcked; !h.Empty() {
		h.Run(&hook.MessageAcked{Client: by, Message: m})
	}
}
