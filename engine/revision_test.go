package engine

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// putAt is PutAt that waits.
func putAt(m *Map, key, value string, was uint64) (revision uint64, err error) {
	err = wait(func(done func(error)) {
		m.PutAt(key, []byte(value), was, func(now uint64, err error) {
			revision = now
			done(err)
		})
	})
	return revision, err
}

// A key is changed only as it was seen last, also when it is deleted meanwhile.
func TestRevisions(t *testing.T) {
	m := openMap(t, started(t), "m")
	f := func(what string, was uint64, want error) (revision uint64) {
		t.Helper()
		revision, err := putAt(m, "k", what, was)
		if !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", what, err, want)
		}
		value, now, ok, err := m.GetAt("k")
		if err != nil || want == nil && (!ok || string(value) != what || now != revision) || want != nil && string(value) == what {
			t.Fatalf("%s: it is %s at %d, %v, %v", what, value, now, ok, err)
		}
		return revision
	}
	if _, now, ok, err := m.GetAt("k"); now != Absent || ok || err != nil {
		t.Errorf("nothing is at %d, %v, %v", now, ok, err)
	}
	f("not there", 7, ErrChanged)
	first := f("first", Absent, nil)
	f("again", Absent, ErrChanged)
	put(t, m, "other", "v")
	second := f("second", first, nil)
	f("late", first, ErrChanged)
	third := f("any", AnyRevision, nil)
	f("later", second, ErrChanged)
	deleted := uint64(0)
	remove := func(was uint64) error {
		return wait(func(done func(error)) {
			m.DeleteAt("k", was, func(now uint64, err error) { deleted = now; done(err) })
		})
	}
	if err := remove(second); !errors.Is(err, ErrChanged) {
		t.Errorf("it can be deleted as it was: %v", err)
	}
	if err := remove(third); err != nil {
		t.Error(err)
	}
	if value, now, ok, err := m.GetAt("k"); value != nil || now != deleted || ok || err != nil {
		t.Errorf("deleted at %d, it is %s at %d, %v, %v", deleted, value, now, ok, err)
	}
	f("late", third, ErrChanged)
	f("absent", Absent, ErrChanged)
	f("anew", deleted, nil)
	if _, err := putAt(m, "", "", Absent); !errors.Is(err, errNoKey) {
		t.Errorf("no key: %v", err)
	}
	if _, _, _, err := m.GetAt(""); !errors.Is(err, errNoKey) {
		t.Errorf("no key: %v", err)
	}
}

// testCounts has all nodes count in one key, by changing what they have seen.
func testCounts(t *testing.T, maps []*Map) {
	const each = 25
	var all sync.WaitGroup
	for _, m := range maps {
		all.Go(func() {
			for n := 0; n < each; {
				value, was, _, err := m.GetAt("count")
				if err != nil {
					t.Error(err)
					return
				}
				var count int
				if value != nil {
					if _, err := fmt.Sscan(string(value), &count); err != nil {
						t.Error(err)
						return
					}
				}
				switch _, err = putAt(m, "count", fmt.Sprint(count+1), was); {
				case err == nil:
					n++
				case !errors.Is(err, ErrChanged):
					t.Errorf("count %d of %s: %v", n, m.s.e.o.Node, err)
					return
				}
			}
		})
	}
	all.Wait()
	was := Absent
	for n := range 100 { // nobody else changes it: each change is admitted at once
		now, err := putAt(maps[1], "own", fmt.Sprint(n), was)
		if err != nil {
			t.Fatalf("change %d: %v", n, err)
		}
		was = now
	}
	put(t, maps[0], "mark", "")
	if value, _, err := maps[0].Get("count"); err != nil || string(value) != fmt.Sprint(each*len(maps)) {
		t.Errorf("%d counts of %d nodes are %s, %v", each, len(maps), value, err)
	}
}
