package keep

import (
	"bytes"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
)

// Memory is a Map that ends with the process. The zero one is empty.
type Memory struct {
	turn    sync.Mutex // around a change and what is told of it
	records map[string][]byte
	watches map[*func(Change)]struct{}

	mu      sync.Mutex
	later   []func()
	working bool
}

var errNoKey = errors.New("a key must not be empty")

// Put implements Map.
func (m *Memory) Put(key string, value []byte) error {
	return m.PutAll(func(yield func(string, []byte) bool) { yield(key, value) })
}

// PutAll implements Map.
func (m *Memory) PutAll(records iter.Seq2[string, []byte]) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	for key, value := range records {
		if key == "" {
			return errNoKey
		}
		if m.records == nil {
			m.records = make(map[string][]byte)
		}
		value = bytes.Clone(value)
		m.records[key] = value
		m.tell(Change{Key: key, Value: value})
	}
	return nil
}

// Delete implements Map.
func (m *Memory) Delete(key string) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	if _, there := m.records[key]; there {
		delete(m.records, key)
		m.tell(Change{Key: key, Deleted: true})
	}
	return nil
}

// DeleteIf implements Conditional.
func (m *Memory) DeleteIf(key string, is func(value []byte) bool) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	if value, there := m.records[key]; there && is(value) {
		delete(m.records, key)
		m.tell(Change{Key: key, Deleted: true})
	}
	return nil
}

// Each calls f for every record, in the byte order of the keys, until f returns
// an error, which is then Each's.
func (m *Memory) Each(f func(key string, value []byte) error) error {
	m.turn.Lock()
	all := maps.Clone(m.records)
	m.turn.Unlock()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if err := f(key, all[key]); err != nil {
			return err
		}
	}
	return nil
}

// Watch implements Map.
func (m *Memory) Watch(f func(Change)) (stop func(), err error) {
	m.turn.Lock()
	defer m.turn.Unlock()
	for key, value := range m.records {
		f(Change{Key: key, Value: value})
	}
	f(Change{Current: true})
	if m.watches == nil {
		m.watches = make(map[*func(Change)]struct{})
	}
	m.watches[&f] = struct{}{}
	return func() {
		m.turn.Lock()
		defer m.turn.Unlock()
		delete(m.watches, &f)
	}, nil
}

// tell tells all watches of a change; turn is held.
func (m *Memory) tell(c Change) {
	for f := range m.watches {
		(*f)(c)
	}
}

// PutLater implements Later.
func (m *Memory) PutLater(key string, value []byte, done func(error)) {
	m.do(func() error { return m.Put(key, value) }, done)
}

// DeleteLater implements Later.
func (m *Memory) DeleteLater(key string, done func(error)) {
	m.do(func() error { return m.Delete(key) }, done)
}

// do has f done by a goroutine that lives while there is something to do.
func (m *Memory) do(f func() error, done func(error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.later = append(m.later, func() {
		if err := f(); done != nil {
			done(err)
		}
	})
	if !m.working {
		m.working = true
		go m.work()
	}
}

func (m *Memory) work() {
	for {
		m.mu.Lock()
		all := m.later
		m.later = nil
		m.working = len(all) > 0
		m.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for _, f := range all {
			f()
		}
	}
}
