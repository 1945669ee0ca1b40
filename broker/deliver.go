package broker

import (
	"log/slog"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// Deliver is Subscriber's.
func (c *Client) Deliver(b *Batch, m *mqtt.Message, sub *session.Subscription) {
	c.enter(b)
	if c.ended && c.status.has(isGone) {
		c.leave(b)
		return
	}
	if r := c.reader(); r != nil && m.LogSeq != 0 && !c.ended && c.reads(m, sub) && !(b.aside && r.older(m.At())) {
		if !b.aside {
			c.deliverLogged(b, m, sub)
		}
	} else {
		c.broker.count.matched.Inc()
		c.deliver(b, m, sub, m.Retain && sub.RetainAsPublished)
	}
	c.leave(b)
}

// deliver hands one message to the session; the client is entered.
func (c *Client) deliver(b *Batch, m *mqtt.Message, sub *session.Subscription, retain bool) {
	d := session.Delivery{Msg: m, Sub: sub, QoS: c.sess.Grant(m, sub), Retain: retain}
	switch {
	case c.ended:
		c.sess.Drop(d, session.SessionEnded, b)
	case sub.NoLocal && m.From == c.info.ClientID: // [MQTT-3.8.3-3]
		c.sess.Drop(d, session.NoLocal, b)
	default:
		switch c.sess.Deliver(d, b, b.Now()) {
		case session.Queued:
			c.traceDelivery(d, slog.LevelDebug, "queued", "")
		case session.Sent:
			if d.QoS == 0 && m.QoS > 0 { // nobody will acknowledge it
				c.broker.guards.settle(m)
				c.settled(&d)
			}
		}
	}
}

// feed goes on with what doesn't fit into the session at once. The client is
// entered.
func (c *Client) feed(b *Batch) {
	if c.more != nil {
		c.feedLog(b)
		c.feedReplay(b)
	}
}

// Drain sends what waits; the connection calls it when its output has room
// again.
func (c *Client) Drain(b *Batch, conn Conn) {
	c.enter(b)
	if c.owns(conn) {
		c.sess.Drain(b, b.Now())
		c.feed(b)
	}
	shares := c.shares()
	c.leave(b)
	pump(b, shares)
}

// Puback handles the client's PUBACK. The error says that the packet id is
// unknown or belongs to another flow; it is counted, not answered.
func (c *Client) Puback(b *Batch, conn Conn, id uint16, code mqtt.ReasonCode) error {
	return c.acknowledge(b, conn, (*session.Session).Puback, id, code)
}

// Pubrec handles the client's PUBREC and answers with PUBREL. The error is as
// for Puback.
func (c *Client) Pubrec(b *Batch, conn Conn, id uint16, code mqtt.ReasonCode) error {
	return c.acknowledge(b, conn, (*session.Session).Pubrec, id, code)
}

// acknowledgement is what Puback and Pubrec of a session are.
type acknowledgement func(*session.Session, uint16, mqtt.ReasonCode, session.Sender, int64) (session.Acked, error)

func (c *Client) acknowledge(b *Batch, conn Conn, ack acknowledgement, id uint16, code mqtt.ReasonCode) error {
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return nil
	}
	d, err := ack(c.sess, id, code, b, b.Now())
	if err == nil {
		c.settled(&d.Delivery)
	}
	c.feed(b)
	info, shares := c.info, c.shares()
	if err == nil && d.QoS == 1 {
		c.completed(b, &d)
	}
	c.leave(b)
	pump(b, shares)
	if err == nil {
		c.broker.acked(info, d.Msg)
	}
	return err
}

// completed tells the slow subscriptions of a delivery that has come to its
// end. The client is entered.
func (c *Client) completed(b *Batch, d *session.Acked) {
	if slow := c.broker.slow; slow != nil && d.Msg != nil && !d.Retain {
		slow.completed(c.info.ClientID, d.Msg, c.sess.Created(), d.Sent, b.Now())
	}
}

// Pubcomp handles the client's PUBCOMP. The error is as for Puback.
func (c *Client) Pubcomp(b *Batch, conn Conn, id uint16, code mqtt.ReasonCode) error {
	c.enter(b)
	if !c.owns(conn) {
		c.leave(b)
		return nil
	}
	d, err := c.sess.Pubcomp(id, code, b, b.Now())
	if err == nil {
		c.completed(b, &d)
	}
	c.feed(b)
	shares := c.shares()
	c.leave(b)
	pump(b, shares)
	return err
}

// Received notes the packet id of a QoS 2 PUBLISH from the client. dup: it
// was received before and must not be routed again [MQTT-4.3.3-10]. The error
// says that the client has too many that it hasn't released.
func (c *Client) Received(b *Batch, conn Conn, id uint16) (dup bool, err error) {
	c.enter(b)
	defer c.leave(b)
	if !c.owns(conn) {
		return true, nil
	}
	return c.sess.Received(id, b.Now())
}

// Released handles the client's PUBREL; waited is false if nothing waited for
// it. later: the session sends the PUBCOMP itself, when it is saved that the
// identifier is free.
func (c *Client) Released(b *Batch, conn Conn, id uint16) (waited, later bool) {
	c.enter(b)
	defer c.leave(b)
	if !c.owns(conn) {
		return false, false
	}
	return c.sess.Released(id)
}
