package broker

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// Opening is an authenticated CONNECT that asks for its session.
type Opening struct {
	Conn Conn
	Zone *Zone
	Info *hook.ClientInfo // must not change any more

	CleanStart     bool
	KeepAlive      uint16        // seconds, in force
	ReceiveMaximum uint16        // of the client; 65535 if it named none
	ExpiryInterval uint32        // seconds; session.Never
	Will           *session.Will // mounted; nil: none

	// Accept is called once, before anything is delivered on the new
	// connection: it sends the CONNACK. It must not call the broker.
	Accept func(c *Client, present bool)
}

// Open gives a CONNECT its session: a new one, or the one of an earlier
// connection with the same client id [MQTT-3.1.2-4..6]. An old connection is
// ended: taken over if its session goes on, discarded if not [MQTT-3.1.4-3].
func (br *Broker) Open(b *Batch, o *Opening) *Client {
	for {
		old := br.clients.get(o.Info.ClientID)
		if old != nil && !o.CleanStart {
			if br.resume(b, old, o) {
				return old
			}
			continue // it ended while we looked
		}
		if old != nil {
			br.discard(b, old)
		}
		if c := br.create(b, o); c != nil {
			return c
		}
	}
}

// create makes a new session; nil: somebody else was faster with this id.
func (br *Broker) create(b *Batch, o *Opening) *Client {
	c := &Client{broker: br, id: o.Info.ClientID, sess: session.New(&o.Zone.Session, b.Now())}
	c.enter(b)
	if br.clients.add(c) != nil {
		c.leave(b)
		return nil
	}
	c.attach(b, o, false)
	c.leave(b)
	br.fireSession(&br.Hooks.SessionCreated, br.count.sessionCreated, c, "")
	br.connected(b, c, o)
	return c
}

// resume continues a session; false: it has ended.
func (br *Broker) resume(b *Batch, c *Client, o *Opening) bool {
	c.enter(b)
	if c.ended {
		c.leave(b)
		return false
	}
	if c.expired(b.Now()) {
		c.leave(b)
		br.end(b, c, "expired")
		return false
	}
	taken := c.detach(b, endTakenOver)
	before := c.info
	c.attach(b, o, true)
	c.leave(b)
	if taken {
		br.count.sessionTakenOver.Inc()
		fire(&br.Hooks.SessionTakenOver, &hook.SessionEvent{Client: before, Reason: endTakenOver.Word})
	}
	br.fireSession(&br.Hooks.SessionResumed, br.count.sessionResumed, c, "")
	br.connected(b, c, o)
	br.unpark(b, c)
	return true
}

// attach makes o's connection the client's. The client is entered.
func (c *Client) attach(b *Batch, o *Opening, present bool) {
	c.conn = o.Conn
	c.info = o.Info
	c.zone = o.Zone
	c.keepAlive, c.cleanStart, c.connectedAt = o.KeepAlive, o.CleanStart, b.Now()
	c.sess.SetExpiryInterval(o.ExpiryInterval)
	c.sess.SetRetry(o.Info.Version < mqtt.V5)
	c.sess.SetWill(o.Will)
	o.Accept(c, present)
	c.sess.Connected(o.ReceiveMaximum, b, b.Now())
}

// detach ends the client's present connection, if it has one.
func (c *Client) detach(b *Batch, why Ending) bool {
	if c.conn == nil {
		return false
	}
	c.conn.End(why)
	c.conn, c.replay = nil, nil
	c.sess.Disconnected(b.Now())
	c.broker.count.connections.Add(-1)
	return true
}

// connected is the end of every successful Open.
func (br *Broker) connected(b *Batch, c *Client, o *Opening) {
	br.count.connections.Add(1)
	br.count.clientConnected.Inc()
	br.autoSubscribe(b, c)
	br.presenceConnected(b, c, o)
	if !br.Hooks.ClientConnected.Empty() {
		br.Hooks.ClientConnected.Run(&hook.ConnInfo{
			Client: o.Info, CleanStart: o.CleanStart, KeepAlive: o.KeepAlive, ReceiveMaximum: o.ReceiveMaximum,
			ExpiryInterval: o.ExpiryInterval, ConnectedAt: c.connectedAt,
		})
	}
}

// Close tells that conn has ended for the reason word. expiry, if not nil, is
// the session expiry interval that the client's DISCONNECT set; withWill says
// whether the will stands: it doesn't after a normal DISCONNECT [MQTT-3.1.2-10].
func (c *Client) Close(b *Batch, conn Conn, reason string, expiry *uint32, withWill bool) {
	br := c.broker
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return
	}
	c.conn = nil
	br.count.connections.Add(-1)
	if expiry != nil {
		c.sess.SetExpiryInterval(*expiry)
	}
	if !withWill {
		c.sess.SetWill(nil)
	}
	c.replay = nil
	c.sess.Disconnected(b.Now())
	w := c.dueWill(b.Now())
	over := c.sess.ExpiryInterval() == 0
	if !over {
		c.wake(c.sess.ExpiresAt())
		c.wake(c.sess.WillAt())
	}
	info, connectedAt := c.info, c.connectedAt
	c.leave(b)

	br.publishWill(b, c, w)
	br.disconnected(b, c, info, connectedAt, reason)
	if over {
		br.end(b, c, reason)
	} else {
		br.handOver(b, c)
	}
}

// disconnected is the end of every accepted connection that wasn't superseded.
func (br *Broker) disconnected(b *Batch, c *Client, info *hook.ClientInfo, connectedAt int64, reason string) {
	br.count.clientDisconnected.Inc()
	br.presenceDisconnected(b, info, connectedAt, reason)
	if !br.Hooks.ClientDisconnected.Empty() {
		br.Hooks.ClientDisconnected.Run(&hook.ClientDisconnected{
			Conn: &hook.ConnInfo{
				Client: info, KeepAlive: c.keepAlive, CleanStart: c.cleanStart,
				ConnectedAt: connectedAt, DisconnectedAt: b.Now(),
			},
			Reason: reason,
		})
	}
}

// discard ends a session because the client wants a new one.
func (br *Broker) discard(b *Batch, c *Client) {
	c.mu.Lock()
	c.detach(b, endDiscarded)
	c.sess.SetWill(nil)
	c.mu.Unlock()
	br.end(b, c, endDiscarded.Word)
}

// Kick ends a client's connection and session at the wish of an operator;
// false: there is no such client.
func (br *Broker) Kick(b *Batch, id string) bool {
	c := br.clients.get(id)
	if c == nil {
		return false
	}
	c.mu.Lock()
	info, connectedAt := c.info, c.connectedAt
	had := c.detach(b, endKicked)
	c.mu.Unlock()
	if had {
		br.disconnected(b, c, info, connectedAt, endKicked.Word)
	}
	br.end(b, c, endKicked.Word)
	return true
}

// end is the end of a session: its subscriptions go, its will is published if
// it still stands, and what it had queued is handed on or counted as dropped.
func (br *Broker) end(b *Batch, c *Client, reason string) {
	br.handOver(b, c)
	c.enter(b)
	if c.ended {
		c.leave(b)
		return
	}
	c.ended = true
	w := c.sess.Will()
	for sub := range c.sess.Subscriptions() {
		br.unroute(c, sub)
	}
	br.clients.remove(c)
	c.sess.End(b)
	c.leave(b)

	br.publishWill(b, c, w)
	switch reason {
	case endDiscarded.Word:
		br.fireSession(&br.Hooks.SessionDiscarded, br.count.sessionDiscarded, c, reason)
	default:
		br.fireSession(&br.Hooks.SessionTerminated, br.count.sessionTerminated, c, reason)
	}
}

// expired reports whether the offline session's time is over.
func (c *Client) expired(now int64) bool {
	at := c.sess.ExpiresAt()
	return c.conn == nil && at != 0 && at <= now
}
