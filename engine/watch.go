package engine

import (
	"maps"
	"sync"
)

// Watch calls f for all records, then with Current, then for every change in
// order, those made through this engine too, on a goroutine of its own, until
// stop. The records that are there come before Watch returns; it fails when they
// can't be read. What can't be read later is tried again until it can.
func (m *Map) Watch(f func(Change)) (stop func(), err error) {
	began, patient := m.s.last.Load(), patience()
	wait := func(err error) bool { return err == nil && patient(err) }
	next, _, err := m.each(1, wait, func(r record) error {
		c, err := m.parse(r)
		if err == nil && (!c.Deleted || r.seq > began) { // a key that was told may have gone meanwhile
			f(c)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f(Change{Current: true})
	w := m.told.begin(next - 1)
	var before before
	fl := &follower{
		next: next,
		each: func(r record) {
			m.tell(r, f)
			m.told.of(w, r.seq)
		},
		over:     func() { m.told.over(w) },
		remember: func() error { return before.note(m) },
	}
	fl.renewed = func() uint64 {
		next := m.compare(&before, fl.wait, f)
		m.told.renew(w, next-1)
		return next
	}
	return m.s.feed.begin(fl), nil
}

// before are the keys that a watch was told of before the records become
// others.
type before struct {
	mu    sync.Mutex
	keys  map[string]bool
	noted int // how often
}

// note adds all keys that the map has now.
func (b *before) note(m *Map) error {
	keys := make(map[string]bool)
	err := m.Each(func(key string, _ []byte) error { keys[key] = true; return nil })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noted++
	b.add(keys)
	return err
}

func (b *before) add(keys map[string]bool) {
	if b.keys == nil {
		b.keys = make(map[string]bool, len(keys))
	}
	maps.Copy(b.keys, keys)
}

// compare tells a watch of all records that there are now, and that those are
// gone that it was told of before and that are no more. When wait ends it, that
// is left for the next time.
func (m *Map) compare(b *before, wait func(error) bool, f func(Change)) (next uint64) {
	b.mu.Lock()
	known, noted := maps.Clone(b.keys), b.noted
	b.mu.Unlock()
	now := make(map[string]bool)
	next, all, err := m.each(1, wait, func(r record) error {
		c, err := m.parse(r)
		if err != nil {
			m.s.e.log.Error(err.Error())
			return nil
		}
		if now[c.Key] = !c.Deleted; !c.Deleted {
			f(c)
		}
		return nil
	})
	complete := all && err == nil
	b.mu.Lock()
	if !complete {
		b.add(now)
	} else if b.noted == noted {
		b.keys = nil
	}
	b.mu.Unlock()
	if !complete {
		return next
	}
	for key := range known {
		if !now[key] {
			f(Change{Key: key, Deleted: true})
		}
	}
	return next
}

// tell tells a watch of a record, if it is one of this map.
func (m *Map) tell(r record, f func(Change)) {
	if !m.has(r.subject) {
		return
	}
	if c, err := m.parse(r); err != nil {
		m.s.e.log.Error(err.Error())
	} else {
		f(c)
	}
}
