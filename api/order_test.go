package api

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFirst compares with sorting everything.
func TestFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		all := make([]int, random.IntN(50))
		for i := range all {
			all[i] = random.IntN(30)
		}
		n := 1 + random.IntN(20)
		some, total := first(slices.Values(all), n, cmp.Compare)
		want := slices.Sorted(slices.Values(all))
		if want = want[:min(n, len(want))]; !slices.Equal(some, want) || total != len(all) {
			t.Fatalf("first %d of %v: got %v of %d, want %v", n, all, some, total, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0.00", 1023: "1023.00", 1536: "1.50K", 80163635: "76.45M", 5 << 40: "5120.00G"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
