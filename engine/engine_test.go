package engine

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// start starts an engine in dir, and stops it with the test.
func start(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func started(t testing.TB) *Engine { return start(t, Options{Dir: t.TempDir()}) }

// says demands an error with all of the words.
func says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v: expected words like %q", err, w)
			return
		}
	}
}

// eventually waits until a fact holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func TestOptions(t *testing.T) {
	_, err := Start(Options{Dir: t.TempDir(), Durability: "never"})
	says(t, err, "durability", "never", "always")
	_, err = Start(Options{Dir: "/dev/null/x"})
	says(t, err, "/dev/null")
	e := started(t)
	_, err = e.Map("a.b")
	says(t, err, "a.b", "letters")
	_, err = e.Log("", LogOptions{})
	says(t, err, "letters")
	_, err = e.Log("x", LogOptions{Shards: 1000})
	says(t, err, "shards")
	_, err = e.Log("x", LogOptions{MaxAge: -1})
	says(t, err, "negative")
}

func TestClosed(t *testing.T) {
	e := started(t)
	m, l := openMap(t, e, "m"), openLog(t, e, "l", LogOptions{})
	if err := errors.Join(m.Put("k", nil), e.Health(), e.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"put":    m.Put("k", nil),
		"append": appended(l, "t", "r"),
		"health": e.Health(),
		"map":    func() error { _, err := e.Map("x"); return err }(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := m.Get("k"); err == nil {
		t.Error("a closed engine answers")
	}
}

func openMap(t testing.TB, e *Engine, name string) *Map {
	t.Helper()
	m, err := e.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func openLog(t testing.TB, e *Engine, name string, o LogOptions) *Log {
	t.Helper()
	l, err := e.Log(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appended(l *Log, topic, record string) error {
	return wait(func(done func(error)) { l.Append(topic, []byte(record), func(_ At, err error) { done(err) }) })
}

func put(t testing.TB, m *Map, key, value string) {
	t.Helper()
	if err := m.Put(key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// expect demands exactly these records, written key=value.
func expect(t *testing.T, m *Map, want ...string) {
	t.Helper()
	got := make(map[string]string)
	if err := m.Each(func(k string, v []byte) error { got[k] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, w := range want {
		k, v, _ := strings.Cut(w, "=")
		all[k] = v
		if got, ok, err := m.Get(k); err != nil || !ok || string(got) != v {
			t.Errorf("%q is %q, %v, %v", k, got, ok, err)
		}
	}
	if !maps.Equal(got, all) {
		t.Errorf("the records are %q, expected %q", got, all)
	}
}

func TestMap(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("long/ \x00*", 9000)
	for _, open := range []func(*Engine, string) (*Map, error){(*Engine).Map, (*Engine).BigMap} {
		e := start(t, Options{Dir: dir})
		m, err := open(e, "m")
		if err != nil {
			t.Fatal(err)
		}
		put(t, m, "a", "1")
		put(t, m, "b.*.>", "2")
		put(t, m, "gone", "3")
		put(t, m, long, "4")
		put(t, m, long+"x", "5")
		put(t, m, "a", "6")
		put(t, openMap(t, e, "other"), "a", "another map's")
		for _, key := range []string{"gone", long + "x", "never was"} {
			if err := m.Delete(key); err != nil {
				t.Error(err)
			}
		}
		if _, ok, err := m.Get("gone"); ok || err != nil {
			t.Error("a deleted key is there", err)
		}
		for value, want := range map[string]bool{"5": false, "6": true} { // the newest counts
			seen := ""
			if err := m.DeleteIf("b.*.>", func(v []byte) bool { seen = string(v); return false }); err != nil || seen != "2" {
				t.Error(err, seen)
			}
			if err := m.DeleteIf("a", func(v []byte) bool { return string(v) == value }); err != nil {
				t.Error(err)
			}
			if _, ok, err := m.Get("a"); ok == want || err != nil {
				t.Errorf("after DeleteIf %s: %v %v", value, ok, err)
			}
			put(t, m, "a", "6")
		}
		if err := m.DeleteIf("a", func([]byte) bool { put(t, m, "a", "6"); return true }); err != nil { // somebody was faster
			t.Error(err)
		}
		for _, key := range []string{"never was", "gone"} {
			if err := m.DeleteIf(key, func([]byte) bool { t.Error(key, "is there"); return true }); err != nil {
				t.Error(err)
			}
		}
		says(t, m.DeleteIf("", nil), "not empty")
		says(t, m.Put("", nil), "not empty")
		_, _, err = m.Get("")
		says(t, err, "not empty")
		expect(t, m, "a=6", "b.*.>=2", long+"=4")
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = start(t, Options{Dir: dir})
		if m, err = open(e, "m"); err != nil {
			t.Fatal(err)
		}
		expect(t, m, "a=6", "b.*.>=2", long+"=4")
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachStops(t *testing.T) {
	m := openMap(t, started(t), "m")
	put(t, m, "a", "")
	put(t, m, "b", "")
	enough, calls := errors.New("enough"), 0
	if err := m.Each(func(string, []byte) error { calls++; return enough }); err != enough || calls != 1 {
		t.Error(err, calls)
	}
}

// TestLater has many changes on their way: they are done in order.
func TestLater(t *testing.T) {
	m := openMap(t, started(t), "m")
	const n = 3000
	var order []int
	var all sync.WaitGroup
	all.Add(n)
	for i := range n {
		m.PutLater(fmt.Sprint("key", i), []byte("v"), func(err error) {
			if err != nil {
				t.Error(err)
			}
			order = append(order, i)
			all.Done()
		})
	}
	all.Wait()
	if len(order) != n || !slices.IsSorted(order) {
		t.Error("not in order", len(order))
	}
	count := 0
	if err := m.Each(func(string, []byte) error { count++; return nil }); err != nil || count != n {
		t.Error(count, err)
	}
}

func TestWatch(t *testing.T) {
	e := started(t)
	m, other := openMap(t, e, "m"), openMap(t, e, "m2")
	put(t, m, "a", "1")
	put(t, m, "b", "2")
	put(t, m, "gone", "0")
	if err := m.Delete("gone"); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	stop, err := m.Watch(func(c Change) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case c.Current:
			seen = append(seen, "current")
		case c.Deleted:
			seen = append(seen, c.Key+" deleted")
		default:
			seen = append(seen, c.Key+"="+string(c.Value))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, other, "c", "not ours")
	put(t, m, "c", "3")
	if err := m.Delete("a"); err != nil {
		t.Fatal(err)
	}
	put(t, m, "last", "")
	eventually(t, "the last change", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen[len(seen)-1] == "last="
	})
	stop()
	stop()
	put(t, m, "after", "")
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"a=1", "b=2", "current", "c=3", "a deleted", "last="}; !slices.Equal(seen, want) {
		t.Errorf("%q, expected %q", seen, want)
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	start(t, Options{Dir: dir})
}
