package topic

// walkBatch is how many filters a walk gathers before it lets go of the lock to hand them out: few, so that a waiting
// writer (and every Match behind it) waits some microseconds only.
const walkBatch = 256

// walk is one pass of Index.All. It holds the read lock except while it yields.
type walk[K comparable, V any] struct {
	ix    *Index[K, V]
	yield func(string, int) bool
	batch []walked
}

type walked struct {
	filter string
	n      int
}

// exact walks through the filters without wildcards. The language allows a map to change under a loop.
func (w *walk[K, V]) exact() bool {
	for filter, s := range w.ix.exact {
		if !w.add(filter, s.size()) {
			return false
		}
	}
	return true
}

// wild walks through the trie, spelling out the filters. A node on the stack may be cut off while the lock is not held;
// nothing hangs on it then but nodes as empty as itself, and those of filters set again later are new ones.
func (w *walk[K, V]) wild() bool {
	type step struct {
		node  *node[K, V]
		at    int // length of the text before this level
		level string
	}
	var text []byte
	stack := []step{{node: &w.ix.root, at: -1}}
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		begin := 0
		if s.at >= 0 {
			text = append(append(text[:s.at], s.level...), '/')
			begin = len(text)
		}
		if s.node.here != nil && !w.add(string(text[:begin-1]), s.node.here.size()) {
			return false
		}
		if s.node.tail != nil && !w.add(string(text[:begin])+"#", s.node.tail.size()) {
			return false
		}
		if s.node.plus != nil {
			stack = append(stack, step{s.node.plus, begin, "+"})
		}
		if k := s.node.kids; k != nil {
			for _, kid := range k.list {
				stack = append(stack, step{kid.node, begin, kid.level})
			}
			for level, n := range k.table {
				stack = append(stack, step{n, begin, level})
			}
		}
	}
	return true
}

func (w *walk[K, V]) add(filter string, n int) bool {
	w.batch = append(w.batch, walked{filter, n})
	return len(w.batch) < walkBatch || w.flush()
}

func (w *walk[K, V]) flush() bool {
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
