package api

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSpan compares with sorting everything.
func TestSpan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		all := someNumbers(random)
		from, n := random.IntN(150), 1+random.IntN(40)
		some, total := span(slices.Values(all), from, n, cmp.Compare)
		want := slices.Sorted(slices.Values(all))
		if want = want[min(from, len(want)):min(from+n, len(want))]; !slices.Equal(some, want) || total != len(all) {
			t.Fatalf("%d from %d of %v: got %v of %d, want %v", n, from, all, some, total, want)
		}
	}
}

// TestDivide compares with going through everything in order.
func TestDivide(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		all := someNumbers(random)
		sorted := slices.Sorted(slices.Values(all))
		weight := func(n *int) int { return 1 + *n%7 }
		goal, want, heavy := random.IntN(400), 0, 0
		for want < len(sorted) && heavy+weight(&sorted[want]) <= goal {
			heavy += weight(&sorted[want])
			want++
		}
		n, weighs := divide(all, goal, cmp.Compare, weight)
		if n != want || weighs != heavy {
			t.Fatalf("%d of %v: got %d that weigh %d, want %d that weigh %d", goal, sorted, n, weighs, want, heavy)
		}
		if n < len(all) && all[n] != sorted[n] {
			t.Fatalf("behind %d of %v comes %d, want %d", n, sorted, all[n], sorted[n])
		}
		if slices.Sort(all[:n]); !slices.Equal(all[:n], sorted[:n]) {
			t.Fatalf("in front of %v are %v", sorted, all[:n])
		}
	}
}

// someNumbers are few different ones or many, in no order or in theirs.
func someNumbers(random *rand.Rand) []int {
	all := make([]int, random.IntN(200))
	kinds := 1 + random.IntN(1+random.IntN(200))
	for i := range all {
		all[i] = random.IntN(kinds)
	}
	if random.IntN(4) == 0 {
		slices.Sort(all)
	}
	return all
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0.00", 1023: "1023.00", 1536: "1.50K", 80163635: "76.45M", 5 << 40: "5120.00G"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
