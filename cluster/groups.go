package cluster

import (
	"slices"
	"strings"
	"sync"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Groups chooses one member for each message of a shared group, among the
// members of all nodes. The publisher's node chooses the member's node, and that
// node one of its own members.
//
// A message of QoS 1 or 2 that goes to another node is kept until that node says
// that a member has it. If it says that nobody can take it, or goes, another
// member gets it. So one may be delivered twice, but none is lost with a node.
type Groups struct {
	Stats GroupStats

	self     string
	routes   *Routes
	forward  *Forwarder
	to       Receiver // Redispatch's
	strategy func(group string) broker.Strategy
	wake     func()

	mu    sync.Mutex // guards again
	again []*guarded
	box   *Outbox // Redispatch's
}

// GroupStats count messages of shared groups.
type GroupStats struct {
	Elsewhere    metrics.Counter // given to another node's member
	Redispatched metrics.Counter // taken back from another node and given to somebody else
	Orphaned     metrics.Counter // dropped: taken back, and nobody was left in the group
}

// GroupsOptions are what a Groups is made of.
type GroupsOptions struct {
	Self      string // this node's id
	Routes    *Routes
	Forwarder *Forwarder
	Receiver  Receiver // for what is taken back and stays here
	Strategy  func(group string) broker.Strategy
	// Wake is called by any goroutine when there is something to Redispatch; it
	// must not block or call back.
	Wake func()
}

// NewGroups makes a Groups. The Forwarder serves no other.
func NewGroups(o GroupsOptions) *Groups {
	g := &Groups{
		self: o.Self, routes: o.Routes, forward: o.Forwarder, to: o.Receiver, strategy: o.Strategy, wake: o.Wake, box: o.Forwarder.NewOutbox(),
	}
	o.Forwarder.refused = g.takeBack
	return g
}

// Dispatch is asked when m matches a shared group with members on this node, of
// which some are online. true: another node's member was chosen and gets m; false: one
// of this node's gets it, and it is the caller's to choose which. m may be borrowed.
func (g *Groups) Dispatch(box *Outbox, m *mqtt.Message, filter, group string, members, online int) bool {
	shares := g.routes.table.group(filter, group)
	return shares != nil && g.give(box, m, filter, group, shares, GroupCount{group, uint32(members), uint32(online)}, nil) == gaveAway
}

// Forward gives m to a member of a group that has none on this node; false: their
// nodes have gone. m may be borrowed.
func (g *Groups) Forward(box *Outbox, m *mqtt.Message, to GroupMatch) bool {
	return g.give(box, m, to.Filter, to.Shares[0].Name, to.Shares, GroupCount{}, nil) == gaveAway
}

// What give has come to.
type gave byte

const (
	gaveNobody gave = iota // nobody is left
	gaveHere               // this node's turn; not done yet
	gaveAway
)

// give sends m to the node that is chosen, unless that is this one. k is m as it
// is kept already, or nil.
func (g *Groups) give(box *Outbox, m *mqtt.Message, filter, group string, shares []Share, own GroupCount, k *guarded) gave {
	var room [8]candidate
	among := g.candidates(room[:0], shares, own, k)
	if len(among) == 0 {
		return gaveNobody
	}
	turn := uint32(0)
	if len(shares) > 0 {
		turn = shares[0].turn.Add(1)
	}
	to := choose(g.strategy(group), among, turn, m.From, m.Topic)
	if to.self {
		return gaveHere
	}
	if k == nil && m.QoS > 0 {
		k = &guarded{filter: filter, group: group, m: m.Keep()}
	}
	if !box.direct(to.node, filter, group, m, k) {
		if k == nil {
			return gaveAway // and counted as gone
		}
		k.tried = append(k.tried, to.node)
		return g.give(box, m, filter, group, shares, own, k)
	}
	g.Stats.Elsewhere.Inc()
	return gaveAway
}

// candidates are the nodes with connected members or, if there are none, with
// any; but for those that are not there and that m has been tried with.
func (g *Groups) candidates(room []candidate, shares []Share, own GroupCount, k *guarded) []candidate {
	view := g.routes.table.view.Load()
	for _, online := range []bool{true, false} {
		weigh := func(c GroupCount) uint32 {
			if online {
				return c.Online
			}
			return c.Members
		}
		among := room
		add := func(node string, c GroupCount) {
			if w := weigh(c); w > 0 && (k == nil || !slices.Contains(k.tried, node)) {
				among = append(among, candidate{node, w, node == g.self})
			}
		}
		add(g.self, own)
		for _, s := range shares {
			if view.visible.has(s.at) {
				add(view.names[s.at], s.GroupCount)
			}
		}
		if len(among) > 0 {
			slices.SortFunc(among, func(a, b candidate) int { return strings.Compare(a.node, b.node) })
			return among
		}
	}
	return nil
}

// takeBack is the Forwarder's refused.
func (g *Groups) takeBack(k *guarded) {
	g.mu.Lock()
	first := len(g.again) == 0
	g.again = append(g.again, k)
	g.mu.Unlock()
	if first {
		g.wake()
	}
}

// Down tells that a node has gone: what it had not confirmed goes to others.
func (g *Groups) Down(node string) {
	for _, k := range g.forward.down(node) {
		g.takeBack(k)
	}
}

// Redispatch gives what was taken back to other members, in its order. One
// goroutine at a time calls it.
func (g *Groups) Redispatch() {
	g.mu.Lock()
	again := g.again
	g.again = nil
	g.mu.Unlock()
	for _, k := range again {
		g.redispatch(k)
	}
	if len(again) > 0 {
		g.to.End()
	}
	g.box.Flush()
}

func (g *Groups) redispatch(k *guarded) {
	own := g.routes.own.group(k.filter, k.group)
	switch g.give(g.box, k.m, k.filter, k.group, g.routes.table.group(k.filter, k.group), own, k) {
	case gaveAway:
		g.Stats.Redispatched.Inc()
	case gaveHere:
		g.Stats.Redispatched.Inc()
		kept := g.to.Dispatch(k.m, k.filter, k.group, func(kept bool) {
			if !kept {
				g.takeBack(k)
			}
		})
		if !kept {
			k.tried = append(k.tried, g.self)
			g.takeBack(k)
		}
	case gaveNobody:
		g.Stats.Orphaned.Inc()
	}
}
