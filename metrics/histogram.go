package metrics

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// Histogram counts observations by size, in buckets fixed at the start. Values are whole numbers in the unit its help
// names (microseconds, bytes). Its methods never block and may be called at the same time.
type Histogram struct {
	bounds []int64
	counts []atomic.Uint64 // one more than bounds
	sum    atomic.Int64
}

// Histogram makes a histogram and registers it. Each bound is the highest value that belongs to its bucket; one bucket
// more takes what is above the last bound. Bounds must rise; twenty are plenty, since Observe looks through them in turn.
func (r *Registry) Histogram(name, help string, bounds []int64) *Histogram {
	rising := len(bounds) > 0
	for i := 1; i < len(bounds); i++ {
		rising = rising && bounds[i-1] < bounds[i]
	}
	if !rising {
		panic(fmt.Sprintf("metrics: histogram %q needs bounds that rise, not %v", name, bounds))
	}
	h := &Histogram{bounds: slices.Clone(bounds), counts: make([]atomic.Uint64, len(bounds)+1)}
	r.add(name, help, func(s *Sample) {
		s.Kind, s.Histogram = KindHistogram, h.Snapshot()
		s.Value = int64(s.Histogram.Count)
	})
	return h
}

// Observe counts v.
func (h *Histogram) Observe(v int64) { h.ObserveN(v, 1) }

// ObserveN counts n observations of v at once.
func (h *Histogram) ObserveN(v int64, n uint64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(n)
	h.sum.Add(v * int64(n))
}

// Buckets is a histogram at one moment. Observations made while it was taken may be in Counts and not yet in Sum.
type Buckets struct {
	Bounds []int64  // shared with the histogram: not to be changed
	Counts []uint64 // observations in each bucket (not accumulated); the last is for those above all bounds
	Count  uint64   // of observations
	Sum    int64    // of what was observed
}

// Snapshot returns the histogram as it is now.
func (h *Histogram) Snapshot() *Buckets {
	b := &Buckets{Bounds: h.bounds, Counts: make([]uint64, len(h.counts)), Sum: h.sum.Load()}
	for i := range h.counts {
		b.Counts[i] = h.counts[i].Load()
		b.Count += b.Counts[i]
	}
	return b
}

// Since is what was observed after the earlier snapshot of the same histogram.
func (b *Buckets) Since(earlier *Buckets) *Buckets {
	d := &Buckets{Bounds: b.Bounds, Counts: make([]uint64, len(b.Counts)), Count: b.Count - earlier.Count, Sum: b.Sum - earlier.Sum}
	for i := range d.Counts {
		d.Counts[i] = b.Counts[i] - earlier.Counts[i]
	}
	return d
}

// Quantile estimates the value below which the fraction q of all observations lies (0.5 is the median), taking the
// observations of a bucket as spread evenly. The first bucket is taken to begin at zero, or at its bound if that is
// negative; what is above the last bound counts as that bound. Without observations the answer is zero.
func (b *Buckets) Quantile(q float64) float64 {
	if b.Count == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(b.Count)
	below, low := 0.0, float64(min(b.Bounds[0], 0))
	for i, bound := range b.Bounds {
		in, high := float64(b.Counts[i]), float64(bound)
		if in > 0 && below+in >= rank {
			return low + (high-low)*(rank-below)/in
		}
		below, low = below+in, high
	}
	return low
}
