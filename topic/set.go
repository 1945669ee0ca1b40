package topic

import "slices"

// set holds the entries of one filter; it is never empty. Nearly all filters have one subscriber, so the first entry
// stands in the set itself; from the second on, all of them are in more.
type set[K comparable, V any] struct {
	key  K
	val  V
	more *crowd[K, V]
}

// put adds the entry, or replaces the value if the key is there already.
func (s *set[K, V]) put(k K, v V) (added bool) {
	if s.more != nil {
		return s.more.put(k, v)
	}
	if s.key == k {
		s.val = v
		return false
	}
	*s = set[K, V]{more: &crowd[K, V]{keys: []K{s.key, k}, vals: []V{s.val, v}}}
	return true
}

// remove takes the entry out. If it was the only one the set is left as it is, and the caller drops the whole set.
func (s *set[K, V]) remove(k K) (v V, ok, last bool) {
	if s.more == nil {
		if s.key != k {
			return v, false, false
		}
		return s.val, true, true
	}
	i := s.more.find(k)
	if i < 0 {
		return v, false, false
	}
	v = s.more.vals[i]
	s.more.removeAt(i)
	if len(s.more.vals) == 1 {
		*s = set[K, V]{key: s.more.keys[0], val: s.more.vals[0]}
	}
	return v, true, false
}

func (s *set[K, V]) size() int {
	if s.more == nil {
		return 1
	}
	return len(s.more.vals)
}

func (s *set[K, V]) appendTo(dst []V) []V {
	if s.more == nil {
		return append(dst, s.val)
	}
	return append(dst, s.more.vals...)
}

// crowdIndexed is the size from which a crowd looks keys up in a map. Comparing 16 keys costs about as much as one look-up.
const crowdIndexed = 16

// crowd is two or more entries, in no order. Values stand apart from keys so that a match is one copy of memory.
type crowd[K comparable, V any] struct {
	keys []K
	vals []V
	pos  map[K]int // where each key is; nil while the crowd is small
}

func (c *crowd[K, V]) find(k K) int {
	if c.pos == nil {
		return slices.Index(c.keys, k)
	}
	if i, ok := c.pos[k]; ok {
		return i
	}
	return -1
}

func (c *crowd[K, V]) put(k K, v V) (added bool) {
	if i := c.find(k); i >= 0 {
		c.vals[i] = v
		return false
	}
	c.keys = append(c.keys, k)
	c.vals = append(c.vals, v)
	switch {
	case c.pos != nil:
		c.pos[k] = len(c.keys) - 1
	case len(c.keys) > crowdIndexed:
		c.reindex()
	}
	return true
}

// removeAt moves the last entry into the hole, so that ten thousand subscribers can leave in linear time.
func (c *crowd[K, V]) removeAt(i int) {
	last := len(c.keys) - 1
	if c.pos != nil {
		delete(c.pos, c.keys[i])
		if i != last {
			c.pos[c.keys[last]] = i
		}
	}
	c.keys[i], c.vals[i] = c.keys[last], c.vals[last]
	c.keys = slices.Delete(c.keys, last, last+1)
	c.vals = slices.Delete(c.vals, last, last+1)
	if len(c.keys) < cap(c.keys)/4 {
		c.shrink()
	}
}

// shrink gives memory back. Maps do not do so by themselves, hence the new one.
func (c *crowd[K, V]) shrink() {
	c.keys = append(make([]K, 0, 2*len(c.keys)), c.keys...)
	c.vals = append(make([]V, 0, 2*len(c.vals)), c.vals...)
	c.reindex()
}

func (c *crowd[K, V]) reindex() {
	c.pos = nil
	if len(c.keys) <= crowdIndexed {
		return
	}
	c.pos = make(map[K]int, len(c.keys))
	for i, k := range c.keys {
		c.pos[k] = i
	}
}
