package auth

import (
	"sync"
	"time"
)

// tally counts events of many keys against thresholds. What it forgets for
// want of room errs on the side of the client.
type tally[K comparable] struct {
	mu    sync.Mutex
	spans recent[K, span]
}

// span is a window with its events.
type span struct {
	from time.Duration
	n    int
}

func newTally[K comparable](limit int) *tally[K] {
	return &tally[K]{spans: recent[K, span]{limit: limit}}
}

// count notes an event and reports whether the key has reached t with it; if
// so, the count begins anew. The window starts with the first event; one after
// its end starts the next.
func (t *tally[K]) count(now time.Duration, key K, at Threshold) (reached bool) {
	if at.Count == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans.keep = max(t.spans.keep, at.Window) // zones may differ
	s, ok := t.spans.get(now, key)
	if !ok || s.n == 0 || now-s.from >= at.Window {
		s = span{from: now}
	}
	s.n++
	if reached = s.n >= at.Count; reached {
		s.n = 0
	}
	t.spans.put(now, key, s)
	return reached
}

func (t *tally[K]) sweep(now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans.turn(now)
}
