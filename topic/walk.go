package topic

import "slices"

// walkBatch is how many filters a walk gathers before it lets go of the lock to hand them out: few, so that a waiting
// writer (and every Match behind it) waits some microseconds only.
const walkBatch = 256

// walk is one pass of Index.All. It holds the read lock except while it yields.
type walk[K comparable, V any] struct {
	ix    *Index[K, V]
	yield func(string, int) bool
	batch []walked
	text  []byte // see below
}

type walked struct {
	filter string
	n      int
}

// exact walks through the filters without wildcards. The language allows a map to change under a loop.
func (w *walk[K, V]) exact() bool {
	for filter, s := range w.ix.exact {
		if w.add(filter, s.size()); !w.flush(walkBatch) {
			return false
		}
	}
	return true
}

// below walks through what hangs on a node of the trie; w.text[:begin] spells the way to it, with a slash at the end. It
// recurses as deep as filters have levels, so the 65536 of the longest take 32 MB of stack while it lasts.
//
// Each time the lock is let go the trie may change: what hangs on the node is looked up before that, so that a tail
// which moves down comes once, and a list of kids which becomes a map is not walked twice. A node that was cut off has
// nothing below it, because filters set again later get new nodes.
func (w *walk[K, V]) below(n *node[K, V], begin int) bool {
	var list []kid[K, V]
	var table map[string]*node[K, V]
	if n.kids != nil {
		list, table = slices.Clone(n.kids.list), n.kids.table
	}
	plus := n.plus
	if n.here != nil {
		w.add(string(w.text[:begin-1]), n.here.size())
	}
	if n.tail != nil {
		w.add(string(w.text[:begin])+n.tail.rest, n.tail.size())
	}
	if !w.flush(walkBatch) || plus != nil && !w.child("+", plus, begin) {
		return false
	}
	for _, kid := range list {
		if !w.child(kid.level, kid.node, begin) {
			return false
		}
	}
	for level, kid := range table {
		if !w.child(level, kid, begin) {
			return false
		}
	}
	return true
}

func (w *walk[K, V]) child(level string, n *node[K, V], begin int) bool {
	w.text = append(append(w.text[:begin], level...), '/')
	return w.below(n, len(w.text))
}

func (w *walk[K, V]) add(filter string, n int) { w.batch = append(w.batch, walked{filter, n}) }

// flush hands out what was gathered if that is enough. False means that the loop has been left.
func (w *walk[K, V]) flush(enough int) bool {
	if len(w.batch) < enough {
		return true
	}
	w.ix.mu.RUnlock()
	defer w.ix.mu.RLock() // also if yield panics
	for _, e := range w.batch {
		if !w.yield(e.filter, e.n) {
			return false
		}
	}
	w.batch = w.batch[:0]
	return true
}
