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
type group struct {
	self     recipient
	key      groupKey
	strategy Strategy
	seed     maphash.Seed

	members atomic.Pointer[[]member] // never changed but beyond its end; replaced under groups.mu
	turn    atomic.Uint32
	parked  atomic.Bool // absent members may hold messages
}

type groupKey struct{ name, filter string }

type member struct {
	client *Client
	route  *route
	hash   uint64 // of the client, for rendezvous
}

// groups are all shared groups of this node.
type groups struct {
	mu  sync.Mutex
	all map[groupKey]*group
}

// join makes m a member of the group that f names, or replaces its route if it
// is one already. The client is entered.
func (gs *groups) join(br *Broker, f topic.Filter, m member) {
	key := groupKey{f.Group, f.Bare}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.all[key]
	fresh := g == nil
	if fresh {
		g = &group{key: key, strategy: br.strategy(f.Group), seed: maphash.MakeSeed()}
	}
	m.hash = maphash.Comparable(g.seed, m.client)
	if fresh {
		g.members.Store(&[]member{m})
		gs.all[key] = g
		g.self.Subscriber = g
		br.index.Set(&route{to: &g.self, Subscription: session.Subscription{Filter: f.Bare}})
		return
	}
	members := *g.members.Load()
	if i := indexMember(members, m.client); i >= 0 {
		members = slices.Clone(members)
		members[i] = m
	} else {
		members = append(members, m) // readers of the shorter slice don't see it
	}
	g.members.Store(&members)
}

// leave ends c's membership of the group that f names; an empty group is no
// group. The client is entered.
func (gs *groups) leave(br *Broker, f topic.Filter, c *Client) {
	key := groupKey{f.Group, f.Bare}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.all[key]
	if g == nil {
		return
	}
	members := slices.Clone(*g.members.Load())
	members = slices.DeleteFunc(members, func(m member) bool { return m.client == c })
	g.members.Store(&members)
	if len(members) == 0 {
		delete(gs.all, key)
		br.index.Delete(f.Bare, routeKey{to: &g.self})
	}
}

// of is the group that a subscription is to; nil: it is no shared one, or
// nobody is in the group any more.
func (gs *groups) of(sub *session.Subscription) *group {
	f := split(sub.Filter)
	if f.Kind != topic.Shared {
		return nil
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.all[groupKey{f.Group, f.Bare}]
}

func indexMember(members []member, c *Client) int {
	return slices.IndexFunc(members, func(m member) bool { return m.client == c })
}

// Deliver is Subscriber's.
func (g *group) Deliver(b *Batch, m *mqtt.Message, _ *session.Subscription) {
	b.broker.count.matched.Inc()
	g.dispatch(b, m)
}

// dispatch gives m to one member: the strategy's choice if that is connected
// and has room, else another that has. Strategies that bind a publisher or a
// topic to a member let the message wait for it instead, as long as it is
// connected. With nobody connected the message is parked. No client is
// entered.
func (g *group) dispatch(b *Batch, m *mqtt.Message) {
	for {
		members := *g.members.Load()
		if len(members) == 0 { // the last one has just left
			b.broker.dropOrphan(m)
			return
		}
		first, bound := g.choose(members, m)
		if !bound && g.offer(b, m, members, first, whenRoom) || g.offer(b, m, members, first, whenOnline) {
			return
		}
		if g.offer(b, m, members, first, always) {
			g.parked.Store(true)
			g.settle(b) // somebody may have come meanwhile
			return
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

// online reports whether a member is connected.
func (g *group) online() bool {
	return slices.ContainsFunc(*g.members.Load(), func(m member) bool { return m.client.Connected() })
}
