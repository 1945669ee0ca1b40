package cluster

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/topic"
)

// Table is what the other nodes want: one entry for each filter, with the set of
// nodes behind it. Match may be called by anybody at any time, beside one
// goroutine that changes the table.
type Table struct {
	index topic.Index[struct{}, *entry]
	view  atomic.Pointer[view]

	mu    sync.Mutex // guards what follows, and is held while entries change
	dests map[destKey]*dest
	used  Nodes // slots in use
}

// view says whose routes count now. It is replaced, never changed.
type view struct {
	visible Nodes // slots of nodes that are there
	names   [maxSlots]string
}

// entry is a filter that other nodes have. It takes 24 bytes, since most filters
// of a million share a few dests.
type entry struct {
	filter string
	to     atomic.Pointer[dest]
}

// Bare and Key are topic.Entry's: there is one entry for a filter.
func (e *entry) Bare() string      { return e.filter }
func (e *entry) Key() (k struct{}) { return k }

// dest is where messages go. It is never changed: all entries without groups
// that have the same nodes behind them have the same one.
type dest struct {
	destKey
	groups []Share // by group and slot
	refs   int     // entries; not kept for those with groups
}

type destKey struct{ plain, durable Nodes }

// Share is how many members of a shared group one node has.
type Share struct {
	GroupCount
	at   slot
	turn *atomic.Uint32 // of the group, for round robin; shares of one group have the same
}

func newTable() *Table {
	t := &Table{dests: make(map[destKey]*dest)}
	t.view.Store(new(view))
	return t
}

// Filters is the number of distinct filters that other nodes hold.
func (t *Table) Filters() int { return t.index.Filters() }

// Matches is what a message's topic has met on other nodes; it is made to be
// used again and again by one goroutine.
type Matches struct {
	Plain   Nodes        // nodes that get the message, once each
	Durable bool         // the message belongs in the log; the nodes may be absent
	Groups  []GroupMatch // shared groups with members on other nodes

	entries []*entry
}

// GroupMatch is a shared group with its members on other nodes.
type GroupMatch struct {
	Filter string
	Shares []Share // of one group, one for each node; not to be changed
}

// Match fills m with what name meets. Name may be a view of a buffer. It
// allocates nothing once m has grown.
func (t *Table) Match(name string, m *Matches) {
	m.Plain, m.Durable, m.Groups = 0, false, m.Groups[:0]
	m.entries = t.index.Match(name, m.entries[:0])
	visible := t.view.Load().visible
	for i, e := range m.entries {
		d := e.to.Load()
		m.Plain |= d.plain & visible
		m.Durable = m.Durable || d.durable != 0
		m.addGroups(e.filter, d.groups)
		m.entries[i] = nil
	}
}

func (m *Matches) addGroups(filter string, shares []Share) {
	for len(shares) > 0 {
		one := firstGroup(shares)
		m.Groups = append(m.Groups, GroupMatch{filter, one})
		shares = shares[len(one):]
	}
}

// group is what a shared group has on other nodes; nil: nothing.
func (t *Table) group(filter, name string) []Share {
	e, ok := t.index.Get(filter, struct{}{})
	if !ok {
		return nil
	}
	for shares := e.to.Load().groups; len(shares) > 0; {
		one := firstGroup(shares)
		if one[0].Name == name {
			return one
		}
		shares = shares[len(one):]
	}
	return nil
}

// firstGroup is the part of shares that belongs to the first one's group.
func firstGroup(shares []Share) []Share {
	n := 1
	for n < len(shares) && shares[n].Name == shares[0].Name {
		n++
	}
	return shares[:n:n]
}

// get is what the node in s wants of a filter.
func (t *Table) get(filter string, s slot) Interest {
	if e, ok := t.index.Get(filter, struct{}{}); ok {
		return e.to.Load().of(s)
	}
	return Interest{}
}

// set puts one node's interest in a filter in the place of what it was before,
// which is returned.
func (t *Table) set(filter string, s slot, in Interest) (old Interest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, known := t.index.Get(filter, struct{}{})
	before := &dest{}
	if known {
		before = e.to.Load()
	}
	if old = before.of(s); old.equal(in) {
		return old
	}
	after := t.share(before.with(s, in))
	switch {
	case !known:
		e = &entry{filter: strings.Clone(filter)}
		e.to.Store(after)
		t.index.Set(e)
	case after == nil:
		t.index.Delete(filter, struct{}{})
	default:
		e.to.Store(after)
	}
	t.release(before)
	return old
}

// share returns the dest that all have who have the same nodes and no groups;
// nil for no nodes at all. The table is locked.
func (t *Table) share(d *dest) *dest {
	switch {
	case len(d.groups) > 0:
		return d
	case d.destKey == destKey{}:
		return nil
	case t.dests[d.destKey] == nil:
		t.dests[d.destKey] = d
	}
	d = t.dests[d.destKey]
	d.refs++
	return d
}

// release gives one reference back. The table is locked.
func (t *Table) release(d *dest) {
	if d.refs > 0 {
		if d.refs--; d.refs == 0 {
			delete(t.dests, d.destKey)
		}
	}
}

// of is the part of one node.
func (d *dest) of(s slot) (in Interest) {
	in.Plain, in.Durable = d.plain.has(s), d.durable.has(s)
	for _, g := range d.groups {
		if g.at == s {
			in.Groups = append(in.Groups, g.GroupCount)
		}
	}
	return in
}

// turn is whose turn it is in a group; it goes on while the group exists.
func (d *dest) turn(group string) *atomic.Uint32 {
	for _, g := range d.groups {
		if g.Name == group {
			return g.turn
		}
	}
	turn := new(atomic.Uint32)
	turn.Store(rand.Uint32())
	return turn
}

// with is d with one node's part replaced.
func (d *dest) with(s slot, in Interest) *dest {
	n := &dest{destKey: destKey{d.plain.with(s, in.Plain), d.durable.with(s, in.Durable)}}
	if len(d.groups) == 0 && len(in.Groups) == 0 {
		return n
	}
	for _, g := range d.groups {
		if g.at != s {
			n.groups = append(n.groups, g)
		}
	}
	for _, g := range in.Groups {
		n.groups = append(n.groups, Share{g, s, d.turn(g.Name)})
	}
	slices.SortFunc(n.groups, func(a, b Share) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return int(a.at) - int(b.at)
	})
	return n
}

// take gives a node a slot, in which there is nothing; ok is false if there is
// none left.
func (t *Table) take(node string) (s slot, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range slot(maxSlots) {
		if !t.used.has(s) {
			t.used |= s.bit()
			t.look(func(v *view) { v.names[s] = node })
			return s, true
		}
	}
	return noSlot, false
}

// show lets a slot's plain routes and groups count, or not.
func (t *Table) show(s slot, visible bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.look(func(v *view) { v.visible = v.visible.with(s, visible) })
}

func (t *Table) look(change func(*view)) {
	v := *t.view.Load()
	change(&v)
	t.view.Store(&v)
}

// free removes all of a slot's routes, if it has any, and the slot.
func (t *Table) free(s slot, hasRoutes bool) {
	t.show(s, false)
	if hasRoutes {
		t.each(s, func(filter string, _ Interest) { t.set(filter, s, Interest{}) })
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used &^= s.bit()
	t.look(func(v *view) { v.names[s] = "" })
}

// thin leaves of a slot's routes what durable sessions want.
func (t *Table) thin(s slot) {
	t.each(s, func(filter string, in Interest) { t.set(filter, s, Interest{Durable: in.Durable}) })
}

// each goes through the routes of a slot, which may be changed meanwhile. It
// looks at every filter of the table: 0.2 µs each.
func (t *Table) each(s slot, f func(filter string, in Interest)) {
	for filter := range t.index.All() {
		if in := t.get(filter, s); !in.none() {
			f(filter, in)
		}
	}
}
