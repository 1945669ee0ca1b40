package broker

import (
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// replay is the retained messages that a client still has to get for its
// latest subscriptions. They are looked up and sent as the window and the
// output take them, so that a subscription to a million of them costs a cursor
// and fills neither the queue nor the socket buffers. It is the Timer of a
// search that takes long.
type replay struct {
	client  *Client
	sub     *session.Subscription
	cursor  *retain.Cursor
	next    *replay // of a later subscription
	waiting bool    // for the timer
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
	cursor := br.Retained.Find(f.Bare)
	if cursor == nil {
		return
	}
	last := &c.extra().replay
	for *last != nil {
		last = &(*last).next
	}
	*last = &replay{client: c, sub: sub, cursor: cursor}
	c.feedReplay(b)
}

// feedReplay sends retained messages for as long as they go straight out. The
// client is entered.
func (c *Client) feedReplay(b *Batch) {
	for c.more != nil && c.more.replay != nil && c.conn != nil {
		r := c.more.replay
		if r.waiting || !c.sess.Room() || c.conn.Full() {
			return
		}
		if c.sess.Subscription(r.sub.Filter) == nil { // [MQTT-3.10.4-2]
			c.more.replay = r.next
			continue
		}
		m, more := r.cursor.Next(b.Now())
		switch {
		case m != nil:
			b.encoded, b.counted = nil, nil // the cursor lends the same memory for every message
			c.broker.count.matched.Inc()
			c.deliver(b, m, r.sub, true)
			b.encoded, b.counted = nil, nil
		case more:
			r.waiting = true
			c.broker.Schedule(r, b.Now())
			return
		default:
			c.more.replay = r.next
		}
	}
}

// Fire is Timer's: it goes on with a search that was interrupted in favour of
// other clients.
func (r *replay) Fire(b *Batch, _ int64) {
	r.client.enter(b)
	defer r.client.leave(b)
	if r.waiting = false; r.client.more.replay == r {
		r.client.feedReplay(b)
	}
}
