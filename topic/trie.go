package topic

import "strings"

// node is the place of all filters that begin with the same levels, of which at least two exist or have existed: a filter
// that shares no further level with others is a leaf of its last node, with all its other levels. So a million filters
// a/+/x/N/# are leaves of three nodes, and one of 30,000 levels is no burden by itself.
//
// Filters below a node have the text up to there in common, so for each node there is one offset at which they go on.
type node[K comparable, V Entry[K]] struct {
	level  string              // the level that leads here, spelled out
	kids   *Table[*node[K, V]] // by their level; nil when there are none, as are leaves
	leaves *shelf[K, V]        // by the level they go on with, which no kid has
	plus   *node[K, V]         // the level +
	sets   [3]set[K, V]        // by branch: filters that end here, go on with #, or with + if plus is nil
}

// branch says how a filter hangs on a node.
type branch uint8

const (
	here branch = iota // it ends there
	rest               // it goes on with # and ends
	plus               // it goes on with +, alone
	leaf               // it goes on with a level spelled out, alone
)

// uses counts what hangs on a node; a node without uses must not stay.
func (n *node[K, V]) uses() int {
	uses := n.kids.Len() + n.leaves.len()
	if n.plus != nil {
		uses++
	}
	for _, s := range n.sets {
		if !s.empty() {
			uses++
		}
	}
	return uses
}

// place is where a filter hangs, or would hang.
type place[K comparable, V Entry[K]] struct {
	node  *node[K, V]
	at    int // what the node does not say of the filter begins here; behind the filter's end if there is nothing
	by    branch
	level string // the filter's level there

	fork  *node[K, V] // the last node above that has other uses, or the root; nil for the root itself
	crook string      // the level that leads from the fork towards the node
}

// descend goes down as far as there are nodes for the filter.
func (p *place[K, V]) descend(filter string) {
	for {
		if p.at > len(filter) {
			p.by = here
			return
		}
		left := filter[p.at:]
		if left == "#" {
			p.by = rest
			return
		}
		p.level = firstLevel(left)
		next := p.node.plus
		if p.by = plus; p.level != "+" {
			p.by = leaf
			next, _ = p.node.kids.Get(p.level)
		}
		if next == nil {
			return
		}
		if p.fork == nil || p.node.uses() > 1 {
			p.fork, p.crook = p.node, p.level
		}
		p.node, p.at = next, p.at+len(p.level)+1
	}
}

// get returns the set at the place, which is empty or, if it hangs there alone, possibly another filter's.
func (p *place[K, V]) get() set[K, V] {
	if p.by != leaf {
		return p.node.sets[p.by]
	}
	return p.node.leaves.get(&wanted{key: p.level}, func(v V) bool { return firstLevel(v.Bare()[p.at:]) == p.level })
}

// set stores what has become of the set old that get returned.
func (p *place[K, V]) set(old, now set[K, V]) {
	if p.by != leaf {
		p.node.sets[p.by] = now
		return
	}
	if p.node.leaves == nil {
		at := p.at
		p.node.leaves = newShelf[K, V](func(filter string) string {
			return firstLevel(filter[at:])
		})
	}
	if p.node.leaves.set(p.level, old, now); p.node.leaves.len() == 0 {
		p.node.leaves = nil
	}
}

// lower makes room at the place, by giving the set there a node for one level more.
func (p *place[K, V]) lower(s set[K, V]) {
	next := new(node[K, V])
	if p.by == plus {
		p.node.plus = next
	} else {
		next.level = strings.Clone(p.level) // a node that lives on must not keep a long filter that has gone
		if p.node.kids == nil {
			p.node.kids = NewTable(func(n *node[K, V]) string { return n.level })
		}
		p.node.kids.Put(next)
	}
	below := place[K, V]{node: next, at: p.at + len(p.level) + 1}
	below.descend(s.filter())
	below.set(set[K, V]{}, s)
	p.set(s, set[K, V]{})
}

// prune removes the nodes that only led to this place, from which a set has been taken.
func (p *place[K, V]) prune() {
	if p.fork == nil || p.node.uses() > 0 {
		return
	}
	if p.crook == "+" {
		p.fork.plus = nil
		return
	}
	if p.fork.kids.Delete(p.crook); p.fork.kids.n == 0 {
		p.fork.kids = nil
	}
}

// put adds an entry or replaces the one with its key; fresh tells that the filter is new as well.
func (n *node[K, V]) put(v V) (added, fresh bool) {
	filter := v.Bare()
	for p := (place[K, V]{node: n}); ; {
		p.descend(filter)
		old := p.get()
		if old.empty() || p.by < plus || old.filter() == filter {
			now, added := old.with(v)
			p.set(old, now)
			return added, old.empty()
		}
		p.lower(old)
	}
}

// remove takes the entry of k out; gone tells that the filter has gone with it.
func (n *node[K, V]) remove(filter string, k K) (v V, ok, gone bool) {
	old, p := n.find(filter)
	now, v, ok := old.without(k)
	if ok {
		p.set(old, now)
		p.prune()
	}
	return v, ok, ok && now.empty()
}

// find returns a filter's set and place; the set is empty if the trie does not have the filter.
func (n *node[K, V]) find(filter string) (s set[K, V], p place[K, V]) {
	p.node = n
	p.descend(filter)
	if s = p.get(); !s.empty() && s.filter() != filter {
		return set[K, V]{}, p
	}
	return s, p
}

// match appends the entries of all filters below a node that match name. The node's next level begins at byte at of name,
// or the name has none and at is beyond it; in the filters it begins at byte from. Each node of the trie is visited once
// at most, whatever the name. Calls go as deep as filters have a + in common, which is 65535 at worst.
func (n *node[K, V]) match(name string, at, from int, dst []V) []V {
	wild := at > 0 || !dollar(name) // [MQTT-4.7.2-1]
	for n != nil {
		if s := &n.sets[rest]; wild && !s.empty() {
			dst = s.appendTo(dst)
		}
		if at > len(name) {
			if s := &n.sets[here]; !s.empty() {
				dst = s.appendTo(dst)
			}
			break
		}
		left := name[at:]
		level := firstLevel(left)
		at += len(level) + 1
		if s := &n.sets[plus]; wild && !s.empty() && matchLevels(s.filter()[from:], left) {
			dst = s.appendTo(dst)
		}
		if wild && n.plus != nil {
			dst = n.plus.match(name, at, from+len("+/"), dst)
		}
		w := wanted{key: level}
		if n.leaves != nil {
			if s := n.leaves.get(&w, func(v V) bool { return matchLevels(v.Bare()[from:], left) }); !s.empty() {
				dst = s.appendTo(dst)
			}
		}
		if n.kids == nil {
			break
		}
		n, _ = n.kids.get(&w, func(kid *node[K, V]) bool { return kid.level == level })
		from += len(level) + 1
		wild = true
	}
	return dst
}
