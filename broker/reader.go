package broker

import (
	"log/slog"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// reader is how far a durable session has come in the log. What it gets, it
// gets in the order of the log and once: while it is live, from the goroutines
// that dispatch what the log has taken; else, after it was away or when its
// window was full, from the log (feeder.go). The queue of the session is not
// used: a message is given to the session when it goes straight out.
//
// Whoever moves next has entered the client, and a dispatched message has moved
// shard.dispatched before. So when next is behind it for every shard, the
// client can become live without a gap.
type reader struct {
	places []place // by shard
	live   bool

	chunk   []*mqtt.Message // read and not given to the session yet
	shard   int             // of chunk
	after   uint64          // where the shard goes on when chunk is used up; 0: there is no chunk
	reading bool            // the feeder has the client

	records
	revisions
	epoch uint64 // counts the connections

	version uint32              // of the subscriptions: what was read for others may lack entries
	saving  bool                // the map of states is being given the session's
	failed  bool                // the last save; Unsaved doesn't begin the next one
	partly  bool                // an entry is being dispatched of which it has got the first copy, see deliverLogged
	due     bool                // whatever the session says, it is time for one
	saveAt  int64               // when it will be; 0: no time is set
	pulled  bool                // at the start it was beyond the end of the log
	wanted  int64               // since when another node wants the session; 0: none does
	missed  int64               // deliveries that were counted as queued and lie in the log
	cut     bool                // some of them may have been deleted there
	since   map[string][]uint64 // by filter: where a subscription begins, by shard; nil: none is that young
	groups  []*groupLog         // shared groups that have to be kept before the session's state is
	begun   []uint64            // by shard: where a session that lived in memory before began to read; nil: it was always durable
}

// place is how far a reader is in one shard.
type place struct {
	next  uint64 // the first position that the session hasn't been given
	given uint64 // the one that was given live last: all matching subscriptions get it
}

// newReader begins at the end of the log, as a new session does.
func (d *durability) newReader() *reader {
	r := &reader{places: make([]place, len(d.shards))}
	r.revisions.record.Store(engine.AnyRevision) // it is new, and this node's by claim
	for i, s := range d.shards {
		r.places[i].next = s.next()
	}
	return r
}

// next is where a session begins that is in memory and becomes durable.
func (s *shard) next() uint64 { return max(s.dispatched.Load(), s.ahead.Load()) + 1 }

// ends are where all shards go on.
func (d *durability) ends() (next []uint64) {
	for _, s := range d.shards {
		next = append(next, s.next())
	}
	return next
}

// older reports whether a message came into the log when the session lived in
// memory: it isn't read there, and may still come from another node.
func (r *reader) older(at mqtt.At) bool { return at.Shard < len(r.begun) && at.Seq < r.begun[at.Shard] }

// makeDurable has the session read the log from now on, until it ends. The
// client is entered; unless it is new and not subscribed to anything, no message
// is being dispatched.
func (c *Client) makeDurable() {
	d, to := c.broker.durable, c.routes()
	d.durables.Add(1) // before anybody asks where the shards are, see shard.passed
	r := d.newReader()
	for sub := range c.sess.Subscriptions() {
		r.begin(d, sub.Filter)
	}
	d.remains.written(c.info.ClientID)
	if c.sess.SubscriptionCount() > 0 {
		for i := range r.places {
			r.begun = append(r.begun, r.places[i].next)
		}
	}
	c.extra().reader = r
	c.status.add(isDurable)
	c.sess.SetDurable(true)
	c.tellDurable(to)
	c.broker.groups.keepOf(c)
}

// endReader is for the end of the session: nobody reads what waits. The client
// is entered.
func (c *Client) endReader() {
	r := c.reader()
	if r == nil {
		return
	}
	c.dropWaiting(session.SessionEnded)
	c.writeAwaiting()
	c.forget()
	c.status.drop(isDurable)
	c.broker.durable.durables.Add(-1)
}

// queued is how many deliveries wait for the client, in its session or in the
// log. The client is locked.
func (c *Client) queued() int {
	n := c.sess.Queued() + c.sess.Held()
	if r := c.reader(); r != nil {
		n += int(r.missed)
	}
	return n
}

// hangUp is for the end of the connection: what comes now stays in the log.
func (r *reader) hangUp() {
	if r != nil {
		r.live, r.chunk, r.after, r.due = false, nil, 0, true
	}
}

// subscribed notes a subscription, and where one that wasn't there before
// begins. The client is entered, and the subscription isn't in the index yet.
func (r *reader) subscribed(d *durability, filter string, isNew bool) {
	r.version++
	if !isNew {
		return
	}
	r.begin(d, filter)
}

// begin notes that a subscription begins with what is dispatched next.
func (r *reader) begin(d *durability, filter string) {
	r.beginAt(filter, d.ends())
}

// beginAt notes where a subscription begins, by shard. The log may have had
// another number of them then, which says nothing now.
func (r *reader) beginAt(filter string, since []uint64) {
	if len(since) != len(r.places) {
		return
	}
	if r.since == nil {
		r.since = make(map[string][]uint64)
	}
	r.since[filter] = since
}

// covers reports whether a subscription was there when the log took a message.
func (r *reader) covers(sub *session.Subscription, at mqtt.At) bool {
	since, young := r.since[sub.Filter]
	return !young || at.Seq >= since[at.Shard]
}

// deliverLogged hands over a message that is being dispatched. The client is
// entered and has a reader. If more than one of its subscriptions may match, it
// is entered for each: nothing is saved between the first and the last, or after
// a crash the session would be past the entry and lack a copy.
func (c *Client) deliverLogged(b *Batch, m *mqtt.Message, sub *session.Subscription) {
	r := c.more.reader
	p := &r.places[int(m.LogShard)]
	switch {
	case p.given == m.LogSeq: // another subscription has matched as well
	case m.LogSeq < p.next || !r.covers(sub, m.At()): // it was faster than the dispatcher, or than the SUBSCRIBE
		return
	case sub.NoLocal && m.From == c.info.ClientID: // dropped, wherever the client is
	case !r.live || !c.sess.Room() || c.conn.Full():
		r.live = false
		r.missed++
		c.broker.count.matched.Inc()
		c.broker.count.queued.Add(1)
		c.traceDelivery(session.Delivery{Msg: m, Sub: sub, QoS: c.sess.Grant(m, sub)}, slog.LevelDebug, "queued", "")
		c.feedLog(b)
		return
	default:
		p.next, p.given = m.LogSeq+1, m.LogSeq
		if c.sess.SubscriptionCount() > 1 {
			r.partly = true
			b.partly = append(b.partly, c)
		}
	}
	c.broker.count.matched.Inc()
	c.deliver(b, m, sub, m.Retain && sub.RetainAsPublished)
}

// feedLog gives the session what it has to read, for as long as that goes
// straight out. The client is entered.
func (c *Client) feedLog(b *Batch) {
	r := c.reader()
	if r == nil || r.live || c.ended {
		return
	}
	for c.conn != nil && c.sess.Room() && !c.conn.Full() {
		if len(r.chunk) > 0 {
			m := r.chunk[0]
			r.chunk[0] = nil
			r.chunk = r.chunk[1:]
			c.deliverRead(b, m)
			continue
		}
		if r.after != 0 {
			r.places[r.shard].next, r.after = r.after, 0
		}
		switch shard, behind := r.behind(c.broker.durable); {
		case r.reading:
			return
		case behind:
			r.reading, r.shard = true, shard
			c.broker.durable.feeder.add(c)
			return
		}
		r.live = true
		c.writeOff()
		return
	}
}

// behind is a shard that has more for the reader.
func (r *reader) behind(d *durability) (shard int, behind bool) {
	for i, s := range d.shards {
		if r.places[i].next <= s.dispatched.Load() {
			return i, true
		}
	}
	return 0, false
}

// deliverRead gives the session a message that was read from the log.
func (c *Client) deliverRead(b *Batch, m *mqtt.Message) {
	r := c.more.reader
	p := &r.places[int(m.LogShard)]
	if m.LogSeq < p.next {
		return
	}
	p.next = m.LogSeq + 1
	for _, sub := range c.matching(m.Topic) {
		if !c.reads(m, sub) || !r.covers(sub, m.At()) || sub.NoLocal && m.From == c.info.ClientID {
			continue
		}
		if r.missed > 0 {
			r.missed--
			c.broker.count.queued.Add(-1)
		} else { // it came before the start, or hasn't been dispatched
			c.broker.count.matched.Inc()
		}
		c.deliver(b, m, sub, m.Retain && sub.RetainAsPublished)
	}
}

// reads reports whether the session has m from the log for this subscription.
func (c *Client) reads(m *mqtt.Message, sub *session.Subscription) bool {
	return reads(m, sub.QoS)
}

// fewSubscriptions is up to how many a client's own are tried one after the
// other; of more, those that match are looked up among everybody's.
const fewSubscriptions = 32

// matching are the client's own subscriptions that match a topic, but for
// those in shared groups. The client is entered.
func (c *Client) matching(name string) (all []*session.Subscription) {
	if c.sess.SubscriptionCount() <= fewSubscriptions {
		for sub := range c.sess.Subscriptions() {
			if f := split(sub.Filter); f.Kind != topic.Shared && topic.Match(f.Bare, name) {
				all = append(all, sub)
			}
		}
		return all
	}
	for _, r := range c.broker.index.Match(name, nil) {
		if r.to == &c.self {
			all = append(all, &r.Subscription)
		}
	}
	return all
}

// filters are what the client reads of the log: no filter of the result means
// all of it. none: nothing. The client is locked.
func (c *Client) filters() (filters []string, none bool) {
	for sub := range c.sess.Subscriptions() {
		if f := split(sub.Filter); f.Kind != topic.Shared && sub.QoS > 0 {
			filters = append(filters, f.Bare)
		}
		if len(filters) > mostFilters {
			return nil, false
		}
	}
	return filters, len(filters) == 0
}

// mostFilters is how many filters the log is asked for; a client with more
// reads everything and picks.
const mostFilters = 64

// writeOff books what was counted as queued and isn't in the log, or isn't for
// the client any more: it has come to the end. The client is entered.
func (c *Client) writeOff() {
	r := c.more.reader
	why := session.Unsubscribed
	if r.cut {
		why = session.LogRetention
	}
	c.dropWaiting(why)
	r.cut = false
}

// dropWaiting books as dropped what waits in the log. Nobody knows which
// messages those are without reading them.
func (c *Client) dropWaiting(why session.Drop) {
	r := c.more.reader
	n := uint64(r.missed)
	if n == 0 {
		return
	}
	r.missed = 0
	c.broker.count.queued.Add(-int64(n))
	c.broker.count.dropMany(why, n)
	c.sess.CountDropped(why, n)
	c.broker.account.ofDropped[why].addMany(c.info.ClientID, "", n)
}
