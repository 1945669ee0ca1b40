package topic

import "slices"

// Entry is what an Index is made of: one subscription of one subscriber, usually a pointer. What its methods return must
// not change while it is in an index.
type Entry[K comparable] interface {
	comparable
	Bare() string // the filter, bare and valid (see Parse)
	Key() K       // who subscribed
}

// set holds the entries of one filter. Nearly all filters have one subscriber, so one entry needs no memory of its own;
// from the second on, all of them are in a crowd. A set is a value, to be stored again after a change; the zero set is
// empty.
type set[K comparable, V Entry[K]] struct {
	one   V
	crowd *crowd[K, V]
}

func (s set[K, V]) empty() bool { return s == set[K, V]{} }

// filter is the filter that the entries of a set have in common. The set is not empty.
func (s set[K, V]) filter() string { return s.first().Bare() }

func (s set[K, V]) first() V {
	if s.crowd != nil {
		return s.crowd.vals[0]
	}
	return s.one
}

// with returns the set with v in it, in the place of the entry with the same key if there is one.
func (s set[K, V]) with(v V) (with set[K, V], added bool) {
	switch {
	case s.crowd != nil:
		return s, s.crowd.put(v)
	case s.empty(), s.one.Key() == v.Key():
		return set[K, V]{one: v}, s.empty()
	}
	return set[K, V]{crowd: &crowd[K, V]{vals: []V{s.one, v}}}, true
}

// without returns the set without the entry of k, which is v if ok.
func (s set[K, V]) without(k K) (without set[K, V], v V, ok bool) {
	switch {
	case s.crowd != nil:
		v, ok = s.crowd.remove(k)
		if len(s.crowd.vals) == 1 {
			return set[K, V]{one: s.crowd.vals[0]}, v, ok
		}
		return s, v, ok
	case s.empty() || s.one.Key() != k:
		return s, v, false
	}
	return set[K, V]{}, s.one, true
}

// get returns the entry of k.
func (s set[K, V]) get(k K) (v V, ok bool) {
	switch {
	case s.crowd != nil:
		if i := s.crowd.find(k); i >= 0 {
			return s.crowd.vals[i], true
		}
	case !s.empty() && s.one.Key() == k:
		return s.one, true
	}
	return v, false
}

func (s set[K, V]) size() int {
	switch {
	case s.crowd != nil:
		return len(s.crowd.vals)
	case s.empty():
		return 0
	}
	return 1
}

// appendTo appends the entries of a set that is not empty.
func (s set[K, V]) appendTo(dst []V) []V {
	if s.crowd != nil {
		return append(dst, s.crowd.vals...)
	}
	return append(dst, s.one)
}

// crowdIndexed is the size from which a crowd looks keys up in a map. Comparing 16 keys costs about as much as one look-up.
const crowdIndexed = 16

// crowd is two or more entries, in no order; a match is one copy of memory.
type crowd[K comparable, V Entry[K]] struct {
	vals []V
	pos  map[K]int // where the entry of each key is; nil while the crowd is small
}

func (c *crowd[K, V]) find(k K) int {
	if c.pos == nil {
		return slices.IndexFunc(c.vals, func(v V) bool { return v.Key() == k })
	}
	if i, ok := c.pos[k]; ok {
		return i
	}
	return -1
}

func (c *crowd[K, V]) put(v V) (added bool) {
	k := v.Key()
	if i := c.find(k); i >= 0 {
		c.vals[i] = v
		return false
	}
	c.vals = append(c.vals, v)
	switch {
	case c.pos != nil:
		c.pos[k] = len(c.vals) - 1
	case len(c.vals) > crowdIndexed:
		c.reindex()
	}
	return true
}

// remove moves the last entry into the hole, so that ten thousand subscribers can leave in linear time.
func (c *crowd[K, V]) remove(k K) (v V, ok bool) {
	i := c.find(k)
	if i < 0 {
		return v, false
	}
	v = c.vals[i]
	last := len(c.vals) - 1
	if c.pos != nil {
		delete(c.pos, k)
		if i != last {
			c.pos[c.vals[last].Key()] = i
		}
	}
	c.vals[i] = c.vals[last]
	c.vals = slices.Delete(c.vals, last, last+1)
	if len(c.vals) < cap(c.vals)/4 {
		c.shrink()
	}
	return v, true
}

// shrink gives memory back. Maps do not do so by themselves, hence the new one.
func (c *crowd[K, V]) shrink() {
	c.vals = append(make([]V, 0, 2*len(c.vals)), c.vals...)
	c.reindex()
}

func (c *crowd[K, V]) reindex() {
	c.pos = nil
	if len(c.vals) <= crowdIndexed {
		return
	}
	c.pos = make(map[K]int, len(c.vals))
	for i, v := range c.vals {
		c.pos[v.Key()] = i
	}
}
