package api

import (
	"math"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
)

// newFakeHistory has two samples.
func newFakeHistory() *metrics.History {
	h := metrics.NewHistory(10*time.Second, 3)
	for name, values := range map[string][2]float64{
		"connections": {3, 4}, "received_rate": {math.NaN(), 1.5}, "latency_p50_ms": {math.Inf(1), 1.0 / 3},
	} {
		h.Track(name, func(elapsed time.Duration) float64 {
			if elapsed == 0 {
				return values[0]
			}
			return values[1]
		})
	}
	h.Sample(someTime)
	h.Sample(someTime.Add(10 * time.Second))
	return h
}

func TestFigures(t *testing.T) {
	f := func(want string, some ...float64) {
		t.Helper()
		if got, err := figures(some).MarshalJSON(); string(got) != want || err != nil {
			t.Errorf("%v: %s %v, want %s", some, got, err, want)
		}
	}
	f("[]")
	f("[0]", 0.0004)
	f("[-1,0.1,2.346]", -1, 0.1, 2.3456)
	f("[12345678901,null,null,null]", 12345678901, math.NaN(), math.Inf(1), math.Inf(-1))
}
