package node

import (
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

func TestTidyCollectsAndStops(t *testing.T) {
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	before := collections()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { tidy(stop); close(done) }()
	for until := time.Now().Add(10 * time.Second); collections() == before; time.Sleep(20 * time.Millisecond) {
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
