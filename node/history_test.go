package node

import (
	"maps"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
)

// TestHistory samples a registry by the clock. The names are those that the
// REST interface promises.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r metrics.Registry
		connections, received := r.Stat("connections", "-"), r.Counter("messages.received", "-")
		dropped, more := r.Counter("messages.dropped", "-"), r.Counter("delivery.dropped", "-")
		latency := r.Histogram("messages.latency", "-", []int64{1000, 2000, 4000})
		h, stop := newHistory(&r), make(chan struct{})
		go sampleHistory(h, stop)
		synctest.Wait()
		connections.Set(5)
		received.Add(25)
		dropped.Add(10)
		more.Add(20)
		for range 100 {
			latency.Observe(1500)
		}
		time.Sleep(historyInterval)
		synctest.Wait()
		close(stop)
		synctest.Wait()
		all, last := h.Values()
		if !last.Equal(time.Now()) {
			t.Errorf("taken at %v, want %v", last, time.Now())
		}
		f := func(name string, want float64) {
			t.Helper()
			if v := all[name]; len(v) != 2 || v[1] != want {
				t.Errorf("%s: %v, want %v at last", name, v, want)
			}
		}
		f("connections", 5)
		f("received_rate", 2.5)
		f("dropped_rate", 3)
		f("latency_p50_ms", 1.5)
		f("latency_p99_ms", 1.99)
		names := []string{"connections", "cpu_percent", "dropped_rate", "latency_p50_ms", "latency_p99_ms", "memory_bytes",
			"received_rate", "sent_rate", "sessions", "subscriptions"}
		if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, names) {
			t.Errorf("series: %v, want %v", got, names)
		}
		if runtime.GOOS != "linux" {
			return
		}
		if m := all["memory_bytes"]; !(m[0] > 1<<20) || !(m[1] > 1<<20) {
			t.Errorf("memory: %v", m)
		}
		if c := all["cpu_percent"]; !math.IsNaN(c[0]) || !(c[1] >= 0) {
			t.Errorf("processors: %v", c)
		}
	})
}
