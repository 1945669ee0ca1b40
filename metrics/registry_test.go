package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// names returns what Each shows, as name=value.
func names(r *Registry) (list []string) {
	r.Each(func(s Sample) { list = append(list, fmt.Sprintf("%s=%d", s.Name, s.Value)) })
	return list
}

func TestEachIsSortedAndComplete(t *testing.T) {
	var r Registry
	r.Stat("sessions", "sessions").Set(3)
	r.Counter("packets.connect.received", "CONNECT packets").Add(2)
	r.Histogram("delivery.time", "microseconds", []int64{10, 100}).Observe(7)
	r.GaugeFunc("a.func", "of a function", func() int64 { return -4 })
	r.Gauge("retained", "messages").Set(-1)
	r.Reasons("delivery.dropped", "messages", "reason", 4).Inc("queue_full")
	want := []string{
		"a.func=-4", "delivery.dropped=1", "delivery.time=1", "packets.connect.received=2",
		"retained=-1", "sessions.count=3", "sessions.max=3",
	}
	if got := names(&r); !slices.Equal(got, want) {
		t.Errorf("Each shows\n%q, want\n%q", got, want)
	}
}

func TestGet(t *testing.T) {
	var r Registry
	if _, ok := r.Get("a"); ok {
		t.Error("an empty registry has a")
	}
	r.Counter("a.b", "one help").Inc()
	s, ok := r.Get("a.b")
	if !ok || s.Name != "a.b" || s.Help != "one help" || s.Kind != KindCounter || s.Value != 1 {
		t.Errorf("Get gives %+v, %v", s, ok)
	}
	for _, name := range []string{"a", "a.", "a.b.c", ""} {
		if _, ok := r.Get(name); ok {
			t.Errorf("Get(%q) finds something", name)
		}
	}
}

func TestMistakesPanic(t *testing.T) {
	panics := func(word string, f func(*Registry)) {
		t.Helper()
		defer func() {
			t.Helper()
			if p := fmt.Sprint(recover()); !strings.Contains(p, word) {
				t.Errorf("panic says %q, want %q in it", p, word)
			}
		}()
		var r Registry
		r.Counter("taken", "")
		r.Counter("taken.count", "")
		f(&r)
	}
	panics(`"taken" is registered twice`, func(r *Registry) { r.Gauge("taken", "") })
	panics(`"taken.count" is registered twice`, func(r *Registry) { r.Stat("taken", "") })
	for _, name := range []string{"", ".", "a.", ".a", "a..b", "A", "a-b", "a b", "a/b", "é"} {
		panics("is not made of", func(r *Registry) { r.Counter(name, "") })
	}
	panics("bounds that rise", func(r *Registry) { r.Histogram("h", "", nil) })
	panics("bounds that rise", func(r *Registry) { r.Histogram("h", "", []int64{1, 1}) })
	panics("bounds that rise", func(r *Registry) { r.Histogram("h", "", []int64{3, 4, 2}) })
}

func TestEachHoldsNoLock(t *testing.T) {
	var r Registry
	r.GaugeFunc("outer", "", func() int64 {
		s, _ := r.Get("inner")
		return s.Value
	})
	r.Gauge("inner", "").Set(5)
	r.Each(func(s Sample) {
		if s.Value != 5 {
			t.Errorf("%s is %d", s.Name, s.Value)
		}
		r.Counter("made.in.each."+s.Name, "")
	})
	if n := len(names(&r)); n != 4 {
		t.Errorf("%d metrics after two were made inside Each, want 4", n)
	}
}

// TestRegisterWhileRead makes metrics while others list them; each list must be sorted and hold what was there before.
func TestRegisterWhileRead(t *testing.T) {
	var r Registry
	r.Counter("m", "")
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 50 {
				r.Counter(fmt.Sprintf("w%d.n%d", w, i), "").Inc()
			}
		})
		all.Go(func() {
			for range 50 {
				var list []string
				r.Each(func(s Sample) { list = append(list, s.Name) })
				if !slices.IsSorted(list) || !slices.Contains(list, "m") {
					t.Errorf("%d names, not sorted or without m", len(list))
					return
				}
			}
		})
	}
	all.Wait()
	if n := len(names(&r)); n != 201 {
		t.Errorf("%d metrics, want 201", n)
	}
}
