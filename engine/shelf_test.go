package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// TestReadAgainstTheServer compares what the files say with what the server
// says, over several files, topics and filters, while more is appended.
func TestReadAgainstTheServer(t *testing.T) {
	e := started(t)
	l := openLog(t, e, "l", LogOptions{Shards: 1, MaxBytes: 30_000_000})
	const n = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	var appending sync.WaitGroup
	appending.Go(func() {
		for i := range n {
			topic := fmt.Sprintf("%s/%d/%d", []string{"a", "b", "ab", "$c"}[i%4], i%7, i%50)
			for appended(l, topic, fmt.Sprint(i, string(make([]byte, i%1400)))) == ErrBusy {
			}
		}
	})
	check := func(filters []string, from uint64, most int) {
		t.Helper()
		_, last := l.Bounds(0)
		entries, next, err := l.Read(context.Background(), 0, from, filters, most)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) < most && next <= last {
			t.Fatalf("%d of %d entries, and %d would be next before the end", len(entries), most, next)
		}
		want := naive(t, l, filters, from, next)
		if !slices.EqualFunc(entries, want, func(a, b Entry) bool {
			return a.At == b.At && a.Topic == b.Topic && a.Time == b.Time && string(a.Record) == string(b.Record)
		}) {
			t.Fatalf("%q from %d, %d at most: %d entries, expected %d", filters, from, most, len(entries), len(want))
		}
	}
	all := []string{"a/1/1", "a/+/8", "a/3/#", "ab/#", "a", "b/5/+", "+/1/#", "#", "$c/0/#", "$c/#", "none", "b/1/29", "a/#"}
	round := func() {
		_, last := l.Bounds(0)
		filters := slices.Clone(all)
		random.Shuffle(len(filters), func(i, j int) { filters[i], filters[j] = filters[j], filters[i] })
		check(filters[:random.IntN(4)], 1+random.Uint64N(last+1), 1+random.IntN(100))
	}
	eventually(t, "the first entry", func() bool { _, last := l.Bounds(0); return last > 0 })
	for range 100 {
		round()
	}
	appending.Wait()
	for range 100 {
		round()
	}
	if files := len(l.shards[0].shelf.blocks); files < 3 {
		t.Error("the test wants more files than", files)
	}
}

// naive reads what matches before next through the server.
func naive(t *testing.T, l *Log, filters []string, from, next uint64) (all []Entry) {
	t.Helper()
	for from < next {
		entries, after, err := l.ask(l.shards[0], nil, from, filters, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		all, from = append(all, entries...), after
	}
	return slices.DeleteFunc(all, func(e Entry) bool { return e.Seq >= next })
}

// BenchmarkReplay is sessions that come back all at once and read what they
// missed, each by its own filter, in portions, in turns.
func BenchmarkReplay(b *testing.B) {
	const sessions, portion = 2000, 64
	e, err := Start(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	l, err := e.Log("l", LogOptions{})
	if err != nil {
		b.Fatal(err)
	}
	const n = 400_000
	var all sync.WaitGroup
	all.Add(n)
	for i := range n {
		topic := fmt.Sprintf("site/%d/dev/%d/state", i%sessions%37, i%sessions)
		for tried := false; !tried; {
			tried = true
			l.Append(topic, make([]byte, 256), func(_ At, err error) {
				if err == nil {
					all.Done()
				} else {
					tried = false
				}
			})
		}
	}
	all.Wait()
	for _, kind := range []string{"site/%[2]d/dev/%[1]d/state", "site/%[2]d/dev/%[1]d/#", "site/+/dev/%[1]d/#", "+/+/+/%[1]d/+"} {
		b.Run(kind, func(b *testing.B) {
			next := make([]uint64, sessions)
			b.ReportAllocs()
			for read := 0; read < b.N; {
				for i := range sessions {
					topic := fmt.Sprintf("site/%d/dev/%d/state", i%37, i)
					entries, after, err := l.Read(context.Background(), l.Shard(topic), next[i], []string{fmt.Sprintf(kind, i, i%37)}, portion)
					if err != nil {
						b.Fatal(err)
					}
					if next[i] = after; len(entries) == 0 {
						next[i] = 1
					}
					if read += len(entries); read >= b.N {
						break
					}
				}
			}
		})
	}
}
