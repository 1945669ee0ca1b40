package bench

import "math/bits"

// subBuckets is the number of equal steps each power of two is divided into:
// a quantile is off by at most 1/128 of itself.
const (
	subBucketBits = 6
	subBuckets    = 1 << subBucketBits
)

// histogram counts durations in nanoseconds. The zero value is ready; its
// size is fixed, whatever it counts.
type histogram struct {
	counts [(64 - subBucketBits) * subBuckets]uint64
	total  uint64
	max    int64
}

// add counts v; what is negative, because two clocks disagree, counts as 0.
func (h *histogram) add(v int64) {
	v = max(v, 0)
	h.counts[bucketOf(uint64(v))]++
	h.total++
	h.max = max(h.max, v)
}

// quantile returns the value that the share q of all counted ones does not
// exceed, 0 if nothing was counted; quantile(1) is exact.
func (h *histogram) quantile(q float64) int64 {
	if h.total == 0 {
		return 0
	}
	want, run := uint64(q*float64(h.total)), uint64(0)
	if want >= h.total {
		return h.max
	}
	for i, n := range &h.counts {
		if run += n; run > want {
			return min(middleOf(i), h.max)
		}
	}
	return h.max
}

func bucketOf(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBucketBits
	return (shift+1)*subBuckets + int(v>>shift)&(subBuckets-1)
}

func middleOf(bucket int) int64 {
	if bucket < subBuckets {
		return int64(bucket)
	}
	shift := bucket/subBuckets - 1
	low := int64(subBuckets+bucket%subBuckets) << shift
	return low + int64(1)<<shift/2
}
