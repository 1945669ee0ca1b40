package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// fault lets a stream fail to be read.
type fault struct {
	on      atomic.Bool
	refused atomic.Int64
}

// newFault is for a stream that nobody follows yet.
func newFault(s *stream) *fault {
	f := new(fault)
	s.read = func(q question) (answer, error) {
		if f.on.Load() {
			f.refused.Add(1)
			return answer{}, errors.New("no luck")
		}
		return s.ask(q)
	}
	return f
}

// passes waits until something has failed for it, and ends it.
func (f *fault) passes(t *testing.T) {
	t.Helper()
	was := f.refused.Load()
	eventually(t, "a failed read", func() bool { return f.refused.Load() > was })
	f.on.Store(false)
}

// words are what a watch was told, in order.
type words struct {
	mu   sync.Mutex
	all  []string
	gate sync.Mutex // who is told waits for it
	came atomic.Int64
}

// hold has the watch be busy with a change of its map until the gate is opened.
func (w *words) hold(t *testing.T, m *Map) {
	t.Helper()
	was := w.came.Load()
	w.gate.Lock()
	m.PutLater("held", nil, nil)
	eventually(t, "the watch is busy", func() bool { return w.came.Load() > was })
}

func (w *words) note(c Change) {
	w.came.Add(1)
	w.gate.Lock()
	defer w.gate.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case c.Current:
		w.all = append(w.all, "current")
	case c.Deleted:
		w.all = append(w.all, "-"+c.Key)
	default:
		w.all = append(w.all, c.Key+"="+string(c.Value))
	}
}

// come waits until exactly these were said, and begins anew.
func (w *words) come(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprint(want), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.all) >= len(want)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.all, want) {
		t.Fatalf("%q, expected %q", w.all, want)
	}
	w.all = nil
}

// kept waits until all changes on their way are.
func (m *Map) kept(t *testing.T) {
	t.Helper()
	eventually(t, "all is kept", func() bool {
		m.s.writer.mu.Lock()
		defer m.s.writer.mu.Unlock()
		return len(m.s.writer.queue) == 0
	})
}

// TestWatchGoesOn: what can't be read is tried again; nothing is left out or
// told twice.
func TestWatchGoesOn(t *testing.T) {
	m := openMap(t, started(t), "m")
	fault := newFault(m.s)
	put(t, m, "a", "1")
	fault.on.Store(true)
	if _, err := m.Watch(func(Change) {}); err == nil {
		t.Error("a watch began that can't read")
	}
	fault.on.Store(false)
	var told words
	stop, err := m.Watch(told.note)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	told.come(t, "a=1", "current")
	told.hold(t, m)
	for _, key := range []string{"b", "c", "d"} {
		m.PutLater(key, []byte("2"), nil)
	}
	m.kept(t)
	m.s.feed.renew(false) // so that it has to read
	fault.on.Store(true)
	told.gate.Unlock()
	fault.passes(t)
	put(t, m, "e", "3")
	told.come(t, "held=", "b=2", "c=2", "d=2", "e=3")
}

// TestWatchOfOthers: when the records have become others, a watch is told of
// the difference, whatever fails meanwhile, and not that all is gone when the
// engine is closed before it knows.
func TestWatchOfOthers(t *testing.T) {
	e := started(t)
	m := openMap(t, e, "m")
	fault := newFault(m.s)
	put(t, m, "stays", "1")
	put(t, m, "goes", "1")
	var told words
	if _, err := m.Watch(told.note); err != nil {
		t.Fatal(err)
	}
	told.come(t, "stays=1", "goes=1", "current")
	renew := func(change func()) {
		t.Helper()
		told.hold(t, m)
		if err := m.s.remember(); err != nil {
			t.Fatal(err)
		}
		change()
		m.kept(t)
		fault.on.Store(true)
		m.s.feed.renew(true)
		told.gate.Unlock()
	}
	renew(func() { m.DeleteLater("goes", nil); m.PutLater("comes", nil, nil) })
	fault.passes(t)
	told.come(t, "held=", "stays=1", "held=", "comes=", "-goes")
	renew(func() {})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	told.come(t, "held=")
}
