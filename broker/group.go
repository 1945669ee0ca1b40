package broker

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// group is one shared subscription, a share name with a filter: one entry in
// the index, which passes each message to one of its members [MQTT-4.8.2-4].
//
// Only members that are connected are chosen while there is one. A member that
// goes away hands what it had not acknowledged to the others (handOver); if
// there are none, it stays in that member's session, the group is marked as
// parked, and whoever comes next takes it over (settle).
//
// A group with durable members has its messages of QoS 1 and 2 from the log, see
// groupLog.
type group struct {
	self     recipient
	key      GroupKey
	strategy Strategy
	seed     maphash.Seed

	members atomic.Pointer[[]member] // never changed but beyond its end; replaced under groups.mu
	online  atomic.Int32             // of these, how many are connected; changed under groups.mu
	turn    atomic.Uint32
	parked  atomic.Bool                 // absent members may hold messages
	logs    atomic.Pointer[[]*groupLog] // never changed; replaced under groups.mu, see kept
}

type member struct {
	client *Client
	route  *route
	hash   uint64 // of the client, for rendezvous
}

// groups are all shared groups of this node.
type groups struct {
	br    *Broker
	mu    sync.Mutex
	all   map[GroupKey]*group
	share uint64      // the number that was given last to what a group has of the log
	left  []*groupLog // what is still here of groups that go on elsewhere; replaced, never changed
}

// join makes m a member of the group that f names, or replaces its route if it
// is one already. The client is entered.
func (gs *groups) join(f topic.Filter, m member) {
	br, key := gs.br, GroupKey{f.Group, f.Bare}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.all[key]
	fresh := g == nil
	if fresh {
		g = &group{key: key, strategy: br.Strategy(f.Group), seed: maphash.MakeSeed()}
	}
	m.hash = maphash.Comparable(g.seed, m.client)
	defer gs.tell(g)
	if d := br.durable; d != nil && d.several() {
		d.taker.look() // it may have left something of the group where it was
	}
	if m.client.conn != nil && indexMember(g.all(), m.client) < 0 {
		g.online.Add(1)
	}
	if fresh {
		g.members.Store(&[]member{m})
		gs.all[key] = g
		g.self.Subscriber = g
		gs.keep(g, m.client)
		br.index.Set(&route{to: &g.self, Subscription: session.Subscription{Filter: f.Bare}})
		return
	}
	members := g.all()
	if i := indexMember(members, m.client); i >= 0 {
		members = slices.Clone(members)
		members[i] = m
	} else {
		members = append(members, m) // readers of the shorter slice don't see it
	}
	g.members.Store(&members)
	gs.keep(g, m.client)
}

// leave ends c's membership of the group that f names; an empty group is no
// group. The client is entered.
func (gs *groups) leave(f topic.Filter, c *Client) {
	key := GroupKey{f.Group, f.Bare}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.all[key]
	if g == nil {
		return
	}
	members := slices.Clone(g.all())
	members = slices.DeleteFunc(members, func(m member) bool { return m.client == c })
	if c.conn != nil && len(members) < len(g.all()) {
		g.online.Add(-1)
	}
	g.members.Store(&members)
	if len(members) == 0 {
		delete(gs.all, key)
		gs.br.index.Delete(f.Bare, routeKey{to: &g.self})
		gs.leaveShares(g, c)
	}
	gs.tell(g)
}

// count notes that a member of groups has got a connection, by is 1, or has lost
// it, -1. The client is entered.
func (gs *groups) count(c *Client, by int32) {
	gs.each(c, func(g *group) {
		g.online.Add(by)
		gs.tell(g)
	})
}

// each calls f, with mu held, for the groups of a client, which is entered.
func (gs *groups) each(c *Client, f func(*group)) {
	if c.shared == 0 {
		return
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for sub := range c.sess.Subscriptions() {
		if s := split(sub.Filter); s.Kind == topic.Shared {
			if g := gs.all[GroupKey{s.Group, s.Bare}]; g != nil {
				f(g)
			}
		}
	}
}

// tell tells the other nodes how many members a group has. mu is held.
func (gs *groups) tell(g *group) {
	if c := gs.br.cluster.Load(); c != nil {
		c.Routes.Group(g.key.Filter, g.key.Name, len(g.all()), int(g.online.Load()))
	}
}

func (gs *groups) tellAll() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.all {
		gs.tell(g)
	}
}

// of is the group that a subscription is to; nil: it is no shared one, or
// nobody is in the group any more.
func (gs *groups) of(sub *session.Subscription) *group {
	f := split(sub.Filter)
	if f.Kind != topic.Shared {
		return nil
	}
	return gs.get(GroupKey{f.Group, f.Bare})
}

func (gs *groups) get(key GroupKey) *group {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.all[key]
}

// withParked are the groups of which absent members may hold messages.
func (gs *groups) withParked() (all []*group) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.all {
		if g.parked.Load() {
			all = append(all, g)
		}
	}
	return all
}

// all are the members; nil: there is none yet.
func (g *group) all() []member {
	if members := g.members.Load(); members != nil {
		return *members
	}
	return nil
}

func indexMember(members []member, c *Client) int {
	return slices.IndexFunc(members, func(m member) bool { return m.client == c })
}

// Deliver is Subscriber's.
func (g *group) Deliver(b *Batch, m *mqtt.Message, _ *session.Subscription) {
	br := b.broker
	several := br.cluster.Load() != nil
	if several {
		b.decided = append(b.decided, g.key)
	}
	if m.LogSeq != 0 && g.deliverLogged(b, m) {
		return
	}
	if several && g.away(b, m) {
		return
	}
	br.count.matched.Inc()
	g.dispatch(b, m)
}

// away reports whether a member of another node was chosen, which gets m.
func (g *group) away(b *Batch, m *mqtt.Message) bool {
	return b.broker.away(b, m, g.key, len(g.all()), int(g.online.Load()))
}

func (br *Broker) away(b *Batch, m *mqtt.Message, key GroupKey, members, online int) bool {
	c := br.cluster.Load()
	return c != nil && c.Peers.Dispatch(b, m, key, members, online)
}

// dispatch gives m to one member of this node, or if the last one has just left,
// to anybody. No client is entered.
func (g *group) dispatch(b *Batch, m *mqtt.Message) {
	if !g.local(b, m) {
		b.broker.giveUp(b, m, g.key)
	}
}

// giveUp is for a message that was for a group without a member here.
func (br *Broker) giveUp(b *Batch, m *mqtt.Message, key GroupKey) {
	if br.away(b, m, key, 0, 0) {
		br.count.movedOut.Inc()
		br.guards.settle(m)
	} else {
		br.dropOrphan(m)
	}
}

// local gives m to one member: the strategy's choice if that is connected
// and has room, else another that has. Strategies that bind a publisher or a
// topic to a member let the message wait for it instead, as long as it is
// connected. With nobody connected the message is parked. False: there is no
// member. No client is entered.
func (g *group) local(b *Batch, m *mqtt.Message) bool {
	for {
		members := g.all()
		if len(members) == 0 {
			return false
		}
		first, bound := g.choose(members, m)
		if !bound && g.offer(b, m, members, first, whenRoom) || g.offer(b, m, members, first, whenOnline) {
			return true
		}
		if g.offer(b, m, members, first, always) {
			g.parked.Store(true)
			g.settle(b) // somebody may have come meanwhile
			return true
		}
		// The sessions of all these have ended, and with that they have left
		// the group: look again.
	}
}

// offer goes round the members until one takes m.
func (g *group) offer(b *Batch, m *mqtt.Message, members []member, first int, on terms) bool {
	for i := range members {
		to := members[(first+i)%len(members)]
		if to.client.offer(b, m, &to.route.Subscription, on) {
			return true
		}
	}
	return false
}

// terms are the conditions on which a member takes a message.
type terms byte

const (
	whenRoom   terms = iota // connected, and the message goes out at once
	whenOnline              // connected, though it may have to wait
	always                  // even into the queue of a session without a connection
)

// offer delivers m if the client's state meets the terms.
func (c *Client) offer(b *Batch, m *mqtt.Message, sub *session.Subscription, on terms) bool {
	if on != always && !c.status.has(isOnline) {
		return false
	}
	c.enter(b)
	defer c.leave(b)
	switch {
	case c.ended, c.conn == nil && on != always, on == whenRoom && (!c.sess.Room() || c.conn.Full()):
		return false
	}
	c.deliver(b, m, sub, m.Retain && sub.RetainAsPublished)
	return true
}

// isOnline reports whether a member of this node is connected.
func (g *group) isOnline() bool {
	return slices.ContainsFunc(g.all(), func(m member) bool { return m.client.Connected() })
}

// served reports whether a member of any node is connected.
func (g *group) served(br *Broker) bool {
	if c := br.cluster.Load(); c != nil && !g.isOnline() {
		_, online := c.Peers.Members(g.key)
		return online > 0
	}
	return g.isOnline()
}
