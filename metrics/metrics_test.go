package metrics

import (
	"math"
	"slices"
	"sync"
	"testing"
	"unsafe"
)

// together runs f in several goroutines at once, with their number.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

func TestCounter(t *testing.T) {
	var r Registry
	c := r.Counter("c", "")
	together(4, func(int) {
		for range 1000 {
			c.Inc()
			c.Add(2)
		}
	})
	if c.Value() != 12000 {
		t.Errorf("counted %d, want 12000", c.Value())
	}
}

func TestGauge(t *testing.T) {
	var r Registry
	g := r.Gauge("g", "")
	g.Set(10)
	together(4, func(i int) {
		for range 1000 {
			g.Add(int64(2*(i%2) - 1))
		}
	})
	if g.Add(-13); g.Value() != -3 {
		t.Errorf("gauge at %d, want -3", g.Value())
	}
}

func TestStatKeepsTheHighest(t *testing.T) {
	var r Registry
	s := r.Stat("sessions", "sessions")
	check := func(count, max int64) {
		t.Helper()
		if s.Value() != count || s.Max() != max {
			t.Errorf("count %d max %d, want %d and %d", s.Value(), s.Max(), count, max)
		}
	}
	check(0, 0)
	s.Set(-5)
	check(-5, 0)
	s.Set(7)
	check(7, 7)
	s.Add(-4)
	check(3, 7)
	s.Add(6)
	check(9, 9)
	together(4, func(int) {
		for range 1000 {
			s.Add(2)
			s.Add(-1)
		}
	})
	if s.Value() != 4009 || s.Max() < 4009 || s.Max() > 4013 {
		t.Errorf("count %d max %d, want 4009, and 4 more at most", s.Value(), s.Max())
	}
}

// TestPadding keeps hot counters in cache lines of their own.
func TestPadding(t *testing.T) {
	for _, size := range []uintptr{unsafe.Sizeof(Counter{}), unsafe.Sizeof(Gauge{}), unsafe.Sizeof(Stat{})} {
		if size != cacheLine {
			t.Errorf("a metric takes %d bytes, want %d", size, cacheLine)
		}
	}
}

func TestHistogramBuckets(t *testing.T) {
	var r Registry
	bounds := []int64{0, 10, 100}
	h := r.Histogram("h", "", bounds)
	bounds[0] = 99 // the histogram has its own
	for _, v := range []int64{-3, 0, 1, 10, 11, 100, 101, 5000} {
		h.Observe(v)
	}
	b := h.Snapshot()
	if !slices.Equal(b.Bounds, []int64{0, 10, 100}) || !slices.Equal(b.Counts, []uint64{2, 2, 2, 2}) {
		t.Errorf("bounds %v counts %v, want two in each", b.Bounds, b.Counts)
	}
	if b.Count != 8 || b.Sum != 5220 {
		t.Errorf("count %d sum %d, want 8 and 5220", b.Count, b.Sum)
	}
}

func TestHistogramConcurrent(t *testing.T) {
	var r Registry
	h := r.Histogram("h", "", []int64{1, 2, 3})
	together(4, func(i int) {
		for range 1000 {
			h.Observe(int64(i + 1))
		}
	})
	if b := h.Snapshot(); !slices.Equal(b.Counts, []uint64{1000, 1000, 1000, 1000}) || b.Sum != 10000 {
		t.Errorf("counts %v sum %d", b.Counts, b.Sum)
	}
}

func TestQuantile(t *testing.T) {
	quantile := func(values []int64, q, want float64) {
		t.Helper()
		var r Registry
		h := r.Histogram("h", "", []int64{10, 20, 40})
		for _, v := range values {
			h.Observe(v)
		}
		if got := h.Snapshot().Quantile(q); math.Abs(got-want) > 1e-9 {
			t.Errorf("quantile %v of %v = %v, want %v", q, values, got, want)
		}
	}
	quantile(nil, 0.5, 0)
	quantile([]int64{5, 5}, 0.5, 5)   // the middle of the first bucket
	quantile([]int64{5, 5}, 1, 10)    // its end
	quantile([]int64{5, 5}, 0, 0)     // its beginning
	quantile([]int64{15}, 0, 10)      // empty buckets are passed over
	quantile([]int64{5, 15}, 0.5, 10) // between two buckets
	quantile([]int64{5, 15, 30, 30}, 0.75, 30)
	quantile([]int64{5, 99, 99}, 0.9, 40) // above all bounds
	quantile([]int64{99}, 0.5, 40)
	quantile([]int64{15}, 7, 20) // q is held to 0 … 1
	quantile([]int64{15}, -1, 10)
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	var r Registry
	c, s := r.Counter("c", ""), r.Stat("s", "")
	h := r.Histogram("h", "", []int64{10, 100, 1000})
	f := r.Reasons("f", "", "reason", 1, "known")
	free := func(what string, op func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, op); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	free("Counter.Inc", c.Inc)
	free("Stat.Add", func() { s.Add(1) })
	free("Histogram.Observe", func() { h.Observe(50) })
	free("Reasons.Inc of a known reason", func() { f.Inc("known") })
	free("Reasons.Inc when full", func() { f.Inc("unknown") })
}

func BenchmarkCounter(b *testing.B) {
	var r Registry
	c := r.Counter("c", "")
	for b.Loop() {
		c.Inc()
	}
}

// BenchmarkCounterNeighbours has each core count on its own counter: as fast as one alone, thanks to the padding.
func BenchmarkCounterNeighbours(b *testing.B) {
	var r Registry
	var next sync.Mutex
	made := 0
	b.RunParallel(func(pb *testing.PB) {
		next.Lock()
		c := r.Counter("c."+string(rune('a'+made)), "")
		made++
		next.Unlock()
		for pb.Next() {
			c.Inc()
		}
	})
}

func BenchmarkStat(b *testing.B) {
	var r Registry
	s := r.Stat("s", "")
	for b.Loop() {
		s.Add(1)
		s.Add(-1)
	}
}

func BenchmarkHistogram(b *testing.B) {
	var r Registry
	bounds := make([]int64, 16)
	for i := range bounds {
		bounds[i] = 1 << i
	}
	h := r.Histogram("h", "", bounds)
	v := int64(0)
	for b.Loop() {
		h.Observe(v & (1<<16 - 1))
		v += 977
	}
}

func BenchmarkReasons(b *testing.B) {
	var r Registry
	f := r.Reasons("f", "", "reason", 16, "no_local", "too_large", "qos0_msg", "queue_full", "expired")
	for b.Loop() {
		f.Inc("queue_full")
	}
}
