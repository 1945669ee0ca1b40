package retain

import "math"

// How Sweep goes about: a pass over a million messages takes two minutes and a
// thousandth of one processor.
const (
	sweepSlices = 4      // of work in one call
	sweepStep   = 100    // milliseconds between the calls of a pass
	sweepRest   = 1000   // milliseconds between two passes at least
	sweepLatest = 60_000 // milliseconds; later news of an expiry don't matter
)

// sweeper remembers when a message can expire next, and how far the pass has
// come that looks for expired ones.
type sweeper struct {
	soonest int64 // no message expires before this; math.MaxInt64: none does
	pass    *walk // nil: none under way
	least   int64 // the earliest expiry among what the pass leaves behind it
	expired []record
}

// note takes a new message's expiry into account.
func (w *sweeper) note(expires int64) {
	if expires != 0 {
		w.soonest = min(w.soonest, expires)
		w.least = min(w.least, expires)
	}
}

// Sweep removes some of what has expired: it looks at no more than a thousand
// messages, and at none while nothing can have expired. It is to be called
// again at the time it returns, in a tenth of a second to a minute. Until
// then an expired message takes up memory and counts, but is never found.
func (s *Store) Sweep(now int64) (next int64) {
	for range sweepSlices {
		next = s.sweepSlice(now)
		if next != now+sweepStep {
			break
		}
	}
	return next
}

// Expire removes all that has expired.
func (s *Store) Expire(now int64) {
	s.mu.Lock()
	s.sweeper.pass = nil // a pass under way may have left things behind it
	s.mu.Unlock()
	for s.sweepSlice(now) == now+sweepStep {
	}
}

func (s *Store) sweepSlice(now int64) (next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.sweeper
	if w.pass == nil {
		if w.soonest > now {
			return min(max(w.soonest, now+sweepRest), now+sweepLatest)
		}
		all := newWalk(everything)
		w.pass, w.least = &all, math.MaxInt64
	}
	w.pass.some(&s.tree, slice, func(r record) bool {
		switch at := r.expires(); {
		case at == 0:
		case at <= now:
			w.expired = append(w.expired, r)
		default:
			w.least = min(w.least, at)
		}
		return true
	})
	for i, r := range w.expired {
		s.tree.remove([]byte(r.topic()))
		w.expired[i] = ""
	}
	if len(w.expired) > 0 {
		s.changes.Add(1)
	}
	w.expired = w.expired[:0]
	if !w.pass.over {
		return now + sweepStep
	}
	w.pass, w.soonest = nil, w.least
	return min(max(w.soonest, now+sweepRest), now+sweepLatest)
}
