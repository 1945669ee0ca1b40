package broker

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/hook"
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
	self   recipient // the client itself

	mu   sync.Mutex // guards all below but status
	zone *Zone
	conn Conn // nil: offline
	sess *session.Session
	info *hook.ClientInfo // of the present connection or the last; never changed, only replaced
	more *more            // what few clients have

	timer       int64 // when the wheel will fire for us; 0: not scheduled
	connectedAt int64
	shared      int32  // subscriptions in shared groups
	status      status // changed under mu, read by anybody
	ended       bool   // the session is gone; only the memory is left
	cleanStart  bool
	persistent  bool // counted as such
	told        bool // the other nodes have heard of its subscriptions
	keepAlive   uint16
	receiveMax  uint16
}

// more is what few clients have: those that read the broker's log or retained
// messages, and those that publish what has to be kept.
type more struct {
	replay    *replay               // retained messages that have still to be sent
	reader    *reader               // nil: the session is not durable
	shares    []share               // shared groups that give the client messages from the log; replaced, never changed
	appending map[uint16]struct{}   // QoS 2 messages of the client that are on their way to the log
	awaiting  map[uint64]identified // of these, by session.Flow.Num, those whose identifiers are still to be saved; of durable sessions only
}

// extra is the client's more, made if there is none. The client is locked.
func (c *Client) extra() *more {
	if c.more == nil {
		c.more = new(more)
	}
	return c.more
}

// reader is nil unless the session is durable. The client is locked.
func (c *Client) reader() *reader {
	if c.more == nil {
		return nil
	}
	return c.more.reader
}

// over reports whether the session has ended here.
func (c *Client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// status is what others want to know of a client without locking it.
type status struct{ bits atomic.Uint32 }

const (
	isOnline  uint32 = 1 << iota // it has a connection
	isDurable                    // its session reads the log
	isGone                       // its session is on another node
)

func (s *status) has(bit uint32) bool { return s.bits.Load()&bit != 0 }
func (s *status) add(bit uint32)      { s.bits.Or(bit) }
func (s *status) drop(bit uint32)     { s.bits.And(^bit) }

// enter locks the client and makes it the one that b's output goes to. Nobody
// enters a client while another is entered.
func (c *Client) enter(b *Batch) {
	c.mu.Lock()
	b.client = c
	b.queued = c.sess.Queued() + c.sess.Held()
}

// leave is the end of enter: it books what the session's queue gained or
// lost, sees that unacknowledged packets have a timer, and tells of drops.
func (c *Client) leave(b *Batch) {
	if c.status.has(isDurable) {
		c.save()
	}
	if d := c.sess.Queued() + c.sess.Held() - b.queued; d != 0 {
		c.broker.count.queued.Add(int64(d))
	}
	if !c.ended {
		c.wake(c.sess.NextTick())
	}
	b.client = nil
	c.mu.Unlock()
	if len(b.drops) > 0 {
		b.tellDrops()
	}
}

// owns reports whether conn may still act for the client.
func (c *Client) owns(conn Conn) bool { return !c.ended && c.conn == conn }

// wake schedules the client's timer for at, unless it fires earlier anyway.
// The client is locked.
func (c *Client) wake(at int64) {
	if at == 0 || (c.timer != 0 && c.timer <= at) {
		return
	}
	c.broker.wheel.set(c, c.timer, at)
	c.timer = at
}

// Fire is Timer's: retries, the will's delay, the session's expiry.
func (c *Client) Fire(b *Batch, at int64) {
	c.enter(b)
	if c.timer != at || c.ended {
		c.leave(b)
		return
	}
	c.timer = 0
	late := c.sess.AwaitRelTimeouts()
	c.sess.Tick(b, b.Now())
	c.saveDue(b.Now())
	c.feed(b)
	c.broker.count.awaitRelTimeouts.Add(c.sess.AwaitRelTimeouts() - late)
	d := c.departure("expired")
	d.will = c.dueWill(b.Now())
	if c.expired(b.Now()) {
		c.finish(b, d)
	} else {
		c.wake(c.sess.ExpiresAt())
		c.wake(c.sess.WillAt())
		if d.will != nil {
			c.keepRecord("")
		}
	}
	shares := c.shares()
	c.leave(b)
	c.broker.carryOut(b, d)
	pump(b, shares)
}

// expired reports whether the offline session's time is over.
func (c *Client) expired(now int64) bool {
	at := c.sess.ExpiresAt()
	return c.conn == nil && at != 0 && at <= now
}

// Info is the client's identity, which must not be changed.
func (c *Client) Info() *hook.ClientInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info
}

// Renew gives the client of conn the identity that it has after authenticating
// again; the client id is the same.
func (c *Client) Renew(b *Batch, conn Conn, info *hook.ClientInfo) {
	c.enter(b)
	defer c.leave(b)
	if c.owns(conn) {
		c.info = info
	}
}

// Connected reports whether the client has a connection now.
func (c *Client) Connected() bool { return c.status.has(isOnline) }

// Durable reports whether the session outlives the process.
func (c *Client) Durable() bool { return c.status.has(isDurable) }

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
	return slices.Values(slices.Collect(c.sess.Subscriptions()))
}

// Status is what there is to know of a client at one moment.
type Status struct {
	hook.ConnInfo // of the present connection or the last; without Props

	Zone        *Zone
	Connected   bool
	Created     int64  // of the session, Unix milliseconds
	Subscribed  int    // subscriptions
	Inflight    int    // deliveries sent and not acknowledged
	Queued      int    // deliveries that wait, in the session or in the log
	QueuedBytes int64  // payloads of those in the session
	AwaitingRel int    // QoS 2 messages received and not released
	Dropped     uint64 // see session.Tally.Lost
}

// Status looks at the client.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sess
	tally := s.Tally()
	return Status{
		ConnInfo: *c.connInfo(), Zone: c.zone, Connected: c.conn != nil, Created: s.Created(), Subscribed: s.SubscriptionCount(),
		Inflight: s.Inflight(), Queued: c.queued(), QueuedBytes: s.QueuedBytes(), AwaitingRel: s.AwaitingRel(), Dropped: tally.Lost(),
	}
}

// connInfo describes the present connection, or the last. The client is
// locked.
func (c *Client) connInfo() *hook.ConnInfo {
	return &hook.ConnInfo{
		Client: c.info, CleanStart: c.cleanStart, KeepAlive: c.keepAlive, ReceiveMaximum: c.receiveMax,
		ExpiryInterval: c.sess.ExpiryInterval(), ConnectedAt: c.connectedAt,
	}
}
