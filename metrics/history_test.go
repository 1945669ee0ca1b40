package metrics

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// historyRig samples a history of at most five values, a second apart.
type historyRig struct {
	*testing.T
	Registry
	*History
	now time.Time
}

func newHistoryRig(t *testing.T) *historyRig {
	return &historyRig{T: t, History: NewHistory(time.Second, 5), now: time.Unix(1000, 0)}
}

// after samples once so much time has passed.
func (r *historyRig) after(d time.Duration) {
	r.now = r.now.Add(d)
	r.Sample(r.now)
}

func (r *historyRig) want(name, want string) {
	r.Helper()
	all, last := r.Values()
	if got := fmt.Sprint(all[name]); got != want || !last.Equal(r.now) {
		r.Errorf("%s: %s at %v, want %s at %v", name, got, last, want, r.now)
	}
}

func TestHistory(t *testing.T) {
	r := newHistoryRig(t)
	if all, last := r.Values(); len(all) != 0 || !last.IsZero() || r.Interval() != time.Second {
		t.Errorf("before anything: %v at %v", all, last)
	}
	level, in, out := r.Gauge("level", "-"), r.Counter("in", "-"), r.Counter("out", "-")
	r.Track("level", r.Level("level"))
	r.Track("rate", r.Rate("in", "out"))
	r.Track("none", r.Level("none"))
	in.Add(100)
	r.after(0)
	r.want("level", "[0]")
	r.want("rate", "[NaN]")
	level.Set(7)
	in.Add(3)
	out.Add(3)
	r.after(time.Second)
	r.want("level", "[0 7]")
	r.want("rate", "[NaN 6]")
	in.Add(12)
	r.after(1400 * time.Millisecond) // late, and none was left out
	r.want("level", "[0 7 7]")
	in.Add(8)
	r.after(2 * time.Second)
	r.want("level", "[0 7 7 NaN 7]")
	r.want("none", "[NaN NaN NaN NaN NaN]")
	r.after(time.Second)
	r.want("level", "[7 7 NaN 7 7]")
	all, _ := r.Values()
	if got := all["rate"]; math.Round(got[1]) != 9 || got[3] != 4 || got[4] != 0 {
		t.Errorf("rates: %v", got)
	}
	all["level"][0] = 99 // the caller's
	r.after(time.Hour)
	r.want("level", "[NaN NaN NaN NaN 7]")
	r.after(-time.Hour)
	r.want("level", "[NaN NaN NaN 7 7]")
	r.want("rate", "[NaN NaN NaN 0 NaN]")
}

func TestHistoryQuantiles(t *testing.T) {
	r := newHistoryRig(t)
	qs := r.Quantiles("late", 0.5, 1)
	r.Track("half", qs[0])
	r.Track("all", qs[1])
	r.after(0)
	h := r.Histogram("late", "-", []int64{10, 20, 40})
	h.Observe(1)
	r.after(time.Second) // since when is not known
	h.Observe(15)
	h.Observe(35)
	r.after(time.Second)
	r.after(time.Second) // nothing new
	r.want("half", "[NaN NaN 20 NaN]")
	r.want("all", "[NaN NaN 40 NaN]")
}

// BenchmarkHistory is what a node does every ten seconds.
func BenchmarkHistory(b *testing.B) {
	var r Registry
	h := NewHistory(time.Second, 360)
	for i := range 10 {
		name := fmt.Sprint("n", i)
		r.Counter(name, "-")
		h.Track(name, r.Rate(name))
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		h.Sample(now)
	}
}
