package node

import (
	"log/slog"
	"runtime"
	"testing"
	"time"
)

func TestUntidy(t *testing.T) {
	is := func(name string, live, waste, allocatedNow uint64, want bool) {
		t.Helper()
		if got := (heap{live, waste, 1000 + allocatedNow}).untidy(heap{allocated: 1000}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	const mb = 1 << 20
	is("after a burst", 16*mb, 14*mb, 0, true)
	is("in the middle of it", 16*mb, 14*mb, 5*mb, false)
	is("little waste", 16*mb, mb, 0, false)
	is("little for its size", 100*mb, 10*mb, 0, false)
	is("a steady trickle", 16*mb, 14*mb, mb, true)
}

// TestTidyAgain: soon after a burst, later after a trickle.
func TestTidyAgain(t *testing.T) {
	const mb = 1 << 20
	at := func(name string, took, after time.Duration, burst uint64, want bool) {
		t.Helper()
		var began time.Time
		y := tidying{last: heap{allocated: mb}}
		y.done(began, took)
		y.due(began.Add(time.Second), heap{16 * mb, 0, mb + burst})
		if got := y.due(began.Add(after), heap{16 * mb, 14 * mb, mb + burst}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	at("soon after a burst", 10*time.Millisecond, 5*time.Second, 14*mb, true)
	at("too soon", 10*time.Millisecond, 4*time.Second, 14*mb, false)
	at("soon after a burst, but it takes long", 100*time.Millisecond, 19*time.Second, 14*mb, false)
	at("later", 100*time.Millisecond, 20*time.Second, 14*mb, true)
	at("it takes very long", time.Second, time.Minute, 14*mb, true)
	at("a trickle", 10*time.Millisecond, 59*time.Second, mb, false)
	at("a trickle, later", 10*time.Millisecond, time.Minute, mb, true)
}

func TestTidyCollectsAndStops(t *testing.T) {
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	before := collections()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { tidy(slog.New(slog.DiscardHandler), stop); close(done) }()
	for until := time.Now().Add(time.Minute); collections() == before; time.Sleep(20 * time.Millisecond) {
		sink = make([]byte, 8<<20) // garbage with the next round; far more than is alive
		if time.Now().After(until) {
			t.Fatal("nothing was collected")
		}
		sink = nil
		time.Sleep(1500 * time.Millisecond)
	}
	close(stop)
	<-done
}

var sink []byte
