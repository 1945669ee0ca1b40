package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fill appends n entries over some topics and waits until they are kept.
func fill(t *testing.T, l *Log, n, topics int) {
	t.Helper()
	var all sync.WaitGroup
	all.Add(n)
	for i := range n {
		l.Append(fmt.Sprint("site/", i%topics), fmt.Append(nil, i), func(_ At, err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
	}
	all.Wait()
}

// readAll reads a shard in portions.
func readAll(t *testing.T, l *Log, shard int, filters []string, most int) (all []Entry) {
	t.Helper()
	_, last := l.Bounds(shard)
	for next := uint64(1); next <= last; {
		entries, after, err := l.Read(context.Background(), shard, next, filters, most)
		if err != nil || after <= next || len(entries) > most {
			t.Fatal(len(entries), next, after, err)
		}
		all, next = append(all, entries...), after
	}
	return all
}

func TestLog(t *testing.T) {
	dir := t.TempDir()
	e := start(t, Options{Dir: dir})
	l := openLog(t, e, "messages", LogOptions{Shards: 3})
	const n, topics = 2000, 17
	fill(t, l, n, topics)
	check := func() {
		total := 0
		for shard := range l.Shards() {
			entries := readAll(t, l, shard, nil, 100)
			total += len(entries)
			for i, e := range entries {
				if e.At != (At{shard, uint64(i) + 1}) || e.Time == 0 {
					t.Fatalf("entry %d: %+v", i, e)
				}
			}
			for k := range topics {
				name := fmt.Sprint("site/", k)
				var want, got []Entry
				for _, e := range entries {
					if e.Topic == name {
						want = append(want, e)
					}
				}
				got = readAll(t, l, shard, []string{name}, 7)
				if !slices.EqualFunc(want, got, func(a, b Entry) bool { return a.At == b.At && string(a.Record) == string(b.Record) }) {
					t.Fatalf("%s: %d entries, expected %d", name, len(got), len(want))
				}
			}
		}
		if total != n {
			t.Errorf("%d entries, expected %d", total, n)
		}
	}
	check()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	l = openLog(t, start(t, Options{Dir: dir}), "messages", LogOptions{Shards: 3})
	check()
}

func TestTopicsOfALog(t *testing.T) {
	l := openLog(t, started(t), "l", LogOptions{Shards: 1})
	for _, topic := range []string{"a", "/", "a//b", " a b ", "a.b.>", "$SYS/x", "ü/\x01", strings.Repeat("x/", 32767)} {
		if err := appended(l, topic, "r"); err != nil {
			t.Errorf("%.40q: %v", topic, err)
		}
		_, last := l.Bounds(0)
		got, next, err := l.Read(context.Background(), 0, last, []string{topic}, 1)
		if err != nil || len(got) != 1 || got[0].Topic != topic || string(got[0].Record) != "r" || next != last+1 {
			t.Errorf("%.40q: %d entries, next %d, %v", topic, len(got), next, err)
		}
	}
	says(t, appended(l, "", "r"), "topic")
	says(t, appended(l, strings.Repeat("x", 65536), "r"), "65535")
}

// TestTail follows from the middle of what is there into what is appended, with more than memory holds behind.
func TestTail(t *testing.T) {
	e := started(t)
	l := openLog(t, e, "l", LogOptions{Shards: 1})
	fill(t, l, 1000, 10)
	const total = 3000
	got := make(chan uint64, total)
	stop, err := l.Tail(0, 500, func(e Entry) { got <- e.Seq })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	fill(t, l, total-1000, 10)
	for want := uint64(501); want <= total; want++ {
		if seq := <-got; seq != want {
			t.Fatalf("%d came, expected %d", seq, want)
		}
	}
	if _, err := l.Tail(1, 0, nil); err == nil {
		t.Error("there is no shard 1")
	}
}
