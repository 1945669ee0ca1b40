package node

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/cluster"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/metrics"
)

// joint makes the broker one with those of the other members, as long as there
// are some: it tells them of each other, and carries what they say.
type joint struct {
	engine *engine.Engine
	broker *broker.Broker
	zone   func(name string) *broker.Zone
	log    *slog.Logger

	node atomic.Pointer[cluster.Node] // nil: this node is alone

	// Of the goroutine that calls see.
	self  string // the id that node has
	known map[string]engine.Member

	mu      sync.Mutex        // guards what follows
	counted map[string]uint64 // by the nodes that there were
	ending  *cluster.Node     // one that isn't among them yet; nil: none
}

// room bounds what is on its way to one node: with some to spare below what the
// engine lets wait for a slow connection.
const room = 32 << 20

// newJoint takes what members send from now on.
func newJoint(e *engine.Engine, br *broker.Broker, zone func(name string) *broker.Zone, m *metrics.Registry, log *slog.Logger) (*joint, error) {
	j := &joint{engine: e, broker: br, zone: zone, log: log, known: make(map[string]engine.Member), counted: make(map[string]uint64)}
	e.OnRenewal(br.LogRenewed)
	for _, kind := range []string{cluster.KindRoutes, cluster.KindForward, cluster.KindConfirm, cluster.KindClaims, cluster.KindExclusive} {
		err := e.Handle(kind, func(from string, data []byte) []byte {
			if n := j.node.Load(); n != nil {
				n.Receive(from, kind, data)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	err := e.Handle(fetchKind, func(_ string, data []byte) []byte { return j.fetched(data) })
	if err != nil {
		return nil, err
	}
	for _, c := range jointCounters() {
		m.CounterFunc(c.name, c.help, func() uint64 { return j.count(c) })
	}
	return j, nil
}

// see takes who the members are now, this one too. One goroutine calls it.
func (j *joint) see(all []engine.Member, self engine.Member) {
	j.broker.MembersChanged()
	if len(all) < 2 || j.self != self.ID {
		j.close()
	}
	if len(all) < 2 {
		return
	}
	n := j.node.Load()
	if n == nil {
		n = j.open(self)
	}
	gone := j.known
	j.known = make(map[string]engine.Member, len(all))
	for _, m := range all {
		if m.ID == self.ID {
			continue
		}
		was, known := gone[m.ID]
		delete(gone, m.ID)
		j.known[m.ID] = m
		again := !was.Since.Equal(m.Since)
		if !known || was.Alive && (!m.Alive || again) { // also of one that isn't there yet: others may know its durable routes
			n.Down(m.ID)
		}
		if m.Alive && (!known || !was.Alive || again) {
			n.Up(m.ID, startOf(m))
		}
	}
	for id := range gone {
		n.Forget(id)
	}
}

// complete reports whether the broker knows what those members want that are
// there.
func (j *joint) complete(all []engine.Member, self string) bool {
	n := j.node.Load()
	for _, m := range all {
		if m.ID != self && m.Alive && (n == nil || !n.Routes.Complete(m.ID)) {
			return false
		}
	}
	return true
}

// startOf tells starts of a member apart, for all members alike.
func startOf(m engine.Member) uint64 { return uint64(m.Since.UnixMilli()) }

// open makes the broker one of several, of which it knows none yet.
func (j *joint) open(self engine.Member) *cluster.Node {
	n := cluster.Serve(j.broker, cluster.ServeOptions{Self: self.ID, Start: startOf(self), Network: j.engine, Zone: j.zone, Log: j.log, Room: room})
	j.self = self.ID
	j.node.Store(n)
	return n
}

// close makes the broker one by itself.
func (j *joint) close() {
	j.mu.Lock()
	n := j.node.Swap(nil)
	j.ending = n
	j.mu.Unlock()
	if n == nil {
		return
	}
	n.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ending = nil
	for _, c := range jointCounters() {
		j.counted[c.name] += c.of(n).Value()
	}
	j.self, j.known = "", make(map[string]engine.Member)
}

// jointCounter is one of a cluster.Node's counters, of which the registry has
// the sum of all nodes that there were.
type jointCounter struct {
	name, help string
	of         func(*cluster.Node) *metrics.Counter
}

func (j *joint) count(c jointCounter) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	sum := j.counted[c.name]
	for _, n := range []*cluster.Node{j.node.Load(), j.ending} {
		if n != nil {
			sum += c.of(n).Value()
		}
	}
	return sum
}

func jointCounters() []jointCounter {
	type node = cluster.Node
	return []jointCounter{
		{"cluster.forward.sent", "messages handed to the network, once for each node", func(n *node) *metrics.Counter { return &n.Forward.Stats.Forwarded }},
		{"cluster.forward.received", "messages of other nodes that arrived", func(n *node) *metrics.Counter { return &n.Forward.Stats.Received }},
		{"cluster.forward.missed", "messages of other nodes that were lost on the way here", func(n *node) *metrics.Counter { return &n.Forward.Stats.Missed }},
		{"cluster.forward.dropped.slow", "messages dropped as a node had too many that it had not confirmed", func(n *node) *metrics.Counter { return &n.Forward.Stats.Slow }},
		{"cluster.forward.dropped.gone", "messages dropped as a node went before they were sent", func(n *node) *metrics.Counter { return &n.Forward.Stats.Gone }},
		{"cluster.forward.dropped.too_large", "messages dropped as they are too large to be on their way to a node", func(n *node) *metrics.Counter { return &n.Forward.Stats.TooLarge }},
		{"cluster.forward.unconfirmed", "messages sent to a node that went before it confirmed them; some may have arrived", func(n *node) *metrics.Counter { return &n.Forward.Stats.Lost }},
		{"cluster.forward.unguarded", "messages of shared groups sent without being kept until they were confirmed, for want of room", func(n *node) *metrics.Counter { return &n.Forward.Stats.Unguarded }},
		{"cluster.groups.elsewhere", "messages of shared groups that a member on another node was chosen for", func(n *node) *metrics.Counter { return &n.Groups.Stats.Elsewhere }},
		{"cluster.groups.redispatched", "messages of shared groups that went to another member, as the first one's node could not give them", func(n *node) *metrics.Counter { return &n.Groups.Stats.Redispatched }},
		{"cluster.groups.orphaned", "messages of shared groups dropped as no member was left when a node gave them back", func(n *node) *metrics.Counter { return &n.Groups.Stats.Orphaned }},
		{"cluster.claims.claimed", "client ids that other nodes were asked for", func(n *node) *metrics.Counter { return &n.Claims.Stats.Claimed }},
		{"cluster.claims.skipped", "answers about client ids that were not waited for, as the node was away or slow", func(n *node) *metrics.Counter { return &n.Claims.Stats.Skipped }},
		{"cluster.claims.settled", "clients whose older connection ended when nodes met again", func(n *node) *metrics.Counter { return &n.Claims.Stats.Settled }},
		{"cluster.claims.outbid", "connections that ended as the client had connected to another node at the same time", func(n *node) *metrics.Counter { return &n.Claims.Stats.Outbid }},
		{"cluster.claims.moved", "sessions that were taken over from another node", func(n *node) *metrics.Counter { return &n.Claims.Stats.Moved }},
		{"cluster.claims.failed", "sessions that could not be taken over from another node", func(n *node) *metrics.Counter { return &n.Claims.Stats.Failed }},
		{"cluster.exclusive.asked", "exclusive topics that other nodes were asked for", func(n *node) *metrics.Counter { return &n.Exclusives.Stats.Asked }},
		{"cluster.exclusive.skipped", "exclusive topics granted without the answer of some node", func(n *node) *metrics.Counter { return &n.Exclusives.Stats.Skipped }},
		{"cluster.exclusive.lost", "exclusive topics taken away when nodes met again, as a client of another node has had them for longer", func(n *node) *metrics.Counter { return &n.Exclusives.Stats.Lost }},
		{"cluster.claims.forgotten", "client ids claimed while a node was away that are not settled with it, as there were too many", func(n *node) *metrics.Counter { return &n.Claims.Stats.Forgotten }},
	}
}
