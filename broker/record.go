package broker

import (
	"errors"
	"slices"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// records is what a durable session has to do with its record in the map of
// sessions: who the client is, its will, its subscriptions. It is kept whenever
// one of these changes, and what tells the client so waits for that: CONNACK,
// SUBACK, UNSUBACK.
type records struct {
	chunks int                       // of the subscriptions, see durable.Chunks
	layout uint32                    // of the chunks
	spread [][]*session.Subscription // over the chunks; nil: they are not looked at yet
	unkept error                     // why the last one could not be kept: all are due again
	kept   uint64                    // the epoch in the last one that was kept
	known  bool                      // the client may rely on the session: it was kept once, or was there before it became durable

	last    uint64              // number of the change made last
	open    map[uint64]struct{} // changes that are under way
	waiting []recordWaiter
}

// recordWaiter waits for all changes up to one.
type recordWaiter struct {
	upTo uint64
	err  error
	done func(error)
}

// keepRecord keeps the session's record after something has changed; changed is
// the filter of the subscription, if it is one. The client is entered.
func (c *Client) keepRecord(changed string) {
	r := c.reader()
	if r == nil || c.ended {
		return
	}
	chunks := durable.Chunks(c.sess.SubscriptionCount(), r.chunks)
	switch {
	case chunks != r.chunks || r.unkept != nil:
		c.keepAll(chunks)
	case chunks > 0 && changed != "":
		c.keepChunk(changed)
	default:
		c.keepHead()
	}
}

// foreignStep is how far a session's next layout is from that of another node, which
// may still make some of its own.
const foreignStep = 1 << 16

// keepAll keeps the record with the subscriptions in so many chunks of a new
// layout, the record last, and then deletes the old ones: at any moment the
// record names chunks that are whole.
func (c *Client) keepAll(chunks int) {
	r, d := c.more.reader, c.broker.durable
	old, layout := r.chunks, r.layout
	step := uint32(1)
	if errors.Is(r.unkept, errMoved) {
		step = foreignStep
	}
	r.unkept, r.chunks, r.layout = nil, chunks, layout+step
	if r.spread = nil; chunks > 0 {
		c.spread()
	}
	for i := range r.spread {
		c.putChunk(i)
	}
	c.keepHead()
	for i := range old {
		key := durable.ChunkKey(c.info.ClientID, layout, i)
		d.gate.pass(func(err error) {
			if err != nil || c.status.has(isGone) {
				d.strayed(err)
			} else {
				d.records.Delete(key, d.strayed)
			}
		})
	}
}

// keepChunk keeps the chunk of one subscription, which has changed.
func (c *Client) keepChunk(filter string) {
	r := c.more.reader
	if r.spread == nil {
		c.spread()
	}
	i := durable.Chunk(filter, r.chunks)
	r.spread[i] = slices.DeleteFunc(r.spread[i], func(s *session.Subscription) bool { return s.Filter == filter })
	if sub := c.sess.Subscription(filter); sub != nil {
		r.spread[i] = append(r.spread[i], sub)
	}
	c.putChunk(i)
	if c.broker.durable.several() { // which tells whether the session is still this node's
		c.keepHead()
	}
}

func (c *Client) putChunk(i int) {
	r := c.more.reader
	c.put(nil, durable.ChunkKey(c.info.ClientID, r.layout, i), durable.AppendChunk(nil, func(yield func(durable.Subscription) bool) {
		for _, sub := range r.spread[i] {
			if !yield(r.written(sub)) {
				return
			}
		}
	}))
}

// spread spreads the subscriptions over their chunks, as there are now.
func (c *Client) spread() {
	r := c.more.reader
	r.spread = make([][]*session.Subscription, r.chunks)
	for sub := range c.sess.Subscriptions() {
		i := durable.Chunk(sub.Filter, r.chunks)
		r.spread[i] = append(r.spread[i], sub)
	}
}

// keepHead keeps the record of the session itself.
func (c *Client) keepHead() {
	r := c.more.reader
	s := c.head()
	s.Node, s.Epoch, s.Chunks, s.Layout = c.broker.durable.self(), r.epoch, r.chunks, r.layout
	if r.chunks == 0 {
		for sub := range c.sess.Subscriptions() {
			s.Subscriptions = append(s.Subscriptions, r.written(sub))
		}
	}
	c.put(c.broker.durable.record(c, r), durable.SessionKey(s.ClientID), durable.AppendSession(nil, s))
}

// head is who the client is and what it wants, without its subscriptions. The
// client is locked.
func (c *Client) head() *durable.Session {
	i := c.info
	s := &durable.Session{
		ClientID: i.ClientID,
		Created:  c.sess.Created(), OfflineAt: c.sess.OfflineAt(), ExpiryInterval: c.sess.ExpiryInterval(),
		Username: i.Username, Mountpoint: i.Mountpoint, Peer: i.Peer, Expires: i.Expires, Version: i.Version,
		Bridge: i.Bridge, Superuser: i.Superuser, Anonymous: i.Anonymous,
		ConnectedAt: c.connectedAt, KeepAlive: c.keepAlive, ReceiveMaximum: c.receiveMax, CleanStart: c.cleanStart,
	}
	if w := c.sess.Will(); w != nil {
		s.Will = &durable.Will{Message: w.Msg, Delay: w.Delay}
	}
	if l := i.Listener; l != nil {
		s.Zone, s.Listener, s.Protocol = l.Zone, l.Name, l.Protocol
	}
	if i.Cert != nil {
		s.CommonName, s.Subject = i.Cert.CommonName, i.Cert.Subject
	}
	return s
}

// written is a subscription as it is written down.
func (r *reader) written(sub *session.Subscription) durable.Subscription {
	return durable.Subscription{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions, ID: sub.ID, Since: r.since[sub.Filter]}
}

// put keeps a record; by is nil for those that no other node writes.
func (c *Client) put(by *owned, key string, value []byte) {
	d, over := c.broker.durable, c.changing(true)
	d.whileOurs(c, over, func() {
		if by == nil {
			d.records.Put(key, value, over)
		} else {
			d.records.PutBy(by, key, value, over)
		}
	})
}

// changing notes that something is about to be kept for which those have to wait
// that wait for the record; over tells of its end. own: it is the session's. The
// client is entered.
func (c *Client) changing(own bool) (over func(error)) {
	r, d := c.more.reader, c.broker.durable
	r.last++
	if r.open == nil {
		r.open = make(map[uint64]struct{})
	}
	r.open[r.last] = struct{}{}
	done := &recorded{c: c, change: r.last, epoch: r.epoch, own: own}
	d.busy.Add(1)
	return func(err error) {
		done.err = err
		d.shardOf(c).add(done)
	}
}

// whileOurs calls write, which writes something of a session, when the gate lets it,
// or ends it with the reason why it isn't this node's to write.
func (d *durability) whileOurs(c *Client, over func(error), write func()) {
	d.gate.pass(func(err error) {
		switch {
		case err != nil:
			over(err)
		case c.status.has(isGone):
			over(errTaken)
		default:
			write()
		}
	})
}

// recorded is the end of a change of a record.
type recorded struct {
	c      *Client
	change uint64
	epoch  uint64
	own    bool // it was one of the session, not of a group that it is in
	err    error
}

// dispatch is task's.
func (k *recorded) dispatch(b *Batch, s *shard) {
	c := k.c
	c.enter(b)
	over := c.more.reader.recorded(k)
	s.d.well(k.err, b.Now())
	if k.err != nil && !c.ended {
		if s.d.anyway {
			for i := range over {
				over[i].err = nil
			}
		}
		c.broker.logs.notRecorded.warn(c.broker.log, b.Now(), "the record of a session can't be kept, it is tried again", "client", c.info.ClientID, "err", k.err)
		c.saveAgain(b.Now())
	}
	c.leave(b)
	for _, w := range over {
		w.done(w.err)
	}
	s.d.busy.Add(-1)
}

// recorded notes the end of a change and returns whose waiting is over.
func (r *reader) recorded(k *recorded) (over []recordWaiter) {
	delete(r.open, k.change)
	if k.err != nil {
		r.unkept = k.err
	} else if k.own {
		r.known, r.kept = true, max(r.kept, k.epoch)
	}
	oldest := r.last + 1
	for n := range r.open {
		oldest = min(oldest, n)
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(w recordWaiter) bool {
		if k.err != nil && k.change <= w.upTo {
			w.err = k.err
		}
		if w.upTo < oldest {
			over = append(over, w)
			return true
		}
		return false
	})
	return over
}

// AwaitRecord has done called when what is kept of the session is as the
// session is now, or can't be kept, on another goroutine. False: it is, or there
// is nothing to keep; done is not called.
func (c *Client) AwaitRecord(done func(error)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.reader()
	switch {
	case r == nil:
		return false
	case len(r.open) > 0:
		r.waiting = append(r.waiting, recordWaiter{upTo: r.last, done: done})
		return true
	case r.unkept != nil && !c.broker.durable.anyway:
		go done(r.unkept)
		return true
	}
	return false
}

// Unkept is for a connection that waits for its session to be kept, which can't
// be. One that the client may rely on goes on, with what the memory and the log
// have; after a crash it is what was kept last. A new one ends: true, and the
// connection is refused.
func (br *Broker) Unkept(b *Batch, c *Client, conn Conn, why error) (refused bool) {
	c.enter(b)
	r := c.reader()
	if !c.owns(conn) || r == nil || r.known {
		c.leave(b)
		return false
	}
	br.logs.notOpened.warn(br.log, b.Now(), "a new session can't be kept, its client is refused", "client", c.info.ClientID, "err", why)
	d := c.departure(mqtt.ServerUnavailable.String())
	c.sess.SetWill(nil)
	c.disconnected(b, d)
	c.finish(b, d)
	c.leave(b)
	br.carryOut(b, d)
	return true
}
