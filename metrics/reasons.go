package metrics

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Other is the reason under which a Reasons family counts what it has no room for.
const Other = "other"

// Reasons is a counter divided by one label: why messages were dropped, why clients went. The number of reasons is
// bounded, so that words from outside cannot fill the memory. Its methods may be called at the same time.
type Reasons struct {
	limit  int
	mu     sync.Mutex                          // held to add a reason
	counts atomic.Pointer[map[string]*Counter] // the map is replaced, never changed
}

// ReasonCount is how often one reason was counted.
type ReasonCount struct {
	Reason string
	Count  int64
}

// Reasons makes a family and registers it. Other and the known reasons are there from the start, with zero. More are
// added as they come, until the family has limit of them beside Other; what comes then is counted as Other.
func (r *Registry) Reasons(name, help, label string, limit int, known ...string) *Reasons {
	counts := map[string]*Counter{Other: new(Counter)}
	for _, reason := range known {
		counts[reason] = new(Counter)
	}
	f := &Reasons{limit: max(limit+1, len(counts))}
	f.counts.Store(&counts)
	r.add(name, help, func(s *Sample) {
		s.Kind, s.Label, s.Reasons = KindReasons, label, f.list()
		for _, c := range s.Reasons {
			s.Value += c.Count
		}
	})
	return f
}

// Inc counts one event with this reason. A reason seen before costs a look-up in a map and no lock.
func (f *Reasons) Inc(reason string) { f.Counter(reason).Inc() }

// Counter returns the counter of a reason, to be kept where the look-up costs too much. If the family is full, it is
// the counter of Other.
func (f *Reasons) Counter(reason string) *Counter {
	counts := *f.counts.Load()
	if c, ok := counts[reason]; ok {
		return c
	}
	if len(counts) >= f.limit { // a full family stays full: no need for the lock
		return counts[Other]
	}
	return f.grow(reason)
}

func (f *Reasons) grow(reason string) *Counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := *f.counts.Load()
	if c, ok := counts[reason]; ok {
		return c
	}
	if len(counts) >= f.limit {
		return counts[Other]
	}
	counts, c := maps.Clone(counts), new(Counter)
	counts[strings.Clone(reason)] = c // it may be a view of a packet
	f.counts.Store(&counts)
	return c
}

func (f *Reasons) list() (list []ReasonCount) {
	counts := *f.counts.Load()
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, ReasonCount{reason, int64(counts[reason].Value())})
	}
	return list
}
