package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestHistogramAgreesWithSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int64{50, 5_000, 5_000_000, 1 << 40} {
		var h histogram
		values := make([]int64, 10_000)
		for i := range values {
			values[i] = rng.Int64N(most)
			h.add(values[i])
		}
		slices.Sort(values)
		for _, q := range []float64{0, .5, .9, .99, .999} {
			got, want := h.quantile(q), values[int(q*float64(len(values)))]
			if diff := max(got-want, want-got); diff*100 > want+100 {
				t.Errorf("up to %d: quantile(%v) = %d, sorting says %d", most, q, got, want)
			}
		}
		if got, want := h.quantile(1), values[len(values)-1]; got != want {
			t.Errorf("up to %d: quantile(1) = %d, the largest is %d", most, got, want)
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	var h histogram
	if got := h.quantile(.5); got != 0 {
		t.Errorf("empty: quantile is %d, expected 0", got)
	}
	h.add(-5)
	if got := h.quantile(1); got != 0 {
		t.Errorf("negative values count as 0, got %d", got)
	}
	h.add(1<<63 - 1)
	if got := h.quantile(.99); got < 1<<62 {
		t.Errorf("the largest duration fell into the bucket of %d", got)
	}
}

func TestBucketsAreContiguous(t *testing.T) {
	last := -1
	for v := range uint64(1 << 14) {
		b := bucketOf(v)
		if b != last && b != last+1 {
			t.Fatalf("%d is in bucket %d, the value before it in %d", v, b, last)
		}
		last = b
	}
}

func BenchmarkHistogramAdd(b *testing.B) {
	var h histogram
	for i := range b.N {
		h.add(int64(i) * 37)
	}
}
