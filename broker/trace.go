package broker

import (
	"log/slog"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/trace"
)

// What the broker decides about messages and sessions, for whoever traces it.
// Each function costs one atomic load while nobody does. Packets are package
// server's to tell.

// traceMessage tells what became of a message as a whole.
func (br *Broker) traceMessage(m *mqtt.Message, level slog.Level, event string, more ...slog.Attr) {
	a := br.trace.Active()
	if a == nil || m.Sys {
		return
	}
	if w := a.Message(m.From, m.PeerAddr, m.Topic); len(w) > 0 {
		w.Write(trace.Line{Level: level, Event: event, Client: m.From, Peer: m.Peer(), Topic: m.Topic, More: more})
	}
}

// traceRoute tells how many subscriptions match a message.
func (br *Broker) traceRoute(m *mqtt.Message, matched int) {
	if br.trace.Active() != nil { // spares the attribute
		br.traceMessage(m, slog.LevelDebug, "route", slog.Int("matched", matched))
	}
}

// traceForward tells how many other nodes, and members of shared groups there,
// a message goes to.
func (br *Broker) traceForward(m *mqtt.Message, n int) {
	if n > 0 && br.trace.Active() != nil {
		br.traceMessage(m, slog.LevelDebug, "forward", slog.Int("to", n))
	}
}

// traceRetained tells of the retained message of a topic: stored, deleted or
// refused.
func (br *Broker) traceRetained(m *mqtt.Message, event string, err error) {
	if br.trace.Active() == nil {
		return
	}
	if err != nil {
		br.traceMessage(m, slog.LevelWarn, event, slog.String("reason", err.Error()))
		return
	}
	br.traceMessage(m, slog.LevelDebug, event)
}

// traceDelayed tells of a message that waits for its time under the topic that
// it will have then.
func (br *Broker) traceDelayed(m *mqtt.Message, at int64) {
	if br.trace.Active() != nil {
		br.traceMessage(m, slog.LevelDebug, "delayed", slog.Time("until", time.UnixMilli(at)))
	}
}

// traceRefused tells of a message that isn't routed, and that the publisher is
// told so.
func (br *Broker) traceRefused(m *mqtt.Message, reason string, code mqtt.ReasonCode) {
	if br.trace.Active() != nil {
		br.traceMessage(m, slog.LevelWarn, "dropped", slog.String("reason", reason), slog.String("code", code.String()))
	}
}

// traceDropped tells of a message that nobody gets.
func (br *Broker) traceDropped(m *mqtt.Message, reason string) {
	if br.trace.Active() != nil {
		br.traceMessage(m, slog.LevelWarn, "dropped", slog.String("reason", reason))
	}
}

// traceDelivery tells what becomes of a message for one subscriber, who is
// entered, if it isn't sent.
func (c *Client) traceDelivery(d session.Delivery, level slog.Level, event, reason string) {
	a := c.broker.trace.Active()
	if a == nil || d.Msg.Sys {
		return
	}
	w := a.Message(c.info.ClientID, c.info.Peer.Addr(), d.Msg.Topic)
	if len(w) == 0 {
		return
	}
	l := trace.Line{Level: level, Event: event, Client: c.info.ClientID, Peer: c.info.Peer, Topic: d.Msg.Topic}
	if reason != "" {
		l.More = append(l.More, slog.String("reason", reason))
	}
	if d.Sub != nil {
		l.More = append(l.More, slog.String("filter", d.Sub.Filter))
	}
	l.More = append(l.More, slog.String("from", d.Msg.From), slog.Int("qos", int(d.QoS)), slog.Int("queued", c.queued()))
	w.Write(l)
}

// traceAcked tells that a client has a message for good.
func (br *Broker) traceAcked(by *hook.ClientInfo, m *mqtt.Message) {
	a := br.trace.Active()
	if a == nil || m.Sys {
		return
	}
	if w := a.Message(by.ClientID, by.Peer.Addr(), m.Topic); len(w) > 0 {
		w.Write(trace.Line{
			Level: slog.LevelDebug, Event: "acked", Client: by.ClientID, Peer: by.Peer, Topic: m.Topic, More: []slog.Attr{slog.String("from", m.From)},
		})
	}
}

// traceSession tells of a session's beginning or end.
func (br *Broker) traceSession(who *hook.ClientInfo, event, reason string) {
	a := br.trace.Active()
	if a == nil {
		return
	}
	if w := a.Client(who.ClientID, who.Peer.Addr()); len(w) > 0 {
		l := trace.Line{Level: slog.LevelInfo, Event: event, Client: who.ClientID, Peer: who.Peer}
		if reason != "" {
			l.More = []slog.Attr{slog.String("reason", reason)}
		}
		w.Write(l)
	}
}

// TraceDecision tells how the ACL has answered, and by whose rule. It is for
// auth.Control.Watch.
func (br *Broker) TraceDecision(d *auth.Decision) {
	a := br.trace.Active()
	if a == nil {
		return
	}
	who := d.Client
	w := a.Filters(who.ClientID, who.Peer.Addr(), who.Mountpoint+d.Topic)
	if len(w) == 0 {
		return
	}
	l := trace.Line{Level: slog.LevelDebug, Event: "acl", Client: who.ClientID, Peer: who.Peer, Topic: d.Topic}
	result := "allow"
	if d.Code.Failed() {
		l.Level, result = slog.LevelWarn, "deny"
	}
	l.More = []slog.Attr{slog.String("action", d.Action.String()), slog.String("result", result), slog.String("by", d.By)}
	if d.Rule != nil {
		rule, where := d.Rule.Explain()
		l.More = append(l.More, slog.String("rule", rule), slog.String("where", where))
	}
	if d.Err != nil {
		l.More = append(l.More, slog.String("error", d.Err.Error()))
	}
	w.Write(l)
}
