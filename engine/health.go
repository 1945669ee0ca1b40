package engine

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// health is what is wrong, each with a name by which it is taken back.
type health struct {
	mu     sync.Mutex
	wrong  map[string]error
	listen []func(error)
	told   string // what the listeners know
	queue  []func()
	busy   bool // somebody calls the listeners
}

// set notes what is wrong under a name; nil: nothing is. It calls who listens
// when that changes what Health says, and returns whether it does.
func (h *health) set(name string, err error) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrong == nil {
		h.wrong = make(map[string]error)
	}
	if err == nil {
		delete(h.wrong, name)
	} else {
		h.wrong[name] = err
	}
	now := h.sum()
	if text := textOf(now); text != h.told {
		h.told, changed = text, true
		listen := slices.Clone(h.listen)
		h.queue = append(h.queue, func() {
			for _, f := range listen {
				f(now)
			}
		})
	}
	h.tell()
	return changed
}

// drop takes back what begins with a name.
func (h *health) drop(prefix string) {
	h.mu.Lock()
	names := slices.Collect(maps.Keys(h.wrong))
	h.mu.Unlock()
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			h.set(name, nil)
		}
	}
}

// tell calls the listeners, one change after the other; mu is held.
func (h *health) tell() {
	if h.busy {
		return
	}
	h.busy = true
	for len(h.queue) > 0 {
		next := h.queue[0]
		h.queue = h.queue[1:]
		h.mu.Unlock()
		next()
		h.mu.Lock()
	}
	h.busy = false
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sum is all that is wrong, in one error; mu is held.
func (h *health) sum() error {
	switch len(h.wrong) {
	case 0:
		return nil
	case 1:
		for _, err := range h.wrong {
			return err
		}
	}
	all := illness{}
	for _, err := range h.wrong {
		all = append(all, err)
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return all
}

// illness is more than one thing that is wrong.
type illness []error

func (i illness) Error() string {
	words := make([]string, len(i))
	for n, err := range i {
		words[n] = err.Error()
	}
	return strings.Join(words, "; ")
}

func (i illness) Unwrap() []error { return i }

// Health is nil, or one sentence that says what is wrong: the disk is full,
// files were damaged, too few nodes can be reached.
func (e *Engine) Health() error {
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return ErrClosed
	}
	e.health.mu.Lock()
	defer e.health.mu.Unlock()
	return e.health.sum()
}

// Ailments are what Health says, one by one.
func (e *Engine) Ailments() []error {
	e.health.mu.Lock()
	defer e.health.mu.Unlock()
	return slices.SortedFunc(maps.Values(e.health.wrong), func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
}

// OnHealth has f called with what Health says whenever that changes, on a
// goroutine of the engine that f must not block, in the order of the changes. It
// is called first if something is wrong already.
func (e *Engine) OnHealth(f func(error)) {
	h := &e.health
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listen = append(h.listen, f)
	if now := h.sum(); now != nil {
		h.queue = append(h.queue, func() { f(now) })
		h.tell()
	}
}

// Acknowledge takes back that files were found damaged.
func (e *Engine) Acknowledge() { e.health.drop(damageName) }
