package topic

// walkBatch is how many filters a walk gathers before it lets go of the lock to hand them out: few, so that a waiting
// writer (and every Match behind it) waits some microseconds only.
const walkBatch = 256

// walk is one pass of Index.All. It holds the read lock except while it yields.
//
// Each time the lock is let go the index may change: what hangs on a node is looked up before that, so that a filter
// which gets a node of its own comes once. Shelves and kids are walked by the positions of their hashes, which stay the
// same, one page or a piece of a page at a time; a leaf and the kid that it is lowered to have the same position. A node
// that was cut off has nothing below it, because filters set again later get new nodes.
type walk[K comparable, V Entry[K]] struct {
	ix    *Index[K, V]
	yield func(string, int) bool
	batch []walked
}

type walked struct {
	filter string
	n      int
}

// exact walks through the filters without wildcards.
func (w *walk[K, V]) exact() bool {
	for from := uint64(0); from < tableEnd; {
		end := w.ix.exact.pageEnd(from)
		w.addAll(w.ix.exact.between(from, end))
		if !w.flush(walkBatch) {
			return false
		}
		from = end
	}
	return true
}

// below walks through what hangs on a node of the trie. It recurses as deep as filters have levels, so the 65536 of the
// longest take some MB of stack while it lasts.
func (w *walk[K, V]) below(n *node[K, V]) bool {
	plus := n.plus
	w.addAll(n.sets[:])
	if !w.flush(walkBatch) || plus != nil && !w.below(plus) {
		return false
	}
	for from := uint64(0); from < tableEnd; {
		end := min(n.kids.pageEnd(from), n.leaves.pageEnd(from))
		kids := n.kids.between(from, end, nil)
		w.addAll(n.leaves.between(from, end))
		if !w.flush(walkBatch) {
			return false
		}
		for _, kid := range kids {
			if !w.below(kid) {
				return false
			}
		}
		from = end
	}
	return true
}

func (w *walk[K, V]) addAll(sets []set[K, V]) {
	for _, s := range sets {
		if !s.empty() {
			w.batch = append(w.batch, walked{s.filter(), s.size()})
		}
	}
}

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
