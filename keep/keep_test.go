package keep_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

var (
	_ keep.Map   = (*keep.Memory)(nil)
	_ keep.Later = (*keep.Memory)(nil)
	_ keep.Map   = (*keeptest.Map)(nil)
	_ keep.Later = (*keeptest.Map)(nil)
)

// follower notes what it is told.
type follower struct {
	mu  sync.Mutex
	log []string
}

var errBad = errors.New("bad")

func (f *follower) apply(c keep.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	word := c.Key + "=" + string(c.Value)
	if c.Deleted {
		word = "-" + c.Key
	}
	f.log = append(f.log, word)
	if string(c.Value) == "bad" {
		return fmt.Errorf("%s: %w", c.Key, errBad)
	}
	return nil
}

func (f *follower) expect(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.log, want) {
		t.Errorf("told %q, want %q", f.log, want)
	}
	f.log = nil
}

func put(t *testing.T, m keep.Map, key, value string) {
	t.Helper()
	if err := m.Put(key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	var m keep.Memory
	var f follower
	var text bytes.Buffer
	put(t, &m, "a", "1")
	put(t, &m, "gone", "")
	if err := m.Delete("gone"); err != nil {
		t.Fatal(err)
	}
	if err := keep.Follow(&m, slog.New(slog.NewTextHandler(&text, nil)), f.apply); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "a=1")
	value := []byte("2")
	if err := m.Put("a", value); err != nil {
		t.Fatal(err)
	}
	value[0] = 'x' // it was a copy
	if err := m.PutAll(func(yield func(string, []byte) bool) { _ = yield("b", nil) && yield("c", []byte("3")) }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Delete("b"), m.Delete("never there")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "a=2", "b=", "c=3", "-b")
	put(t, &m, "d", "bad")
	if !strings.Contains(text.String(), "what was in force stays") || !strings.Contains(text.String(), "d: bad") {
		t.Errorf("the log says %q", &text)
	}
	if err := m.Put("", nil); err == nil {
		t.Error("an empty key was taken")
	}
}

func TestFollowWhatIsBad(t *testing.T) {
	var f follower
	err := keep.Follow(keeptest.Of(map[string]string{"a": "bad", "b": "bad", "c": "good"}), nil, f.apply)
	if !errors.Is(err, errBad) || !strings.Contains(err.Error(), "a: bad") || !strings.Contains(err.Error(), "b: bad") || len(f.log) != 3 {
		t.Error(err, f.log)
	}
	m := keeptest.New()
	m.Fail(errBad)
	if err := keep.Follow(m, nil, f.apply); !errors.Is(err, errBad) {
		t.Error(err)
	}
}

func TestMemoryLater(t *testing.T) {
	var m keep.Memory
	var order []int
	var all sync.WaitGroup
	for i := range 100 {
		all.Add(1)
		m.PutLater(fmt.Sprint(i%10), []byte{byte(i)}, func(err error) {
			if order = append(order, i); err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	all.Add(1)
	m.DeleteLater("3", func(error) { all.Done() })
	m.PutLater("last", nil, nil)
	all.Wait()
	if len(order) != 100 || !slices.IsSorted(order) {
		t.Errorf("%v", order)
	}
	var keys []string
	if err := m.Each(func(key string, _ []byte) error { keys = append(keys, key); return nil }); err != nil || slices.Contains(keys, "3") {
		t.Error(keys, err)
	}
}

func TestStop(t *testing.T) {
	var m keep.Memory
	calls := 0
	stop, err := m.Watch(func(keep.Change) { calls++ })
	if err != nil {
		t.Fatal(err)
	}
	put(t, &m, "a", "")
	stop()
	put(t, &m, "b", "")
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

func TestNodes(t *testing.T) {
	m := keeptest.New()
	other := m.Node()
	var here, there follower
	if err := errors.Join(keep.Follow(m, nil, here.apply), keep.Follow(other, nil, there.apply)); err != nil {
		t.Fatal(err)
	}
	other.Hold()
	put(t, m, "a", "1")
	put(t, other, "b", "2")
	if err := m.Delete("a"); err != nil {
		t.Fatal(err)
	}
	here.expect(t, "a=1", "b=2", "-a")
	there.expect(t)
	other.Release()
	there.expect(t, "a=1", "b=2", "-a")
	m.Fail(errBad)
	if err := m.Put("x", nil); !errors.Is(err, errBad) || !errors.Is(m.Delete("b"), errBad) {
		t.Error(err)
	}
	failed := make(chan error)
	m.PutLater("x", nil, func(err error) { failed <- err })
	if err := <-failed; !errors.Is(err, errBad) {
		t.Error(err)
	}
	put(t, other, "c", "")
	if keys := m.Keys(); !slices.Equal(keys, []string{"b", "c"}) || m.Writes() != 2 {
		t.Errorf("%v after %d writes", keys, m.Writes())
	}
}
