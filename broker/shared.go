package broker

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// Strategy is how a shared group chooses the member for a message.
type Strategy string

// The strategies of broker.shared_subscription_strategy.
const (
	Random       Strategy = "random"
	RoundRobin   Strategy = "round_robin"
	Sticky       Strategy = "sticky"        // a publisher keeps its member while that is there
	HashClientID Strategy = "hash_clientid" // by the publisher's client id
	HashTopic    Strategy = "hash_topic"
	Local        Strategy = "local" // random among this node's members
)

// group is one shared subscription, a share name with a filter: one entry in
// the index, which passes each message to one of its members [MQTT-4.8.2-4].
//
// Only members that are connected are chosen while there is one. A member that
// goes away hands what it had not acknowledged to the others (handOver); if
// there are none, it stays in that member's session, the group is marked as
// parked, and whoever comes next takes it over (unpark).
type group struct {
	key      groupKey
	strategy Strategy
	seed     maphash.Seed

	members atomic.Pointer[[]member] // replaced, never changed; replaced under groups.mu
	turn    atomic.Uint32
	parked  atomic.Bool
}

type groupKey struct{ name, filter string }

type member struct {
	client *Client
	route  *route
}

// groups are all shared groups of this node.
type groups struct {
	mu  sync.Mutex
	all map[groupKey]*group
}

// join makes c a member; r replaces its earlier route, if it was one.
func (gs *groups) join(br *Broker, c *Client, r *route) {
	key := groupKey{r.Group, r.Bare}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.all[key]
	if g == nil {
		g = &group{key: key, strategy: br.strategy(r.Group), seed: maphash.MakeSeed()}
		g.members.Store(&[]member{{c, r}})
		gs.all[key] = g
		br.index.Set(r.Bare, g, &route{to: g})
		return
	}
	members := slices.Clone(*g.members.Load())
	if i := indexMember(members, c); i >= 0 {
		members[i].route = r
	} else {
		members = append(members, member{c, r})
	}
	g.members.Store(&members)
}

// leave ends c's membership; an empty group is no group.
func (gs *groups) leave(br *Broker, c *Client, sub *session.Subscription) {
	key := groupKey{sub.Group, sub.Bare}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.all[key]
	if g == nil {
		return
	}
	members := slices.Clone(*g.members.Load())
	if i := indexMember(members, c); i >= 0 {
		members = slices.Delete(members, i, i+1)
	}
	g.members.Store(&members)
	if len(members) == 0 {
		delete(gs.all, key)
		br.index.Delete(sub.Bare, g)
	}
}

// of finds the groups that c is a member of. The client is not entered.
func (gs *groups) of(c *Client) []*group {
	var mine []*group
	for sub := range c.Subscriptions() {
		if sub.Group == "" {
			continue
		}
		gs.mu.Lock()
		if g := gs.all[groupKey{sub.Group, sub.Bare}]; g != nil {
			mine = append(mine, g)
		}
		gs.mu.Unlock()
	}
	return mine
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
// connected. With nobody connected the message is parked.
func (g *group) dispatch(b *Batch, m *mqtt.Message) {
	members := *g.members.Load()
	n := len(members)
	if n == 0 {
		b.broker.dropped(nil, m, session.SessionEnded)
		return
	}
	first, bound := g.choose(members, m)
	if !bound && g.offer(b, m, members, first, whenRoom) {
		return
	}
	if g.offer(b, m, members, first, whenConnected) {
		return
	}
	g.offer(b, m, members, first, always)
	g.parked.Store(true)
	if slices.ContainsFunc(members, func(m member) bool { return m.client.Connected() }) {
		g.unpark(b) // somebody came while we parked it
	}
}

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
	whenRoom      terms = iota // connected, and the message goes out at once
	whenConnected              // connected, though it may have to wait
	always                     // even into the queue of a session without a connection
)

// offer delivers m if the client's state meets the terms.
func (c *Client) offer(b *Batch, m *mqtt.Message, sub *session.Subscription, on terms) bool {
	c.enter(b)
	defer c.leave(b)
	switch {
	case c.ended && on != always,
		c.conn == nil && on != always,
		on == whenRoom && (!c.sess.Room() || c.conn.Full()):
		return false
	}
	c.deliver(b, m, sub, m.Retain && sub.RetainAsPublished)
	return true
}

// choose is the strategy. bound: the choice has a meaning beyond balance.
func (g *group) choose(members []member, m *mqtt.Message) (first int, bound bool) {
	n := uint64(len(members))
	switch g.strategy {
	case RoundRobin:
		return int(uint64(g.turn.Add(1)) % n), false
	case HashClientID:
		return int(maphash.String(g.seed, m.From) % n), true
	case HashTopic:
		return int(maphash.String(g.seed, m.Topic) % n), true
	case Sticky:
		return g.rendezvous(members, m.From), true
	default:
		return rand.IntN(int(n)), false
	}
}

// rendezvous gives each publisher its member, the same one for as long as that
// is in the group, without remembering publishers: the highest hash wins.
func (g *group) rendezvous(members []member, publisher string) (best int) {
	var high uint64
	p := maphash.String(g.seed, publisher)
	for i, m := range members {
		if h := mix(p ^ maphash.String(g.seed, m.client.id)); h >= high {
			high, best = h, i
		}
	}
	return best
}

// mix spreads the bits of a combined hash (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// handOver is called when c has gone away: the messages of its groups that it
// has not acknowledged go to other members, if any is connected.
func (br *Broker) handOver(b *Batch, c *Client) {
	if c.sharing() == 0 {
		return
	}
	for _, g := range br.groups.of(c) {
		others := slices.ContainsFunc(*g.members.Load(), func(m member) bool {
			return m.client != c && m.client.Connected()
		})
		if others {
			g.takeFrom(b, c)
		} else {
			g.parked.Store(true)
		}
	}
}

// unpark is called when c has come: it and the other connected members get
// what its groups' absent members hold.
func (br *Broker) unpark(b *Batch, c *Client) {
	if c.sharing() == 0 {
		return
	}
	for _, g := range br.groups.of(c) {
		g.unpark(b)
	}
}

func (g *group) unpark(b *Batch) {
	if !g.parked.Swap(false) {
		return
	}
	for _, m := range *g.members.Load() {
		if !m.client.Connected() {
			g.takeFrom(b, m.client)
		}
	}
}

// takeFrom dispatches anew what c holds of g's messages.
func (g *group) takeFrom(b *Batch, c *Client) {
	var held []session.Delivery
	c.enter(b)
	if c.conn == nil {
		sent := c.sess.Inflight()
		c.sess.Surrender(
			func(s *session.Subscription) bool { return g.has(s) },
			func(d session.Delivery) { held = append(held, d) })
		b.broker.count.redispatched.Add(uint64(sent - c.sess.Inflight()))
	}
	c.leave(b)
	for _, d := range held {
		g.dispatch(b, d.Msg)
	}
}

// has reports whether sub is a membership of g.
func (g *group) has(sub *session.Subscription) bool {
	return sub.Group == g.key.name && sub.Bare == g.key.filter
}

// sharing is the number of the client's memberships.
func (c *Client) sharing() int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shared
}
