package topic

import (
	"iter"
	"sync"
)

// Index is the table of subscriptions: who has which filter. An entry knows both; a filter has one entry for each key.
//
// Topic names equal to a filter are found by one look-up in a hash table, filters with wildcards in a trie of levels. All
// methods may be called at the same time; Match runs beside other Matches. The zero Index is empty and ready for use.
// An interface type can serve as K if the dynamic types are comparable.
type Index[K comparable, V Entry[K]] struct {
	mu      sync.RWMutex
	exact   *shelf[K, V] // filters without wildcards; nil when there are none
	root    node[K, V]   // filters with wildcards
	wild    int          // how many filters the trie has
	entries int
}

// Set adds v, or puts it in the place of the entry with the same filter and key; added tells which.
func (ix *Index[K, V]) Set(v V) (added bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if HasWildcard(v.Bare()) {
		added = ix.setWild(v)
	} else {
		added = ix.setExact(v)
	}
	if added {
		ix.entries++
	}
	return added
}

func (ix *Index[K, V]) setExact(v V) (added bool) {
	if ix.exact == nil {
		ix.exact = newShelf[K, V](func(filter string) string { return filter })
	}
	filter := v.Bare()
	old := ix.getExact(filter)
	now, added := old.with(v)
	ix.exact.set(filter, old, now)
	return added
}

func (ix *Index[K, V]) setWild(v V) (added bool) {
	added, fresh := ix.root.put(v)
	if fresh {
		ix.wild++
	}
	return added
}

func (ix *Index[K, V]) getExact(name string) set[K, V] {
	return ix.exact.get(&wanted{key: name}, func(v V) bool { return v.Bare() == name })
}

// Delete removes the entry and returns it; ok is false if there was none.
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
	old := ix.getExact(filter)
	now, v, ok := old.without(k)
	if !ok {
		return v, false
	}
	if ix.exact.set(filter, old, now); ix.exact.len() == 0 {
		ix.exact = nil
	}
	return v, true
}

func (ix *Index[K, V]) deleteWild(filter string, k K) (v V, ok bool) {
	v, ok, gone := ix.root.remove(filter, k)
	if gone {
		ix.wild--
	}
	return v, ok
}

// Match appends all entries whose filter matches name to dst, in no order, and returns the result: one for each pair of
// filter and key, so a key with two matching filters appears twice. It allocates only to make dst longer. Name may be a
// view of a buffer: it is not kept. Nothing but methods of entries is called while the lock is held.
func (ix *Index[K, V]) Match(name string, dst []V) []V {
	ix.mu.RLock()
	if ix.exact != nil {
		if s := ix.getExact(name); !s.empty() {
			dst = s.appendTo(dst)
		}
	}
	if ix.wild > 0 {
		dst = ix.root.match(name, 0, 0, dst)
	}
	ix.mu.RUnlock()
	return dst
}

// Get returns the entry of k for this very filter.
func (ix *Index[K, V]) Get(filter string, k K) (v V, ok bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if HasWildcard(filter) {
		s, _ := ix.root.find(filter)
		return s.get(k)
	}
	return ix.getExact(filter).get(k)
}

// Has tells whether anybody has this very filter.
func (ix *Index[K, V]) Has(filter string) bool {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	var s set[K, V]
	if HasWildcard(filter) {
		s, _ = ix.root.find(filter)
	} else {
		s = ix.getExact(filter)
	}
	return !s.empty()
}

// Filters returns the number of distinct filters.
func (ix *Index[K, V]) Filters() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.exact.len() + ix.wild
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
		_ = w.exact() && w.below(&ix.root) && w.flush(1)
	}
}
