package broker

import "sync"

const (
	wheelTick  = 100  // milliseconds; how late a timer may be
	wheelSlots = 1024 // the wheel turns once in 102 s; later timers stay on for another turn
)

// Timer is called when the time that it was scheduled for has come. It is
// called on the wheel's goroutine and must not block.
type Timer interface {
	Fire(b *Batch, at int64)
}

// wheel holds every timer of the broker: one goroutine for all instead of a
// runtime timer for each connection and session. A timer can't be cancelled;
// its owner remembers the time it asked for last and ignores any other.
type wheel struct {
	mu    sync.Mutex
	tick  int64 // the last tick that was handled
	slots [wheelSlots][]wheelEntry
	due   []wheelEntry // scratch of advance
}

type wheelEntry struct {
	timer Timer
	at    int64
}

func (w *wheel) schedule(t Timer, at int64) {
	w.mu.Lock()
	tick := max((at+wheelTick-1)/wheelTick, w.tick+1)
	slot := &w.slots[tick%wheelSlots]
	*slot = append(*slot, wheelEntry{t, at})
	w.mu.Unlock()
}

// advance fires what is due at now.
func (w *wheel) advance(now int64, b *Batch) {
	w.mu.Lock()
	target := now / wheelTick
	if w.tick == 0 || target-w.tick > wheelSlots {
		w.tick = target - wheelSlots // a long sleep: look at every slot once
	}
	due := w.due[:0]
	for w.tick < target {
		w.tick++
		due = w.collect(&w.slots[w.tick%wheelSlots], now, due)
	}
	w.mu.Unlock()
	for i, e := range due {
		e.timer.Fire(b, e.at)
		due[i].timer = nil
	}
	w.due = due[:0]
}

// collect moves the due entries of one slot to due and keeps the others.
func (w *wheel) collect(slot *[]wheelEntry, now int64, due []wheelEntry) []wheelEntry {
	kept := (*slot)[:0]
	for _, e := range *slot {
		if e.at <= now {
			due = append(due, e)
		} else {
			kept = append(kept, e)
		}
	}
	clear((*slot)[len(kept):])
	if len(kept) == 0 && cap(kept) > 64 {
		kept = nil
	}
	*slot = kept
	return due
}
