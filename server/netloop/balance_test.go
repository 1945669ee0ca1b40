//go:build linux

package netloop

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Traffic goes on, in order and complete, while connections move between loops
// as fast as they can.
func TestMovingLosesNothing(t *testing.T) {
	var loops []*loop
	var turn atomic.Int32
	ready := make(chan struct{})
	g := newGroupOf(t, 3, func() Pass {
		return &touchedPass{after: func(touched []*peer) {
			<-ready
			for _, h := range touched {
				if from := h.loop.Load(); h.state.Load()&closing == 0 {
					from.move(h.Conn, loops[turn.Add(1)%3])
				}
			}
		}}
	})
	for range 2 {
		if _, err := g.addLoop(); err != nil {
			t.Fatal(err)
		}
	}
	loops = *g.loops.Load()
	close(ready)
	w := serveOn(t, g, ListenOptions{}, nil)
	var wg sync.WaitGroup
	for i := range 60 {
		c, h := w.dial()
		wg.Go(func() {
			echoRandom(t, c, uint64(i), 100, 3000)
			if i%2 == 0 {
				h.Close(nil)
				h.wantClosed("<nil>")
			} else {
				c.Close()
				h.wantClosed("EOF")
			}
		})
		wg.Go(func() {
			for range 200 {
				h.PauseRead()
				h.Wake()
				h.WantWrite()
				h.ResumeRead()
			}
		})
	}
	wg.Wait()
	if w.Stats().Moves < 100 {
		t.Errorf("only %d moves: the test shows nothing", w.Stats().Moves)
	}
	eventually(t, "no loop counts a connection", func() bool { return w.Stats().Conns == 0 })
}

func TestMeter(t *testing.T) {
	var m meter
	m.start(0)
	check := func(now, idle time.Duration, closes bool, load int64) {
		t.Helper()
		m.idle += idle
		if got := m.window(now); got != closes {
			t.Errorf("at %v: window closed %v, want %v", now, got, closes)
		}
		if got := m.recent(now); got != load {
			t.Errorf("at %v: load %d, want %d", now, got, load)
		}
	}
	check(50*time.Millisecond, 10*time.Millisecond, false, 0)
	check(100*time.Millisecond, 10*time.Millisecond, true, 800)
	check(200*time.Millisecond, 0, true, 1000)
	check(250*time.Millisecond, 50*time.Millisecond, false, 1000)
	check(time.Hour, time.Hour, true, 0)
	m.load.Store(900)
	if got := m.recent(time.Hour + 2*patience*window); got != 0 {
		t.Errorf("load %d after a long sleep, want 0", got)
	}
}

// groupWithLoads is a group whose loops have these loads and do not run.
func groupWithLoads(t *testing.T, max int, loads ...int64) []*loop {
	g := newGroup(t, max)
	now := int64(g.now())
	var loops []*loop
	for _, load := range loads {
		l := &loop{group: g}
		l.meter.load.Store(load)
		l.meter.ended.Store(now)
		loops = append(loops, l)
	}
	own := g.loops.Swap(&loops)
	t.Cleanup(func() { g.loops.Store(own) }) // before the group is closed
	return loops
}

func TestPick(t *testing.T) {
	check := func(want int, loads ...int64) {
		t.Helper()
		loops := groupWithLoads(t, len(loads), loads...)
		if got := loops[0].group.pick(); got != loops[want] {
			t.Errorf("loads %v: another loop than %d", loads, want)
		}
	}
	check(0, 0)
	check(0, 1000)
	check(0, 300, 0)   // little load stays together
	check(1, 700, 400) // the first has no room
	check(2, 900, 950, 800)
}

func TestVerdict(t *testing.T) {
	const never = -1
	check := func(name string, hot, cold, of, maxLoops int, want action, to int, loads ...int64) {
		t.Helper()
		loops := groupWithLoads(t, maxLoops, loads...)
		l := loops[of]
		l.meter.hot, l.meter.cold = hot, cold
		got, target := l.verdict(l.group.now())
		if got != want {
			t.Errorf("%s: action %v, want %v", name, got, want)
		}
		if to != never && target != loops[to] {
			t.Errorf("%s: not to loop %d", name, to)
		}
	}
	check("not for long yet", 5, 0, 0, 2, nothing, never, 900)
	check("a second of heat", patience, 0, 0, 2, grow, never, 900)
	check("no more loops", patience, 0, 0, 1, nothing, never, 900)
	check("another has room", patience, 0, 0, 2, spread, 1, 900, 100)
	check("all are busy", patience, 0, 0, 2, nothing, never, 900, 850)
	check("all are busy, one more may be", patience, 0, 0, 3, grow, never, 900, 850)
	check("one was enough", 0, patience, 1, 2, gather, 0, 100, 100)
	check("the first gives nothing back", 0, patience, 0, 2, nothing, never, 100, 100)
	check("together too much for one", 0, patience, 1, 2, nothing, never, 400, 300)
}

// A loop that is busy gets a second one, and gives it connections; when the work
// is gone they come back. The work is slept: it counts as busy all the same.
func TestHotLoopGetsHelp(t *testing.T) {
	var work atomic.Int64
	work.Store(int64(10 * time.Millisecond))
	w := serve(t, 2, ListenOptions{}, func(h *peer) {
		h.readable = func(p Pass, data []byte) {
			time.Sleep(time.Duration(work.Load()))
			h.echo(p, data)
		}
	})
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		c, _ := w.dial()
		clients.Go(func() {
			for buf := make([]byte, 1); ; {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.Write(buf); err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Read(buf); err != nil {
					t.Error(err)
					return
				}
				if work.Load() == 0 {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	conns := func(i int) int64 {
		if loops := *w.loops.Load(); i < len(loops) {
			return loops[i].conns.Load()
		}
		return 0
	}
	eventually(t, "the second loop has work", func() bool { return conns(1) >= 2 })
	work.Store(0)
	eventually(t, "the first loop has everything back", func() bool { return conns(0) == 8 && conns(1) == 0 })
	close(stop)
	clients.Wait()
}
