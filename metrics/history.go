package metrics

import (
	"math"
	"slices"
	"sync"
	"time"
)

// History keeps what some figures were lately: for each series one value every interval, up to a limit, after which the
// oldest go. It has no clock of its own: its owner calls Sample. All methods may be called at the same time; Track is for
// before the first Sample.
type History struct {
	interval time.Duration
	limit    int

	mu     sync.Mutex
	series []*series
	last   time.Time
}

type series struct {
	name   string
	next   func(elapsed time.Duration) float64
	values []float64 // the oldest first
}

// NewHistory makes a history of limit samples that are interval apart.
func NewHistory(interval time.Duration, limit int) *History {
	return &History{interval: interval, limit: limit}
}

// Track adds a series. At each Sample next gives its value, with the time since the sample before, 0 at the first; NaN
// means that there is none. It is called by one goroutine at a time, in the order in which the series were added.
func (h *History) Track(name string, next func(elapsed time.Duration) float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.series = append(h.series, &series{name: name, next: next})
}

// Sample takes one of every series. For intervals that were left out, as the process was not run, there are no values.
func (h *History) Sample(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var elapsed time.Duration
	missed := 0
	if !h.last.IsZero() {
		elapsed = max(now.Sub(h.last), 0)
		missed = int(min((elapsed+h.interval/2)/h.interval-1, time.Duration(h.limit)))
	}
	h.last = now
	for _, s := range h.series {
		for range missed {
			s.values = append(s.values, math.NaN())
		}
		s.values = append(s.values, s.next(elapsed))
		s.values = slices.Delete(s.values, 0, max(0, len(s.values)-h.limit))
	}
}

// Interval is the time between two samples.
func (h *History) Interval() time.Duration { return h.interval }

// Values are all series by name, the oldest value first, and when the last ones were taken. The caller owns them.
func (h *History) Values() (all map[string][]float64, last time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all = make(map[string][]float64, len(h.series))
	for _, s := range h.series {
		all[s.name] = slices.Clone(s.values)
	}
	return all, h.last
}

// Level gives Track the value of a metric.
func (r *Registry) Level(name string) func(time.Duration) float64 {
	return func(time.Duration) float64 {
		if s, ok := r.Get(name); ok {
			return float64(s.Value)
		}
		return math.NaN()
	}
}

// Rate gives Track how much metrics together grew, each second.
func (r *Registry) Rate(names ...string) func(time.Duration) float64 {
	var before int64
	return func(elapsed time.Duration) float64 {
		var now int64
		for _, name := range names {
			s, _ := r.Get(name)
			now += s.Value
		}
		grown := now - before
		before = now
		if elapsed <= 0 {
			return math.NaN()
		}
		return float64(grown) / elapsed.Seconds()
	}
}

// Quantiles gives Track, for each q, the Quantile of what a histogram observed since the sample before. The first must be
// tracked before the others, for it is the one that reads. Without observations, and without the histogram, there is none.
func (r *Registry) Quantiles(name string, qs ...float64) (all []func(time.Duration) float64) {
	var before, since *Buckets
	read := func(elapsed time.Duration) {
		s, _ := r.Get(name)
		since = nil
		if s.Histogram != nil && before != nil && elapsed > 0 {
			since = s.Histogram.Since(before)
		}
		before = s.Histogram
	}
	for i, q := range qs {
		all = append(all, func(elapsed time.Duration) float64 {
			if i == 0 {
				read(elapsed)
			}
			if since == nil || since.Count == 0 {
				return math.NaN()
			}
			return since.Quantile(q)
		})
	}
	return all
}
