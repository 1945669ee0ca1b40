package engine

import (
	"math"
	"sync"
)

// told holds the ends of changes of a map back until all who watch it in this
// process know of them: who has put something finds it in what follows the map.
type told struct {
	mu      sync.Mutex
	watches map[*watch]uint64 // the number of the last record that each was told of
	waiting []end
	running bool // somebody calls the ends that are due, one after the other
}

// watch is one call of Watch; its address is all that counts.
type watch struct{ _ byte }

type end struct {
	seq  uint64 // 0: it has failed
	err  error
	done func(error)
}

// toldOf returns what the maps of one name share.
func (s *stream) toldOf(prefix string) *told {
	s.toldMu.Lock()
	defer s.toldMu.Unlock()
	if s.told == nil {
		s.told = make(map[string]*told)
	}
	if s.told[prefix] == nil {
		s.told[prefix] = &told{watches: make(map[*watch]uint64)}
	}
	return s.told[prefix]
}

// begin adds a watch that has been told of everything up to a record.
func (t *told) begin(upTo uint64) *watch {
	w := new(watch)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watches[w] = upTo
	return w
}

// of notes that a watch has been told of everything up to a record.
func (t *told) of(w *watch, upTo uint64) {
	t.mu.Lock()
	if _, there := t.watches[w]; there {
		t.watches[w] = upTo
	}
	t.mu.Unlock()
	t.run()
}

// renew is for other records: what waits for the ones before needs to wait no
// longer.
func (t *told) renew(w *watch, upTo uint64) {
	t.mu.Lock()
	for i := range t.waiting {
		if t.waiting[i].seq > upTo {
			t.waiting[i].seq = 0
		}
	}
	t.mu.Unlock()
	t.of(w, upTo)
}

// over removes a watch.
func (t *told) over(w *watch) {
	t.mu.Lock()
	delete(t.watches, w)
	t.mu.Unlock()
	t.run()
}

// ended calls done when all watches know of the record, and after the ends that
// came before.
func (t *told) ended(seq uint64, err error, done func(error)) {
	t.mu.Lock()
	t.waiting = append(t.waiting, end{seq, err, done})
	t.mu.Unlock()
	t.run()
}

// run calls the ends that are due.
func (t *told) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running || len(t.waiting) == 0 {
		return
	}
	t.running = true
	for len(t.waiting) > 0 && t.waiting[0].seq <= t.least() {
		e := t.waiting[0]
		t.waiting[0] = end{}
		t.waiting = t.waiting[1:]
		t.mu.Unlock()
		e.done(e.err)
		t.mu.Lock()
	}
	t.running = false
}

// least is the last record that all watches know of; mu is held.
func (t *told) least() uint64 {
	least := uint64(math.MaxUint64)
	for _, upTo := range t.watches {
		least = min(least, upTo)
	}
	return least
}
