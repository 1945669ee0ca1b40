package hook

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// Verdict tells a chain how to go on after a function.
type Verdict bool

// What a function may return.
const (
	Continue Verdict = false // let the next function see the event
	Stop     Verdict = true  // the event is settled
)

// Chain is the ordered list of the functions at one point: higher priority
// first, equal priorities in the order they were added. The zero Chain is
// empty and ready for use, by any number of goroutines.
//
// Functions run in the goroutine of the event's cause, a connection's loop
// more often than not, and must not block. The event belongs to the caller
// and is only valid during the call.
type Chain[E any] struct {
	mu    sync.Mutex // serialises writers
	funcs atomic.Pointer[[]entry[E]]
}

type entry[E any] struct {
	name     string
	priority int
	fn       func(*E) Verdict
}

// Add puts fn into the chain. The name identifies it in logs and for Remove;
// a name that is in the chain already is an error.
func (c *Chain[E]) Add(name string, priority int, fn func(*E) Verdict) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.list()
	for _, e := range old {
		if e.name == name {
			return fmt.Errorf("hook: %q is on this point already", name)
		}
	}
	list := append(slices.Clone(old), entry[E]{name, priority, fn})
	slices.SortStableFunc(list, func(a, b entry[E]) int { return b.priority - a.priority })
	c.funcs.Store(&list)
	return nil
}

// Remove takes the function of that name out; events under way may still
// reach it.
func (c *Chain[E]) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(c.list()), func(e entry[E]) bool { return e.name == name })
	c.funcs.Store(&list)
}

// Empty reports whether nothing hangs on the point. Callers on the hot path
// ask first and spare themselves the event.
func (c *Chain[E]) Empty() bool { return len(c.list()) == 0 }

// Run passes the event along the chain until a function stops it. A function
// that panics is logged and counts as one that changed nothing and continued.
func (c *Chain[E]) Run(e *E) {
	for _, f := range c.list() {
		if f.call(e) == Stop {
			return
		}
	}
}

func (c *Chain[E]) list() []entry[E] {
	if p := c.funcs.Load(); p != nil {
		return *p
	}
	return nil
}

func (f *entry[E]) call(e *E) (v Verdict) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("a hook function panicked; the event goes on without it",
				"hook", f.name, "event", fmt.Sprintf("%T", *e), "panic", r, "stack", string(debug.Stack()))
			v = Continue
		}
	}()
	return f.fn(e)
}
