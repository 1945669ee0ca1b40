package topic

import (
	"iter"
	"sync"
)

// Index is the table of subscriptions: filter → key → value. The key says who subscribed, the value is what a match
// returns; a filter has one value for each key. Filters are bare and valid (see Parse).
//
// Topic names equal to a filter are found by one look-up in a map, filters with wildcards in a trie of levels. All
// methods may be called at the same time; Match runs beside other Matches. The zero Index is empty and ready for use.
// An interface type can serve as K if the dynamic types are comparable.
type Index[K comparable, V any] struct {
	mu      sync.RWMutex
	exact   map[string]*set[K, V] // filters without wildcards; nil when there are none
	root    node[K, V]            // filters with wildcards
	wild    int                   // how many filters the trie has
	entries int
}

// Set adds the entry, or replaces its value if k has filter already; added tells which. The index keeps parts of the
// string, so it must not be a view of a buffer that changes.
func (ix *Index[K, V]) Set(filter string, k K, v V) (added bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if HasWildcard(filter) {
		added = ix.setWild(filter, k, v)
	} else {
		added = ix.setExact(filter, k, v)
	}
	if added {
		ix.entries++
	}
	return added
}

func (ix *Index[K, V]) setExact(filter string, k K, v V) (added bool) {
	if s := ix.exact[filter]; s != nil {
		return s.put(k, v)
	}
	if ix.exact == nil {
		ix.exact = make(map[string]*set[K, V])
	}
	ix.exact[filter] = &set[K, V]{key: k, val: v}
	return true
}

func (ix *Index[K, V]) setWild(filter string, k K, v V) (added bool) {
	added, fresh := ix.root.put(filter, k, v)
	if fresh {
		ix.wild++
	}
	return added
}

// Delete removes the entry and returns its value; ok is false if there was none.
func (ix *Index[K, V]) Delete(filter string, k K) (v V, ok bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if HasWildcard(filter) {
		v, ok = ix.deleteWild(filter, k)
	} else {
		v, ok = ix.deleteExact(filter, k)
	}
	if ok {
		ix.entries--
	}
	return v, ok
}

func (ix *Index[K, V]) deleteExact(filter string, k K) (v V, ok bool) {
	s := ix.exact[filter]
	if s == nil {
		return v, false
	}
	v, ok, last := s.remove(k)
	if !last {
		return v, ok
	}
	if delete(ix.exact, filter); len(ix.exact) == 0 {
		ix.exact = nil // a map keeps its memory, however little is left in it
	}
	return v, ok
}

func (ix *Index[K, V]) deleteWild(filter string, k K) (v V, ok bool) {
	s, at := ix.root.find(filter)
	if s == nil {
		return v, false
	}
	v, ok, last := s.remove(k)
	if last {
		at.drop()
		ix.wild--
	}
	return v, ok
}

// Match appends the values of every filter that matches name to dst, in no order, and returns the result: one value for
// each pair of filter and key, so a key with two matching filters appears twice. It allocates only to make dst longer.
// Name may be a view of a buffer: it is not kept. Nothing is called while the lock is held.
func (ix *Index[K, V]) Match(name string, dst []V) []V {
	ix.mu.RLock()
	if s := ix.exact[name]; s != nil {
		dst = s.appendTo(dst)
	}
	if ix.wild > 0 {
		dst = ix.root.match(name, dst)
	}
	ix.mu.RUnlock()
	return dst
}

// Has tells whether anybody has this very filter.
func (ix *Index[K, V]) Has(filter string) bool {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if HasWildcard(filter) {
		s, _ := ix.root.find(filter)
		return s != nil
	}
	_, ok := ix.exact[filter]
	return ok
}

// Filters returns the number of distinct filters.
func (ix *Index[K, V]) Filters() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return len(ix.exact) + ix.wild
}

// Len returns the number of entries: pairs of filter and key.
func (ix *Index[K, V]) Len() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.entries
}

// All iterates over the filters and the number of entries of each, in no order. It is made for lists that people read:
// the index can be used and changed while it runs, by the loop's body as well. A filter that is there all the time comes
// exactly once; one added or removed meanwhile may come or not.
func (ix *Index[K, V]) All() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		w := walk[K, V]{ix: ix, yield: yield}
		ix.mu.RLock()
		defer ix.mu.RUnlock()
		_ = w.exact() && w.below(&ix.root, 0) && w.flush(1)
	}
}
