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
	Ask  *hook.ConnInfo // all that is in force; the broker adds ConnectedAt
	Will *session.Will  // mounted; nil: none
	// Durable says that the session has to outlive the process if it outlives
	// its connection and there is a log. Once durable, a session stays so.
	Durable bool

	// Accept is called once, before anything is delivered on the new
	// connection: it sends the CONNACK. It must not call the broker.
	Accept func(c *Client, present bool)

	claim       *claim // nil: no other node was asked
	unavailable error  // why the session can't be had now
	epoch       uint64 // of the session in whose place a new one comes: the new one's are later
}

// Open gives a CONNECT its session: a new one, or the one of an earlier
// connection with the same client id [MQTT-3.1.2-4..6]. An old connection is
// ended: taken over if its session goes on, discarded if not [MQTT-3.1.4-3]. nil:
// it has gone to another node meanwhile, and Claim has to be called again.
func (br *Broker) Open(b *Batch, o *Opening) *Client {
	o.Ask.ConnectedAt = b.Now()
	defer o.opened()
	for {
		old := br.clients.get(o.Ask.Client.ClientID)
		switch {
		case old == nil && o.claim != nil && o.claim.here:
			return nil
		case old == nil:
			if c := br.create(b, o); c != nil {
				return c
			}
		case o.Ask.CleanStart:
			o.epoch = max(o.epoch, br.discard(b, old))
		case br.resume(b, old, o):
			return old
		}
	}
}

// create makes a new session; nil: somebody else was faster with this id.
func (br *Broker) create(b *Batch, o *Opening) *Client {
	c := &Client{broker: br, info: o.Ask.Client, sess: session.New(&o.Zone.Session, b.Now())}
	c.self.Subscriber = c
	c.enter(b)
	if !br.clients.add(c) {
		c.leave(b)
		return nil
	}
	if br.outlives(o) {
		c.makeDurable()
		c.more.reader.epoch = o.epoch
	}
	c.attach(b, o, false)
	c.leave(b)
	br.fireSession(&br.Hooks.SessionCreated, br.count.sessionCreated, o.Ask.Client, "session created", "")
	br.connected(b, c, o)
	return c
}

// resume continues a session; false: it has ended.
func (br *Broker) resume(b *Batch, c *Client, o *Opening) bool {
	var goOn func()
	if br.outlives(o) && !c.status.has(isDurable) {
		goOn = br.durable.rest()
	}
	d, taken := c.resume(b, o)
	if goOn != nil {
		goOn()
	}
	if d == nil {
		return false
	}
	br.carryOut(b, d)
	if d.over {
		return false
	}
	if taken {
		br.fireSession(&br.Hooks.SessionTakenOver, br.count.sessionTakenOver, d.info, "session taken over", d.reason)
	}
	br.fireSession(&br.Hooks.SessionResumed, br.count.sessionResumed, o.Ask.Client, "session resumed", "")
	br.connected(b, c, o)
	br.settle(b, c)
	return true
}

// resume gives the client another connection, unless its session has ended (nil)
// or ends now. taken: it had a connection, which ends.
func (c *Client) resume(b *Batch, o *Opening) (d *departure, taken bool) {
	c.enter(b)
	defer c.leave(b)
	if c.ended {
		return nil, false
	}
	d = c.departure(endTakenOver.Word)
	if c.expired(b.Now()) {
		d.reason = "expired"
		c.finish(b, d)
		return d, false
	}
	taken = c.disconnect(b, d, endTakenOver)
	if c.broker.outlives(o) && !c.status.has(isDurable) {
		c.makeDurable()
		c.more.reader.known = true
	}
	c.attach(b, o, true)
	return d, taken
}

// outlives reports whether the session that an Opening asks for has to outlive
// the process.
func (br *Broker) outlives(o *Opening) bool {
	return br.durable != nil && o.Durable && o.Ask.ExpiryInterval > 0
}

// attach makes o's connection the client's; its will takes the place of the
// old one. The client is entered.
func (c *Client) attach(b *Batch, o *Opening, present bool) {
	ask := o.Ask
	c.conn, c.zone, c.info = o.Conn, o.Zone, ask.Client
	c.status.add(isOnline)
	c.sess.SetConfig(&o.Zone.Session)
	c.broker.count.connections.Add(1)
	c.broker.groups.count(c, 1)
	c.countPersistent(!ask.CleanStart)
	c.cleanStart, c.keepAlive, c.receiveMax, c.connectedAt = ask.CleanStart, ask.KeepAlive, ask.ReceiveMaximum, ask.ConnectedAt
	c.sess.SetExpiryInterval(ask.ExpiryInterval)
	c.sess.SetRetry(ask.Client.Version < mqtt.V5)
	c.sess.SetTimed(c.broker.slow != nil)
	c.sess.SetWill(o.Will)
	o.Accept(c, present)
	c.sess.Connected(ask.ReceiveMaximum, b, b.Now())
	if r := c.reader(); r != nil {
		r.epoch++
		r.wanted = 0
		c.keepRecord("")
		c.feedLog(b)
	}
}

// countPersistent counts the session as one whose client didn't ask for a clean
// start, or no more. The client is entered.
func (c *Client) countPersistent(now bool) {
	if now != c.persistent {
		c.persistent = now
		n := int64(-1)
		if now {
			n = 1
		}
		c.broker.count.persistent.Add(n)
	}
}

// connected is the end of every successful Open.
func (br *Broker) connected(b *Batch, c *Client, o *Opening) {
	br.count.clientConnected.Inc()
	br.autoSubscribe(b, c, o)
	br.presenceConnected(b, o.Ask)
	fire(&br.Hooks.ClientConnected, o.Ask)
}
