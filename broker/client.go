package broker

import (
	"iter"
	"sync"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// Client is one client id with its session, connected or not. It is a
// Subscriber, and the Timer of its own session.
//
// A connection that has been superseded still holds the Client; every method
// that a connection calls therefore takes the Conn and does nothing when that
// is no longer the client's.
type Client struct {
	broker *Broker
	id     string

	mu   sync.Mutex // guards all below
	zone *Zone
	conn Conn // nil: offline
	sess *session.Session
	info *hook.ClientInfo // of the present connection or the last; never changed, only replaced

	replay *replay
	timer  int64 // when the wheel will fire for us; 0: not scheduled
	shared int32 // subscriptions in shared groups
	ended  bool  // the session is gone; only the memory is left

	keepAlive   uint16
	cleanStart  bool
	connectedAt int64
}

// enter locks the client and makes it the one that b's output goes to.
func (c *Client) enter(b *Batch) {
	c.mu.Lock()
	b.client = c
	b.queued = c.sess.Queued()
}

// leave is the end of enter: it books what the session's queue gained or
// lost, and sees that unacknowledged packets have a timer.
func (c *Client) leave(b *Batch) {
	if d := c.sess.Queued() - b.queued; d != 0 {
		c.broker.count.queued.Add(int64(d))
	}
	if !c.ended {
		c.wake(c.sess.NextTick())
	}
	b.client = nil
	c.mu.Unlock()
}

// owns reports whether conn may still act for the client.
func (c *Client) owns(conn Conn) bool { return !c.ended && c.conn == conn }

// Deliver is Subscriber's.
func (c *Client) Deliver(b *Batch, m *mqtt.Message, sub *session.Subscription) {
	c.broker.count.matched.Inc()
	c.enter(b)
	c.deliver(b, m, sub, m.Retain && sub.RetainAsPublished)
	c.leave(b)
}

// deliver hands one message to the session; the client is entered.
func (c *Client) deliver(b *Batch, m *mqtt.Message, sub *session.Subscription, retain bool) {
	if c.ended {
		c.broker.dropped(c.info, m, session.SessionEnded)
		return
	}
	if sub.NoLocal && m.From == c.info.ClientID {
		c.broker.dropped(c.info, m, session.NoLocal)
		return
	}
	c.sess.Deliver(session.Delivery{Msg: m, Sub: sub, QoS: c.sess.Grant(m, sub), Retain: retain}, b, b.Now())
}

// Drain sends what waits; the connection calls it when its output has room
// again.
func (c *Client) Drain(b *Batch, conn Conn) {
	c.enter(b)
	if c.owns(conn) {
		c.sess.Drain(b, b.Now())
		c.feedReplay(b)
	}
	c.leave(b)
}

// Puback handles the client's PUBACK. The error says that the packet id is
// unknown or belongs to another flow; it is counted, not answered.
func (c *Client) Puback(b *Batch, conn Conn, id uint16, code mqtt.ReasonCode) error {
	return c.acknowledge(b, conn, func() (session.Delivery, error) { return c.sess.Puback(id, code, b, b.Now()) })
}

// Pubrec handles the client's PUBREC and answers with PUBREL.
func (c *Client) Pubrec(b *Batch, conn Conn, id uint16, code mqtt.ReasonCode) error {
	return c.acknowledge(b, conn, func() (session.Delivery, error) { return c.sess.Pubrec(id, code, b, b.Now()) })
}

func (c *Client) acknowledge(b *Batch, conn Conn, ack func() (session.Delivery, error)) error {
	c.enter(b)
	defer c.leave(b)
	if !c.owns(conn) {
		return nil
	}
	d, err := ack()
	c.feedReplay(b)
	if err == nil {
		c.broker.acked(c.info, d.Msg)
	}
	return err
}

// Pubcomp handles the client's PUBCOMP.
func (c *Client) Pubcomp(b *Batch, conn Conn, id uint16, code mqtt.ReasonCode) error {
	c.enter(b)
	defer c.leave(b)
	if !c.owns(conn) {
		return nil
	}
	err := c.sess.Pubcomp(id, code, b, b.Now())
	c.feedReplay(b)
	return err
}

// Received notes the packet id of a QoS 2 PUBLISH from the client. dup: it
// was received before and must not be routed again [MQTT-4.3.3-10].
func (c *Client) Received(b *Batch, conn Conn, id uint16) (dup bool, err error) {
	c.enter(b)
	defer c.leave(b)
	if !c.owns(conn) {
		return true, nil
	}
	return c.sess.Received(id, b.Now())
}

// Released handles the client's PUBREL; false: nothing waited for it.
func (c *Client) Released(b *Batch, conn Conn, id uint16) bool {
	c.enter(b)
	defer c.leave(b)
	return c.owns(conn) && c.sess.Released(id)
}

// Info is the client's identity, which must not be changed.
func (c *Client) Info() *hook.ClientInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info
}

// Connected reports whether the client has a connection now.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil
}

// ExpiryInterval is how long the session outlives its connection, seconds.
func (c *Client) ExpiryInterval() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sess.ExpiryInterval()
}

// Subscriptions are the session's, as they were when the call was made.
func (c *Client) Subscriptions() iter.Seq[*session.Subscription] {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*session.Subscription
	for s := range c.sess.Subscriptions() {
		all = append(all, s)
	}
	return func(yield func(*session.Subscription) bool) {
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// wake schedules the client's timer for at, unless it fires earlier anyway.
// The client is locked.
func (c *Client) wake(at int64) {
	if at == 0 || (c.timer != 0 && c.timer <= at) {
		return
	}
	c.timer = at
	c.broker.wheel.schedule(c, at)
}

// Fire is Timer's: retries, the will's delay, the session's expiry.
func (c *Client) Fire(b *Batch, at int64) {
	c.enter(b)
	if c.timer != at || c.ended {
		c.leave(b)
		return
	}
	c.timer = 0
	c.sess.Tick(b, b.Now())
	will := c.dueWill(b.Now())
	expired := c.expired(b.Now())
	if !expired {
		c.wake(c.sess.ExpiresAt())
		c.wake(c.sess.WillAt())
	}
	c.leave(b)
	c.broker.publishWill(b, c, will)
	if expired {
		c.broker.end(b, c, "expired")
	}
}
