package retain

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/topic"
)

// topicsOf goes through all that a cursor finds.
func topicsOf(c *Cursor) (topics []string) {
	for c != nil {
		m, more := c.Next(0)
		switch {
		case m != nil:
			topics = append(topics, m.Topic)
		case !more:
			return topics
		}
	}
	return topics
}

// next is the next message as "topic=payload", or "" at the end.
func next(t *testing.T, c *Cursor) string {
	t.Helper()
	m, more := c.Next(0)
	if m == nil && more {
		t.Fatal("the search takes too long")
	}
	if m == nil {
		return ""
	}
	return m.Topic + "=" + string(m.Payload)
}

func TestFindNothing(t *testing.T) {
	s := filled(t, Config{}, "a=1")
	if s.Find("b") != nil {
		t.Error("a cursor for a topic that isn't there")
	}
	c := s.Find("b/#")
	for range 2 {
		if got := next(t, c); got != "" {
			t.Errorf("b/# finds %s", got)
		}
	}
}

// TestCursorOrder: oldest first, as long as a piece has it all.
func TestCursorOrder(t *testing.T) {
	s := New(Config{})
	for i := range chunk + 1 {
		m := message(fmt.Sprintf("t/%04d", i), "x")
		m.Timestamp = int64(chunk - i)
		if err := s.Put(m, 0); err != nil {
			t.Error(err)
		}
	}
	got := topicsOf(s.Find("t/#"))
	if len(got) != chunk+1 || got[0] != fmt.Sprintf("t/%04d", chunk-1) || got[chunk-1] != "t/0000" || got[chunk] != fmt.Sprintf("t/%04d", chunk) {
		t.Errorf("%d messages, from %s to %s", len(got), got[0], got[len(got)-1])
	}
	s.Delete("t/0007")
	got = topicsOf(s.Find("t/#"))
	slices.Reverse(got)
	if len(got) != chunk || !slices.IsSorted(got) {
		t.Errorf("the %d messages of one piece are not in order", len(got))
	}
}

// TestCursorBytes: few large messages make a piece as well as many small ones.
func TestCursorBytes(t *testing.T) {
	s := New(Config{})
	large := strings.Repeat("x", chunkBytes/4)
	for i := range 12 {
		put(t, s, fmt.Sprintf("t/%02d=%s", i, large))
	}
	c := s.Find("#")
	next(t, c)
	if len(c.piece) > 4 {
		t.Errorf("a piece has %d messages of 256 KB", len(c.piece))
	}
	if n := 1 + len(topicsOf(c)); n != 12 {
		t.Errorf("%d messages, want 12", n)
	}
}

// TestCursorSeesChanges: what changes while the reader is slow comes as it is
// now, or not at all.
func TestCursorSeesChanges(t *testing.T) {
	s := filled(t, Config{}, "a=1", "b=1", "c=1", "d=1", "e=1")
	c := s.Find("#")
	if got := next(t, c); got != "a=1" {
		t.Errorf("got %q", got)
	}
	put(t, s, "a=2") // behind the cursor
	put(t, s, "b=2")
	s.Delete("c")
	expiring := message("d", "2")
	expiring.ExpiresAt = -1
	if err := s.Put(expiring, 0); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"b=2", "e=1", ""} {
		if got := next(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestCursorAgainstModel changes the store at random while cursors go through
// it: each topic comes at most once, and as it is at that moment; those that
// are there all the time do come.
func TestCursorAgainstModel(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 4))
		words := words(30)
		s, model := New(Config{}), map[string]string{}
		change := func(n int, touched map[string]bool) {
			for range n {
				name, payload := randomTopic(r, words), fmt.Sprint(r.Int())
				touched[name] = true
				if r.IntN(3) == 0 {
					s.Delete(name)
					delete(model, name)
				} else {
					put(t, s, name+"="+payload)
					model[name] = payload
				}
			}
		}
		change(3000, map[string]bool{})
		before, touched, got := maps.Clone(model), map[string]bool{}, map[string]bool{}
		filter := randomFilter(r, words)
		for c := s.Find(filter); c != nil; {
			m, more := c.Next(0)
			if m == nil && !more {
				break
			}
			if m == nil {
				continue
			}
			if got[m.Topic] || !topic.Match(filter, m.Topic) || model[m.Topic] != string(m.Payload) {
				t.Fatalf("seed %d: %s: %q=%q, seen before: %t, stored: %q", seed, filter, m.Topic, m.Payload, got[m.Topic], model[m.Topic])
			}
			got[m.Topic] = true
			change(r.IntN(3), touched)
		}
		for name := range before {
			if topic.Match(filter, name) && !touched[name] && !got[name] {
				t.Fatalf("seed %d: %s misses %q", seed, filter, name)
			}
		}
	}
}

// TestCursorPausesLongSearches: a filter that finds nothing in a large store
// doesn't keep its caller for long, and does come to an end.
func TestCursorPausesLongSearches(t *testing.T) {
	s := New(Config{})
	for i := range 5 * patience / 2 {
		put(t, s, fmt.Sprintf("%d/a=x", i))
	}
	put(t, s, "5/b=1")
	c := s.Find("+/b")
	pauses, found := 0, 0
	for {
		m, more := c.Next(0)
		if m == nil && !more {
			break
		}
		if m == nil {
			pauses++
		} else {
			found++
		}
	}
	if pauses != 2 || found != 1 {
		t.Errorf("%d pauses, %d found, want 2 and 1", pauses, found)
	}
}

// TestCursorAllocates: going through many costs a cursor, not the messages.
func TestCursorAllocates(t *testing.T) {
	s := sitesStore(t, 10, 20*chunk)
	n := testing.AllocsPerRun(5, func() { drain(s.Find("#")) })
	if n > 20 {
		t.Errorf("%d messages cost %v allocations", s.Len(), n)
	}
}
