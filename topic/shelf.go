package topic

// shelf is a table of sets, of one filter each. Those with one entry and those with more stand apart, so that an entry
// takes one pointer. A set is found by all of its filter, or by one level of it. A nil shelf is empty.
type shelf[K comparable, V Entry[K]] struct {
	ones   Table[V]
	crowds Table[*crowd[K, V]]
}

// newShelf returns an empty shelf; key is the part of a filter that its set is found by.
func newShelf[K comparable, V Entry[K]](key func(filter string) string) *shelf[K, V] {
	return &shelf[K, V]{
		ones:   Table[V]{key: func(v V) string { return key(v.Bare()) }},
		crowds: Table[*crowd[K, V]]{key: func(c *crowd[K, V]) string { return key(c.vals[0].Bare()) }},
	}
}

func (s *shelf[K, V]) len() int {
	if s == nil {
		return 0
	}
	return s.ones.n + s.crowds.n
}

// get returns the wanted set, which is the one for whose entries is answers true, or the empty set.
func (s *shelf[K, V]) get(w *wanted, is func(V) bool) (found set[K, V]) {
	if s == nil {
		return found
	}
	if v, ok := s.ones.get(w, is); ok {
		found.one = v
	} else if s.crowds.n > 0 {
		found.crowd, _ = s.crowds.get(w, func(c *crowd[K, V]) bool { return is(c.vals[0]) })
	}
	return found
}

// set stores what has become of the set old with this key; either may be empty.
func (s *shelf[K, V]) set(key string, old, now set[K, V]) {
	if old.crowd != nil && now.crowd == nil {
		s.crowds.Delete(key)
	}
	if old.size() == 1 && now.size() != 1 {
		s.ones.Delete(key)
	}
	switch now.size() {
	case 0:
	case 1:
		s.ones.Put(now.one)
	default:
		s.crowds.Put(now.crowd)
	}
}

// pageEnd and between walk through both tables side by side, see Table.
func (s *shelf[K, V]) pageEnd(from uint64) uint64 {
	if s == nil {
		return tableEnd
	}
	return min(s.ones.pageEnd(from), s.crowds.pageEnd(from))
}

func (s *shelf[K, V]) between(from, end uint64) (sets []set[K, V]) {
	if s == nil {
		return nil
	}
	for _, v := range s.ones.between(from, end, nil) {
		sets = append(sets, set[K, V]{one: v})
	}
	for _, c := range s.crowds.between(from, end, nil) {
		sets = append(sets, set[K, V]{crowd: c})
	}
	return sets
}
