package broker

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// alarm is a Timer that notes when it was fired.
type alarm struct {
	fired []int64 // the times it was told
	again int64   // milliseconds after which it wants to be fired once more
	wheel *wheel
}

func (a *alarm) Fire(_ *Batch, at int64) {
	a.fired = append(a.fired, at)
	if a.again != 0 {
		a.wheel.set(a, 0, at+a.again)
	}
}

func (w *wheel) entries() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, slot := range w.slots {
		n += len(slot)
	}
	return n
}

// TestWheelTimes fires timers set at `set` for `at` by a wheel that is turned
// at the given times; it must be fired in the turn at `want`, and only there.
func TestWheelTimes(t *testing.T) {
	const turn = wheelTick * wheelSlots
	f := func(name string, set, at int64, turns []int64, want int64) {
		t.Helper()
		var w wheel
		b := &Batch{}
		a := &alarm{}
		if set != 0 {
			w.advance(set, b)
		}
		w.set(a, 0, at)
		for _, now := range turns {
			before := len(a.fired)
			w.advance(now, b)
			if fired := len(a.fired) > before; fired != (now == want) {
				t.Errorf("%s: fired at %d: %v, want it at %d", name, now, fired, want)
			}
		}
		if len(a.fired) > 1 || len(a.fired) == 1 && (a.fired[0] != at || w.entries() != 0) {
			t.Errorf("%s: fired for %v, %d entries left", name, a.fired, w.entries())
		}
	}
	f("exactly on a tick", 10_000, 10_300, []int64{10_100, 10_200, 10_300, 10_400}, 10_300)
	f("between two ticks", 10_000, 10_301, []int64{10_100, 10_200, 10_300, 10_400, 10_500}, 10_400)
	f("a tick that comes late", 10_000, 10_300, []int64{10_100, 10_950, 11_000}, 10_950)
	f("now", 10_000, 10_000, []int64{10_050, 10_100, 10_200}, 10_100)
	f("in the past", 10_000, 3, []int64{10_050, 10_100, 10_200}, 10_100)
	f("before the first turn", 0, 500_000, []int64{499_900, 500_000}, 500_000)
	f("before the first turn, in the past", 0, 5, []int64{500_000, 500_100}, 500_000)
	f("one turn of the wheel later", 10_000, 10_000+turn, []int64{10_100, 10_000 + turn - 100, 10_000 + turn, 10_100 + turn}, 10_000+turn)
	f("three and a half turns later", 10_000, 10_000+turn*7/2,
		[]int64{10_000 + turn/2, 10_000 + turn*3/2, 10_000 + turn*5/2, 10_000 + turn*7/2 - 100, 10_000 + turn*7/2}, 10_000+turn*7/2)
	f("a long sleep", 10_000, 10_200, []int64{10_100, 10_000 + 50*turn, 10_100 + 50*turn}, 10_000+50*turn)
	f("a long sleep that ends before", 10_000, 10_000+60*turn, []int64{10_000 + 50*turn, 10_000 + 60*turn - 100, 10_000 + 60*turn}, 10_000+60*turn)
	f("the clock stands still", 10_000, 10_100, []int64{10_000, 10_000, 10_100}, 10_100)
}

func TestWheelMovesAndStops(t *testing.T) {
	var w wheel
	b, a := &Batch{}, &alarm{}
	w.advance(10_000, b)
	w.set(a, 0, 20_000)
	w.set(a, 20_000, 15_000)
	if w.entries() != 1 {
		t.Errorf("%d entries of a timer that was moved, want 1", w.entries())
	}
	w.advance(15_000, b)
	w.advance(20_000, b)
	if len(a.fired) != 1 || a.fired[0] != 15_000 {
		t.Errorf("fired for %v, want 15000", a.fired)
	}
	w.set(a, 0, 30_000)
	w.set(a, 30_000, 0)
	if w.entries() != 0 {
		t.Error("a stopped timer is still there")
	}
	w.set(a, 30_000, 0) // once more does no harm
}

func TestWheelAgain(t *testing.T) {
	var w wheel
	b := &Batch{}
	a := &alarm{again: 250, wheel: &w}
	w.advance(10_000, b)
	w.set(a, 0, 10_250)
	for now := int64(10_000); now <= 20_000; now += wheelTick {
		w.advance(now, b)
	}
	if len(a.fired) != 40 {
		t.Errorf("fired %d times in 10 s, want 40: it drifts", len(a.fired))
	}
}

// moved is a Timer as its owners are: it remembers the time it asked for last.
type moved struct {
	at    int64
	fired bool
}

func (m *moved) Fire(_ *Batch, at int64) {
	if at == m.at {
		m.fired = true
	}
}

// TestWheelRandom keeps many timers, moves them about and fires each of them
// with the tick of its time, however irregular the turns are.
func TestWheelRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var w wheel
	b := &Batch{}
	now := int64(1_000_000)
	w.advance(now, b)
	var timers []*moved
	for range 20_000 {
		switch rnd.IntN(4) {
		case 0, 1:
			m := &moved{at: now + rnd.Int64N(300_000) - 1000}
			timers = append(timers, m)
			w.set(m, 0, m.at)
		case 2:
			if len(timers) > 0 {
				m := timers[rnd.IntN(len(timers))]
				old := m.at
				m.at += rnd.Int64N(10_000) - 5000
				w.set(m, old, m.at)
			}
		case 3:
			now += rnd.Int64N(400)
			before := w.tick
			w.advance(now, b)
			if w.tick == before {
				continue
			}
			timers = slices.DeleteFunc(timers, func(m *moved) bool {
				if m.fired != (m.at <= now/wheelTick*wheelTick) {
					t.Errorf("at %d: a timer for %d is fired: %v", now, m.at, m.fired)
				}
				return m.fired
			})
		}
	}
	w.advance(now+400_000, b)
	if w.entries() != 0 || !timers[0].fired {
		t.Errorf("%d entries are left in the end", w.entries())
	}
}

// TestWheelMemory has thousands of timers in one slot and wants the memory
// back afterwards.
func TestWheelMemory(t *testing.T) {
	var w wheel
	b := &Batch{}
	w.advance(10_000, b)
	timers := make([]alarm, 5000)
	for i := range timers {
		w.set(&timers[i], 0, 12_345)
	}
	w.advance(12_400, b)
	for i := range timers {
		if len(timers[i].fired) != 1 {
			t.Fatalf("timer %d was fired %d times", i, len(timers[i].fired))
		}
	}
	for i := range timers {
		w.set(&timers[i], 0, 99_999)
	}
	for i := range timers {
		w.set(&timers[i], 99_999, 0)
	}
	total := cap(w.due)
	for _, slot := range w.slots {
		total += cap(slot)
	}
	if total > 100 {
		t.Errorf("the empty wheel keeps room for %d timers", total)
	}
}
