package broker

import "sync"

const (
	wheelTick  = 100  // milliseconds; how late a timer may be
	wheelSlots = 1024 // the wheel turns once in 102 s; later timers stay on for another turn
	wheelFlush = 64   // timers fired before their output is flushed
	wheelKeep  = 16   // entries of memory that an empty slot keeps
)

// Timer is called when the time that it was scheduled for has come, on the
// goroutine of the wheel, and must not block. It must be a pointer. A timer
// that is moved or stopped may still be fired for the old time, which is why
// it is told at.
type Timer interface {
	Fire(b *Batch, at int64)
}

// wheel holds every timer of the broker: one goroutine for all instead of a
// runtime timer for each connection and session. The zero wheel is empty.
type wheel struct {
	mu    sync.Mutex
	tick  int64 // the last tick that was handled; 0: none yet
	slots [wheelSlots][]wheelEntry
	due   []wheelEntry // scratch of advance

	until  int64         // the tick that the wheel's goroutine sleeps until; 0: it is awake
	sooner chan struct{} // wakes it for an earlier one; nil: nobody sleeps
}

type wheelEntry struct {
	timer Timer
	at    int64
}

// set schedules t for at, Unix milliseconds. old is the time that it was
// scheduled for and hasn't been fired at; 0: none. With at 0 it is only taken
// out, so that the wheel doesn't hold on to what is gone.
func (w *wheel) set(t Timer, old, at int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old != 0 {
		w.remove(wheelEntry{t, old})
	}
	if at != 0 {
		tick := max(tickOf(at), w.tick+1)
		slot := &w.slots[tick%wheelSlots]
		*slot = append(*slot, wheelEntry{t, at})
		if tick < w.until {
			w.until = 0
			w.sooner <- struct{}{}
		}
	}
}

// rest returns how long there is nothing to do, milliseconds, and expects the
// caller to sleep that long or until something comes from sooner.
func (w *wheel) rest(now int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.sooner: // meant for the last sleep
	default:
	}
	w.until = w.tick + 1
	for w.until < w.tick+wheelSlots && len(w.slots[w.until%wheelSlots]) == 0 {
		w.until++
	}
	return max(w.until*wheelTick-now, 0)
}

// tickOf is the first tick at which a timer is due.
func tickOf(at int64) int64 { return (at + wheelTick - 1) / wheelTick }

// remove takes e out of its slot, most likely one of those that came last. It
// isn't there if it was late when it was set; then it fires with the next tick
// anyway.
func (w *wheel) remove(e wheelEntry) {
	slot := &w.slots[tickOf(e.at)%wheelSlots]
	last := len(*slot) - 1
	for i := last; i >= 0; i-- {
		if (*slot)[i] == e {
			(*slot)[i] = (*slot)[last]
			*slot = shrunk(*slot, last)
			return
		}
	}
}

// advance fires what is due at now.
func (w *wheel) advance(now int64, b *Batch) {
	due := w.take(now)
	for i, e := range due {
		due[i].timer = nil
		e.timer.Fire(b, e.at)
		if i%wheelFlush == wheelFlush-1 {
			b.End()
		}
	}
	w.due = shrunk(due, 0)
}

// take moves the wheel on to now and takes out what is due.
func (w *wheel) take(now int64) []wheelEntry {
	w.mu.Lock()
	defer w.mu.Unlock()
	target := now / wheelTick
	if target-w.tick > wheelSlots {
		w.tick = target - wheelSlots // the start, or a long sleep: look at every slot once
	}
	due := w.due
	for w.tick < target {
		w.tick++
		due = collect(&w.slots[w.tick%wheelSlots], now, due)
	}
	return due
}

// collect moves the due entries of one slot to due and keeps the others.
func collect(slot *[]wheelEntry, now int64, due []wheelEntry) []wheelEntry {
	kept := 0
	for _, e := range *slot {
		if e.at <= now {
			due = append(due, e)
		} else {
			(*slot)[kept] = e
			kept++
		}
	}
	*slot = shrunk(*slot, kept)
	return due
}

// shrunk is s cut to n entries, in less memory if it has far too much.
func shrunk(s []wheelEntry, n int) []wheelEntry {
	clear(s[n:])
	s = s[:n]
	if cap(s) > wheelKeep && n <= cap(s)/4 {
		return append([]wheelEntry(nil), s...)
	}
	return s
}
