package broker

import (
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// replay is the retained messages that a client still has to get for its
// latest subscriptions. They are sent as the window and the output take them,
// so that a subscription to a million of them costs a slice of pointers and
// neither fills the queue nor the socket buffers.
type replay struct {
	sub  *session.Subscription
	msgs []*mqtt.Message // oldest first
	next *replay         // of a later subscription
}

// Replay sends the retained messages that match a filter the client has just
// subscribed to, as its retain handling asks [MQTT-3.3.1-9..11]. Shared
// subscriptions get none. The caller has sent the SUBACK.
func (br *Broker) Replay(b *Batch, c *Client, conn Conn, filter string, isNew bool) {
	f, err := topic.Parse(filter)
	if err != nil || f.Group != "" {
		return
	}
	c.enter(b)
	defer c.leave(b)
	sub := c.sess.Subscription(filter)
	if !c.owns(conn) || sub == nil || sub.RetainHandling == 2 || (sub.RetainHandling == 1 && !isNew) {
		return
	}
	msgs := br.Retained.Match(f.Bare, b.Now())
	if len(msgs) == 0 {
		return
	}
	last := &c.replay
	for *last != nil {
		last = &(*last).next
	}
	*last = &replay{sub: sub, msgs: msgs}
	c.feedReplay(b)
}

// feedReplay sends retained messages for as long as they go straight out. The
// client is entered.
func (c *Client) feedReplay(b *Batch) {
	for c.replay != nil && c.conn != nil {
		r := c.replay
		for len(r.msgs) > 0 {
			if !c.sess.Room() || c.conn.Full() {
				return
			}
			m := r.msgs[0]
			r.msgs = r.msgs[1:]
			if m.Expired(b.Now()) {
				continue
			}
			c.broker.count.matched.Inc()
			c.deliver(b, m, r.sub, true)
		}
		c.replay = r.next
	}
}
