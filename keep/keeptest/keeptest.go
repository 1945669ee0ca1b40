// Package keeptest stands in for a replicated map in tests: several nodes have
// one map, each may be behind the others, and any change can be made to fail.
// It is not for anything else.
package keeptest

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
)

// Map is a map that several nodes have, and what one node sees of it.
type Map struct {
	all *keep.Memory

	mu     sync.Mutex
	fail   error
	held   bool
	behind []func()
	writes int
}

// New makes an empty map, and the node that has it.
func New() *Map { return &Map{all: new(keep.Memory)} }

// Of makes a map with records.
func Of(records map[string]string) *Map {
	m := New()
	for key, value := range records {
		if err := m.all.Put(key, []byte(value)); err != nil {
			panic(err)
		}
	}
	return m
}

// Node is another node with the same map.
func (m *Map) Node() *Map { return &Map{all: m.all} }

// Fail has every later change, and watch, by this node fail; nil ends that.
func (m *Map) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Hold has this node be told of nothing until Release. Its own changes don't
// wait to be told of then.
func (m *Map) Hold() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = true
}

// Release tells this node of all that it has missed, in order.
func (m *Map) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = false
	for _, f := range m.behind {
		f()
	}
	m.behind = nil
}

// Writes is how many calls of this node have changed something.
func (m *Map) Writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// Records are all that are kept.
func (m *Map) Records() map[string]string {
	all := make(map[string]string)
	for key, value := range m.each() {
		all[key] = string(value)
	}
	return all
}

// Keys are those of the records, sorted.
func (m *Map) Keys() []string { return slices.Sorted(maps.Keys(m.Records())) }

func (m *Map) each() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		_ = m.all.Each(func(key string, value []byte) error { yield(key, value); return nil }) // yield never says no here
	}
}

func (m *Map) change() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.writes++
	}
	return m.fail
}

// Put implements keep.Map.
func (m *Map) Put(key string, value []byte) error {
	if err := m.change(); err != nil {
		return err
	}
	return m.all.Put(key, value)
}

// PutAll implements keep.Map.
func (m *Map) PutAll(records iter.Seq2[string, []byte]) error {
	if err := m.change(); err != nil {
		return err
	}
	return m.all.PutAll(records)
}

// Delete implements keep.Map.
func (m *Map) Delete(key string) error {
	if err := m.change(); err != nil {
		return err
	}
	return m.all.Delete(key)
}

// DeleteIf implements keep.Conditional.
func (m *Map) DeleteIf(key string, is func(value []byte) bool) error {
	if err := m.change(); err != nil {
		return err
	}
	return m.all.DeleteIf(key, is)
}

// Each is Memory's; it fails when changes do.
func (m *Map) Each(f func(key string, value []byte) error) error {
	m.mu.Lock()
	err := m.fail
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.all.Each(f)
}

// Watch implements keep.Map.
func (m *Map) Watch(f func(keep.Change)) (stop func(), err error) {
	m.mu.Lock()
	err = m.fail
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return m.all.Watch(func(c keep.Change) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.held {
			m.behind = append(m.behind, func() { f(c) })
			return
		}
		f(c)
	})
}

// PutLater implements keep.Later.
func (m *Map) PutLater(key string, value []byte, done func(error)) {
	if err := m.change(); err != nil {
		later(done, err)
		return
	}
	m.all.PutLater(key, value, done)
}

// PutLaterFor is PutLater; nothing goes by itself here.
func (m *Map) PutLaterFor(key string, value []byte, _ time.Duration, done func(error)) {
	m.PutLater(key, value, done)
}

// DeleteLater implements keep.Later.
func (m *Map) DeleteLater(key string, done func(error)) {
	if err := m.change(); err != nil {
		later(done, err)
		return
	}
	m.all.DeleteLater(key, done)
}

func later(done func(error), err error) {
	if done != nil {
		go done(err)
	}
}
