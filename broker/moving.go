package broker

import (
	"errors"
	"fmt"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// A session moves to the node whose client connected last: Detach takes it out
// here, Adopt enters it there, as that of a client that is away. What it holds
// goes with it, and for a durable one how far it has come in the log, which all
// nodes have. It is the same session with the same identifiers, so that nothing
// is lost or comes twice.

// mostUnsaved is how long, in milliseconds, a durable session that is wanted
// elsewhere waits for what of it is on its way to the maps: it must not come
// there behind what the next node writes.
const mostUnsaved = 5000

// errMoved has all records of a session that has come from another node written.
var errMoved = errors.New("it is to be kept on this node")

// Detach ends the client's connection with 0x8E, if it has one, and takes the
// session out of this node for another one. wait: not yet; to be called again a
// moment later. state is for Adopt; nil: there is no such session. then, if not
// nil, tells everybody what has happened, and may take its time.
func (br *Broker) Detach(id string) (state []byte, wait bool, then func()) {
	c := br.clients.get(id)
	if c == nil {
		return nil, br.remains(id), nil
	}
	b := br.NewBatch()
	c.enter(b)
	if c.ended {
		c.leave(b)
		return nil, br.remains(id), nil
	}
	d := c.departure(endTakenOver.Word)
	taken := c.disconnect(b, d, endTakenOver)
	if taken {
		c.sess.SetWill(nil)
	}
	if wait = c.unsaved(b.Now()); !wait {
		state = c.takeOut(d)
	}
	c.leave(b)
	if !taken && len(d.held) == 0 {
		b.End()
		return state, wait, nil
	}
	return state, wait, func() {
		br.carryOut(b, d)
		if !taken {
			b.End()
			return
		}
		br.fireSession(&br.Hooks.SessionTakenOver, br.count.sessionTakenOver, d.info, "session taken over", d.reason)
		b.End()
	}
}

// unsaved reports whether something of the session is on its way to the maps or
// the log. The client is entered.
func (c *Client) unsaved(now int64) bool {
	r := c.reader()
	if r == nil {
		return false
	}
	if r.wanted == 0 {
		r.wanted = now
	}
	r.due = false // its state goes along; only what has begun has to come to its end
	if now-r.wanted > mostUnsaved {
		return false
	}
	return r.saving || len(r.open) > 0 || c.sess.Unsaved() && !r.failed || len(c.more.appending)+len(c.more.awaiting) > 0 ||
		len(c.sess.Doubtful()) > 0 && now == r.wanted
}

// takeOut ends the client here without ending its session, and returns the
// session's state. What others of a shared group may have stays here, if the group
// has it from the log. The client is entered and has no connection.
func (c *Client) takeOut(d *departure) []byte {
	br := c.broker
	d.held = c.surrender(c.isShared)
	state := encodeMoved(&movedSession{session: *c.record(), state: c.stateNow(), place: c.placeInLog()})
	if c.shared > 0 {
		c.settleGuards()
	}
	c.settleAll()
	c.ended = true
	c.status.add(isGone)
	c.countPersistent(false)
	for sub := range c.sess.Subscriptions() {
		if f := split(sub.Filter); f.Kind != topic.Plain {
			if f.Kind == topic.Exclusive {
				br.exclusive.release(c, f.Bare, true)
			}
			br.unroute(c, sub, c.routes())
			c.sess.Unsubscribe(sub.Filter)
		}
	}
	br.count.subscriptions.Add(-int64(c.sess.SubscriptionCount()))
	br.count.queued.Add(-int64(c.queued()))
	br.count.movedOut.Add(uint64(c.queued()))
	br.clients.remove(c)
	br.wheel.set(c, c.timer, 0)
	br.Schedule(&departed{c, br.cluster.Load()}, Now()+departedTime)
	return state
}

// settleGuards ends the guards of what the session holds: that goes with it, to
// another node or for good. The client is entered.
func (c *Client) settleGuards() {
	gs := &c.broker.guards
	if gs.n.Load() == 0 {
		return
	}
	st := c.sess.State()
	for i := range st.Inflight {
		gs.settle(st.Inflight[i].Msg)
	}
	for i := range st.Queue {
		gs.settle(st.Queue[i].Msg)
	}
}

// departed is a client whose session has gone to another node. Its routes stay
// for a while: until the other nodes know where it is now, they and this one must
// go on to put into the log what it gets from there.
type departed struct {
	client  *Client
	cluster *Cluster // that was told of them
}

// departedTime is how long that is, milliseconds: longer than a session may be
// on its way.
const departedTime = 20_000

// Fire is Timer's.
func (d *departed) Fire(b *Batch, _ int64) {
	c := d.client
	br := c.broker
	c.enter(b)
	defer c.leave(b)
	var to Routes
	if d.cluster != nil && br.cluster.Load() == d.cluster {
		to = d.cluster.Routes
	}
	br.count.subscriptions.Add(int64(c.sess.SubscriptionCount()))
	for sub := range c.sess.Subscriptions() {
		br.unroute(c, sub, to)
	}
	if c.status.has(isDurable) {
		c.status.drop(isDurable)
		br.durable.durables.Add(-1)
	}
}

// stateNow is the session's state. The client is entered.
func (c *Client) stateNow() *session.State {
	if r := c.reader(); r != nil {
		for i := range r.places {
			c.sess.SetRead(i, r.places[i].next)
		}
	}
	return c.sess.State()
}

// placeInLog is what a durable session's reader has to go on elsewhere; nil: it
// has none. The client is locked.
func (c *Client) placeInLog() *movedPlace {
	r := c.reader()
	if r == nil {
		return nil
	}
	return &movedPlace{epoch: r.epoch, chunks: r.chunks, layout: r.layout, missed: r.missed, cut: r.cut}
}

// Adopt enters the session of a state that Detach returned, here or on another
// node. Its client is away. The error says why it can't be.
func (br *Broker) Adopt(id string, state []byte) error {
	m, err := parseMoved(id, state)
	if err != nil {
		return err
	}
	cl := br.cluster.Load()
	if cl == nil {
		return errors.New("this node is no member of a cluster any more")
	}
	s := &m.session
	c := &Client{broker: br, info: infoOf(s, listenerOf(s)), zone: cl.Zone(s.Zone), connectedAt: s.ConnectedAt, keepAlive: s.KeepAlive, receiveMax: s.ReceiveMaximum, cleanStart: s.CleanStart}
	c.self.Subscriber = c
	if m.place == nil || br.durable == nil {
		m.state.Durable, m.place = nil, nil
	}
	if c.sess, err = session.Restore(&c.zone.Session, m.state); err != nil {
		return err
	}
	if m.place != nil {
		if err := c.restoreReader(m); err != nil {
			return err
		}
	}
	b := br.NewBatch()
	defer b.End()
	c.enter(b)
	defer c.leave(b)
	if !br.clients.add(c) {
		c.ended = true
		return fmt.Errorf("there is another session of client %q here", id)
	}
	c.settleIn(m)
	return nil
}

// restoreReader goes on in the log where the session was on the other node.
func (c *Client) restoreReader(m *movedSession) error {
	d, from := c.broker.durable, m.place
	r := &reader{places: make([]place, len(d.shards)), missed: from.missed, cut: from.cut, due: true}
	r.revisions.set(engine.AnyRevision) // the other node has let go of it
	r.epoch, r.kept, r.chunks, r.layout, r.known, r.unkept = from.epoch, from.epoch, from.chunks, from.layout, true, errMoved
	for i := range r.places {
		r.places[i].next = max(c.sess.Read(i), 1)
	}
	for _, sub := range m.session.Subscriptions {
		r.beginAt(sub.Filter, sub.Since)
	}
	c.extra().reader = r
	return d.resolve(c)
}

// settleIn makes an adopted client one of this node's. It is entered and in the
// registry.
func (c *Client) settleIn(m *movedSession) {
	br := c.broker
	c.countPersistent(!c.cleanStart)
	if c.reader() != nil {
		c.status.add(isDurable)
		br.durable.durables.Add(1)
		br.durable.remains.written(c.info.ClientID)
	}
	for _, sub := range m.state.Subscriptions {
		f := split(sub.Filter)
		if f.Kind == topic.Exclusive && !br.exclusive.claim(c, f.Bare) {
			c.sess.Unsubscribe(sub.Filter)
			continue
		}
		c.route(&route{to: &c.self, Subscription: *sub}, f, true)
	}
	c.routes()
	br.count.queued.Add(int64(c.queued()))
	br.count.movedIn.Add(uint64(c.queued()))
	if c.sess.OfflineAt() == 0 {
		c.sess.Disconnected(Now())
	}
	c.wake(c.sess.ExpiresAt())
	c.wake(c.sess.WillAt())
	c.keepRecord("")
}

// Discard ends a session whose client starts anew on another node, or has a newer
// one there, and its connection with 0x8E, if it has one. What is kept of a durable
// session is left to the node that has claimed it. wait and then are as for Detach.
func (br *Broker) Discard(id string) (wait bool, then func()) {
	c := br.clients.get(id)
	if c == nil {
		return br.remains(id), nil
	}
	b := br.NewBatch()
	c.enter(b)
	c.sess.SetWill(nil)
	var d *departure
	if c.reader() != nil && !c.ended {
		d = c.departure(endDiscarded.Word)
		c.disconnect(b, d, endDiscarded)
		c.vanish(d)
		d.over = true
	} else {
		d = c.end(b, endDiscarded)
	}
	c.leave(b)
	if d == nil {
		b.End()
		return br.remains(id), nil
	}
	return br.remains(id), func() {
		br.carryOut(b, d)
		b.End()
	}
}

// remains reports whether another node has to wait until what is left of a
// session that has ended is deleted.
func (br *Broker) remains(id string) (wait bool) {
	return br.durable != nil && br.durable.remains.claimed(id)
}

// record is what is written down of the session but for its state. The client is
// locked.
func (c *Client) record() *durable.Session {
	s := c.head()
	for sub := range c.sess.Subscriptions() {
		var since []uint64
		if r := c.reader(); r != nil {
			since = r.since[sub.Filter]
		}
		s.Subscriptions = append(s.Subscriptions, durable.Subscription{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions, ID: sub.ID, Since: since})
	}
	return s
}
