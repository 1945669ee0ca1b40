package server

import (
	"fmt"
	"log/slog"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
	"github.com/dunlin-mq/dunlin/trace"
)

// What is told to whoever traces a client, an address or a topic: packets, and
// what is decided about connections. What the broker decides about messages
// and sessions it tells itself. Without a trace each place costs one atomic
// load; those without an Active among their arguments look themselves, and
// stand where time doesn't matter.

// line is one about the connection.
func line(info *hook.ClientInfo, level slog.Level, event string, more ...slog.Attr) trace.Line {
	return trace.Line{Level: level, Event: event, Client: info.ClientID, Peer: info.Peer, More: more}
}

// watched are the traces about the client or its address.
func (c *conn) watched(info *hook.ClientInfo) trace.Watch {
	a := c.listener.server.trace.Active()
	if a == nil {
		return nil
	}
	return a.Client(info.ClientID, info.Peer.Addr())
}

// traceOpened tells of a connection from which nothing has come.
func (c *conn) traceOpened() {
	if w := c.watched(c.info); len(w) > 0 {
		l := c.listener
		w.Write(line(c.info, slog.LevelInfo, "connection", slog.String("listener", l.info.Protocol+":"+l.info.Name), slog.String("zone", l.info.Zone)))
	}
}

// traceGone tells that the connection is gone.
func (c *conn) traceGone(reason string) {
	if w := c.watched(c.info); len(w) > 0 {
		w.Write(line(c.info, slog.LevelInfo, "disconnected", slog.String("reason", reason)))
	}
}

// traceFault tells that the broker ends the connection, and why.
func (c *conn) traceFault(info *hook.ClientInfo, event, reason, why string) {
	if w := c.watched(info); len(w) > 0 {
		w.Write(line(info, slog.LevelError, event, slog.String("reason", reason), slog.String("why", why)))
	}
}

// traceConnect tells of a CONNECT once its client has the name that counts.
func (c *conn) traceConnect(k *mqtt.Connect) {
	w := c.watched(c.info)
	if len(w) == 0 {
		return
	}
	shown := *k
	if k.Username != nil {
		user := trace.User(*k.Username)
		shown.Username = &user
	}
	l := line(c.info, slog.LevelDebug, "received", slog.String("username", trace.User(c.info.Username)))
	l.Packet = &shown
	w.Write(l)
}

// traceAuthenticated tells who has said who the client is.
func (c *conn) traceAuthenticated(info *hook.ClientInfo, by string, o *auth.Outcome) {
	w := c.watched(info)
	if len(w) == 0 {
		return
	}
	level := slog.LevelInfo
	switch {
	case o.Code.Failed():
		level = slog.LevelWarn
	case o.Anonymous:
		by = "allow_anonymous"
	}
	if by == "" {
		by = "nobody"
	}
	l := line(info, level, "authentication", slog.String("username", trace.User(info.Username)), slog.String("by", by),
		slog.String("code", o.Code.String()))
	if o.Superuser {
		l.More = append(l.More, slog.Bool("superuser", true))
	}
	w.Write(l)
}

// traceUnasked tells of a topic that the ACL is not asked about.
func (c *conn) traceUnasked(a *trace.Active, action auth.Action, name string) {
	w := a.Filters(c.info.ClientID, c.info.Peer.Addr(), c.info.Mountpoint+name)
	if len(w) == 0 {
		return
	}
	by := "an answer of the last second"
	switch {
	case !c.listener.policy().EnableACL:
		by = "enable_acl"
	case c.info.Superuser:
		by = "superuser"
	}
	l := line(c.info, slog.LevelDebug, "acl", slog.String("action", action.String()), slog.String("result", "allow"), slog.String("by", by))
	l.Topic = name
	w.Write(l)
}

// traceReceived tells of a packet before anything is done with it, but for
// CONNECT, see traceConnect.
func (c *conn) traceReceived(a *trace.Active, packet mqtt.Packet) {
	id, peer := c.info.ClientID, c.info.Peer.Addr()
	l := line(c.info, slog.LevelDebug, "received")
	var w trace.Watch
	switch k := packet.(type) {
	case *mqtt.Connect:
		if c.client != nil { // a second one
			c.traceConnect(k)
		}
		return
	case *mqtt.Publish:
		l.Topic, l.Payload = c.mountedTopic(k), k.Payload
		w = a.Message(id, peer, l.Topic)
	case *mqtt.Subscribe:
		filters := make([]string, len(k.Filters))
		for i := range k.Filters {
			filters[i] = c.mountedFilter(k.Filters[i].Filter)
		}
		w = a.Filters(id, peer, filters...)
	case *mqtt.Unsubscribe:
		filters := make([]string, len(k.Filters))
		for i := range k.Filters {
			filters[i] = c.mountedFilter(k.Filters[i])
		}
		w = a.Filters(id, peer, filters...)
	default:
		w = a.Client(id, peer)
	}
	if len(w) > 0 {
		l.Packet = shown(packet)
		w.Write(l)
	}
}

// traceSubscription tells what became of one filter, which is mounted if it was
// permitted.
func (c *conn) traceSubscription(event, filter string, code mqtt.ReasonCode) {
	a := c.listener.server.trace.Active()
	if a == nil {
		return
	}
	bare := filter
	if f, err := topic.Parse(filter); err == nil {
		bare = f.Bare
	}
	if w := a.Filters(c.info.ClientID, c.info.Peer.Addr(), bare); len(w) > 0 {
		level := slog.LevelInfo
		if code.Failed() {
			level = slog.LevelWarn
		}
		w.Write(line(c.info, level, event, slog.String("filter", filter), slog.String("code", code.String())))
	}
}

// shown is a packet as it is written.
func shown(packet mqtt.Packet) fmt.Stringer {
	if s, ok := packet.(fmt.Stringer); ok {
		return s
	}
	return packet.Type()
}

// mountedTopic is the topic of a PUBLISH below the mountpoint, which an alias
// may stand for.
func (c *conn) mountedTopic(k *mqtt.Publish) string {
	name := k.Topic
	if name == "" && c.aliases != nil && k.Props.Has(mqtt.PropTopicAlias) {
		name = c.aliases.topics[k.Props.TopicAlias]
	}
	return c.info.Mountpoint + name
}

// mountedFilter is a filter without $share and such, below the mountpoint. It
// may be none.
func (c *conn) mountedFilter(text string) string {
	f, err := topic.Parse(text)
	if err != nil {
		return text
	}
	return c.info.Mountpoint + f.Bare
}

// traceSent tells of a packet that goes out and is no PUBLISH; mu is held.
func (c *conn) traceSent(a *trace.Active, packet mqtt.Packet) {
	if w := a.Client(c.info.ClientID, c.info.Peer.Addr()); len(w) > 0 {
		l := line(c.info, slog.LevelDebug, "sent")
		l.Packet = shown(packet)
		w.Write(l)
	}
}

// traceSentPublish tells of a message that goes out; mu is held.
func (c *conn) traceSentPublish(a *trace.Active, m *mqtt.Message, o *mqtt.PublishOptions) {
	if m.Sys {
		return
	}
	name := c.info.Mountpoint + m.Topic
	w := a.Message(c.info.ClientID, c.info.Peer.Addr(), name)
	if len(w) == 0 {
		return
	}
	l := line(c.info, slog.LevelDebug, "sent", slog.String("from", m.From))
	l.Topic, l.Payload = name, m.Payload
	l.Packet = &mqtt.Publish{Dup: o.Dup, QoS: o.QoS, Retain: o.Retain, Topic: m.Topic, PacketID: o.PacketID, Props: m.Props, Payload: m.Payload}
	w.Write(l)
}

// traceRefusedPublish tells of a PUBLISH that is not routed.
func (c *conn) traceRefusedPublish(k *mqtt.Publish, reason string) {
	a := c.listener.server.trace.Active()
	if a == nil {
		return
	}
	name := c.mountedTopic(k)
	if w := a.Message(c.info.ClientID, c.info.Peer.Addr(), name); len(w) > 0 {
		l := line(c.info, slog.LevelWarn, "dropped", slog.String("reason", reason))
		l.Topic = name
		w.Write(l)
	}
}
