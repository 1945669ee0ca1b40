package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
)

// The map of an engine is one that others follow.
var (
	_ keep.Map   = (*Map)(nil)
	_ keep.Later = (*Map)(nil)
)

// followed is a copy of a map in memory.
type followed struct {
	mu  sync.Mutex
	all map[string]string
}

func follow(t *testing.T, m *Map) *followed {
	t.Helper()
	f := &followed{all: make(map[string]string)}
	if err := keep.Follow(m, nil, f.apply); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *followed) apply(c keep.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[c.Key] = string(c.Value); c.Deleted {
		delete(f.all, c.Key)
	}
	return nil
}

func (f *followed) get(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[key]
}

func (f *followed) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

// TestWhatWasPutIsTold: when Put or Delete returns, who follows the map knows,
// also while other maps of the same stream change.
func TestWhatWasPutIsTold(t *testing.T) {
	e := started(t)
	m, other := openMap(t, e, "m"), openMap(t, e, "other")
	a, b := follow(t, m), follow(t, openMap(t, e, "m"))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				key, value := fmt.Sprint(w, "-", i%7), fmt.Sprint(i)
				if err := errors.Join(m.Put(key, []byte(value)), other.Put(key, nil)); err != nil {
					t.Error(err)
				}
				if a.get(key) != value || b.get(key) != value {
					t.Errorf("%s: %q and %q after %s was put", key, a.get(key), b.get(key), value)
				}
				if err := m.Delete(key); err != nil || a.get(key) != "" || b.get(key) != "" {
					t.Errorf("%s: %q and %q after it was deleted: %v", key, a.get(key), b.get(key), err)
				}
			}
		})
	}
	wg.Wait()
}

// TestToldLater: done runs in order, when the watch knows, whether it is slow,
// stops, or there is none.
func TestToldLater(t *testing.T) {
	m := openMap(t, started(t), "m")
	var mu sync.Mutex
	seen := 0
	stop, err := m.Watch(func(c Change) {
		mu.Lock()
		defer mu.Unlock()
		if !c.Current {
			seen++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	var order []int
	var all sync.WaitGroup
	all.Add(n + 2)
	for i := range n {
		m.PutLater(fmt.Sprint(i%50), []byte{byte(i)}, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if order = append(order, i); err != nil || seen < i+1 {
				t.Errorf("%d is done when %d were told: %v", i, seen, err)
			}
			all.Done()
		})
	}
	m.PutLater("", nil, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if order = append(order, n); err == nil {
			t.Error("a key that is empty")
		}
		all.Done()
	})
	m.DeleteLater("1", func(error) { all.Done() })
	all.Wait()
	if len(order) != n+1 {
		t.Errorf("%d of %d are done", len(order), n+1)
	}
	if order = slices.DeleteFunc(order, func(i int) bool { return i == n }); !slices.IsSorted(order) { // that one failed at once
		t.Error("not in order")
	}
	stop()
	put(t, m, "nobody watches", "")
	m.PutLater("and nobody waits", nil, nil)
}

// TestCloseWhileWaiting: what was kept is done when the engine ends.
func TestCloseWhileWaiting(t *testing.T) {
	e := start(t, Options{Dir: t.TempDir()})
	m := openMap(t, e, "m")
	follow(t, m)
	var all sync.WaitGroup
	for i := range 1000 {
		all.Add(1)
		m.PutLater(fmt.Sprint(i), nil, func(err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if err := m.Put("late", nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestPutAll puts more than may be on its way at once, with others who do so.
func TestPutAll(t *testing.T) {
	e := started(t)
	m := openMap(t, e, "m")
	f := follow(t, m)
	value := []byte(strings.Repeat("v", 4000))
	many := func(prefix string, n int) func(func(string, []byte) bool) {
		return func(yield func(string, []byte) bool) {
			for i := range n {
				if !yield(fmt.Sprint(prefix, i), value) {
					return
				}
			}
		}
	}
	const n = 3000
	var wg sync.WaitGroup
	for _, prefix := range []string{"a", "b", "c"} {
		wg.Go(func() {
			if err := m.PutAll(many(prefix, n)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.len() != 3*n {
		t.Errorf("%d of %d were told", f.len(), 3*n)
	}
	if err := m.PutAll(many("none", 0)); err != nil {
		t.Error(err)
	}
	says(t, m.PutAll(func(yield func(string, []byte) bool) { _ = yield("x", nil) && yield("", nil) && yield("y", nil) }), "key")
}

// TestPutAllWhenBusy has others fill what may be on its way.
func TestPutAllWhenBusy(t *testing.T) {
	m := openMap(t, started(t), "m")
	large := make([]byte, 1<<20)
	var others sync.WaitGroup
	for i := range 2 * maxInFlight >> 20 { // the last of them are refused
		others.Add(1)
		m.PutLater(fmt.Sprint("large", i%3), large, func(error) { others.Done() })
	}
	f := follow(t, m)
	if err := m.PutAll(func(yield func(string, []byte) bool) {
		for i := range 100 {
			if !yield(fmt.Sprint("small", i), large[:10_000]) {
				return
			}
		}
	}); err != nil {
		t.Error(err)
	}
	others.Wait()
	for i := range 100 {
		if f.get(fmt.Sprint("small", i)) == "" {
			t.Errorf("small%d is missing", i)
		}
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	e := start(t, Options{Dir: dir})
	put(t, openMap(t, e, "b"), "key", "value")
	put(t, openMap(t, e, "a"), "k", "")
	put(t, openMap(t, e, "a"), "k.2", "v")
	put(t, openMap(t, e, "a"), "gone", "v")
	if err := openMap(t, e, "a").Delete("gone"); err != nil {
		t.Fatal(err)
	}
	big, err := e.BigMap("big")
	if err != nil {
		t.Fatal(err)
	}
	put(t, big, "k", "v")
	maps, size, err := e.Usage()
	if err != nil || len(maps) != 3 || maps[0] != (keep.Usage{Name: "a", Records: 2, Bytes: 5}) || maps[1] != (keep.Usage{Name: "b", Records: 1, Bytes: 8}) ||
		maps[2].Name != "big" || maps[2].Records != 1 || size <= 0 {
		t.Errorf("%v in %d bytes, %v", maps, size, err)
	}
	if e.Path() != dir {
		t.Errorf("it is %s", e.Path())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Usage(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestRecordsThatGoByThemselves.
func TestRecordsThatGoByThemselves(t *testing.T) {
	m := openMap(t, started(t), "m")
	var wg sync.WaitGroup
	for key, ttl := range map[string]time.Duration{"soon": time.Millisecond, "late": time.Hour, "never": 0} {
		wg.Add(1)
		m.PutLaterFor(key, []byte("v"), ttl, func(err error) {
			if err != nil {
				t.Error(key, err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	eventually(t, "the end of a record", func() bool { _, ok, err := m.Get("soon"); return !ok && err == nil })
	expect(t, m, "late=v", "never=v")
}
