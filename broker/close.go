package broker

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/session"
)

// departure is the end of a client's connection, of its session, or of both.
// What happens is decided in one go while the client is entered; what follows
// from it for others is gathered here and carried out afterwards.
type departure struct {
	reason string
	info   *hook.ClientInfo // as it was then
	zone   *Zone

	conn *hook.ConnInfo     // the connection whose end is told; nil: none
	will *session.Will      // to be published; nil: none
	over bool               // the session has ended
	held []session.Delivery // of shared groups: for other members
	left []share            // groups for whose other members there may be more

	forgone []identified // what waited for a save: the client will send it to another node
}

// departure begins one. The client is entered.
func (c *Client) departure(reason string) *departure {
	return &departure{reason: reason, info: c.info, zone: c.zone}
}

// disconnect ends the client's connection, if it has one, which is told why.
// The client is entered.
func (c *Client) disconnect(b *Batch, d *departure, why Ending) bool {
	if c.conn == nil {
		return false
	}
	c.conn.End(why)
	c.disconnected(b, d)
	return true
}

// disconnected books the end of the client's connection. The client is
// entered.
func (c *Client) disconnected(b *Batch, d *departure) {
	br := c.broker
	if br.tells(d.reason) {
		d.conn = c.connInfo()
		d.conn.DisconnectedAt = b.Now()
	}
	c.conn = nil
	c.status.drop(isOnline)
	if c.more != nil {
		c.more.replay = nil
		c.more.reader.hangUp()
	}
	br.count.connections.Add(-1)
	br.groups.count(c, -1)
	c.sess.Disconnected(b.Now())
}

// tells reports whether the end of a connection for this reason is told to the
// hook client.disconnected and to presence.
func (br *Broker) tells(reason string) bool {
	switch reason {
	case endTakenOver.Word:
		return br.cfg.Load().TellTakenOver
	case endDiscarded.Word:
		return br.cfg.Load().TellDiscarded
	}
	return true
}

// finish ends the session: its subscriptions go, the will that still stands is
// due, and what it holds of shared groups is for the other members; the rest
// is dropped. The client is entered and has no connection.
func (c *Client) finish(b *Batch, d *departure) {
	br := c.broker
	c.ended, d.over = true, true
	c.countPersistent(false)
	if w := c.sess.Will(); w != nil && !br.stopping.Load() {
		d.will = w
	}
	to, shares := c.routes(), c.shared > 0 || len(c.shares()) > 0
	for sub := range c.sess.Subscriptions() {
		br.unroute(c, sub, to)
	}
	if d.held = c.surrender(br.hasOthers); shares {
		c.settleGuards()
		c.settleAll()
		d.left = c.shares()
	}
	c.sess.End(b)
	c.endReader()
	br.clients.remove(c)
	br.wheel.set(c, c.timer, 0)
	if cl := br.cluster.Load(); cl != nil {
		cl.Claims.Ended(c.info.ClientID)
	}
}

// carryOut tells everybody what has happened. No client is entered.
func (br *Broker) carryOut(b *Batch, d *departure) {
	for _, a := range d.forgone {
		a.unsaved(errTaken)
	}
	br.redispatch(b, d.held)
	pump(b, d.left)
	br.publishWill(b, d)
	if d.conn != nil {
		br.count.clientDisconnected.Inc()
		br.presenceDisconnected(b, d.conn, d.reason)
		fire(&br.Hooks.ClientDisconnected, &hook.ClientDisconnected{Conn: d.conn, Reason: d.reason})
	}
	switch {
	case !d.over:
	case d.reason == endDiscarded.Word:
		br.fireSession(&br.Hooks.SessionDiscarded, br.count.sessionDiscarded, d.info, "session discarded", d.reason)
	default:
		br.fireSession(&br.Hooks.SessionTerminated, br.count.sessionTerminated, d.info, "session ended", d.reason)
	}
}

// Close tells that conn has ended for the reason word. expiry, if not nil, is
// the session expiry interval that the client's DISCONNECT set; withWill says
// whether the will stands: it doesn't after a normal DISCONNECT [MQTT-3.1.2-10].
// A connection that has been superseded closes nothing.
func (c *Client) Close(b *Batch, conn Conn, reason string, expiry *uint32, withWill bool) {
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return
	}
	d := c.departure(reason)
	if expiry != nil {
		c.sess.SetExpiryInterval(*expiry)
	}
	if !withWill {
		c.sess.SetWill(nil)
	}
	c.disconnected(b, d)
	d.will = c.dueWill(b.Now())
	if c.sess.ExpiryInterval() == 0 {
		c.finish(b, d)
	} else {
		c.wake(c.sess.ExpiresAt())
		c.wake(c.sess.WillAt())
		c.keepRecord("")
	}
	c.leave(b)
	c.broker.carryOut(b, d)
	if !d.over {
		c.broker.handOver(b, c)
	}
}

// discard ends a session because the client wants a new one. Its will goes
// unpublished, as in EMQ X. It returns the session's epoch, 0 if it isn't durable.
func (br *Broker) discard(b *Batch, c *Client) (epoch uint64) {
	c.enter(b)
	c.sess.SetWill(nil)
	if r := c.reader(); r != nil {
		epoch = r.epoch
	}
	br.expel(b, c, endDiscarded)
	return epoch
}

// Kick ends a client's connection and session at the wish of an operator;
// false: there is no such client.
func (br *Broker) Kick(b *Batch, id string) bool {
	c := br.clients.get(id)
	if c == nil {
		return false
	}
	c.enter(b)
	return br.expel(b, c, endKicked)
}

// expel ends the connection and the session of a client that has been entered,
// and leaves it; false: it had ended already.
func (br *Broker) expel(b *Batch, c *Client, why Ending) bool {
	d := c.end(b, why)
	c.leave(b)
	if d == nil {
		return false
	}
	br.carryOut(b, d)
	return true
}

// end ends the connection and the session; nil: it had ended already. The client
// is entered.
func (c *Client) end(b *Batch, why Ending) *departure {
	if c.ended {
		return nil
	}
	d := c.departure(why.Word)
	c.disconnect(b, d, why)
	c.finish(b, d)
	return d
}
