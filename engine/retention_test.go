package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
)

// TestRetentionByBytes: the oldest entries go, Bounds and the metric say so,
// and who reads from before goes on with what is there.
func TestRetentionByBytes(t *testing.T) {
	r := new(metrics.Registry)
	e := start(t, Options{Dir: t.TempDir(), Metrics: r})
	l := openLog(t, e, "l", LogOptions{Shards: 1, MaxBytes: 100_000})
	const n = 2000
	fill := func(from int) {
		t.Helper()
		for i := range n {
			if err := appended(l, "t", fmt.Sprintf("%0100d", from+i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(0)
	if got := readAll(t, l, 0, nil, 100); string(got[len(got)-1].Record) != fmt.Sprintf("%0100d", n-1) || len(got) >= n {
		t.Errorf("%d entries, the last is %s", len(got), got[len(got)-1].Record)
	}
	fill(n) // files that have been read go as well
	e.retained()
	first, last := l.Bounds(0)
	if last != 2*n || first < n {
		t.Error(first, last)
	}
	if removed, _ := r.Get("engine.removed"); removed.Value != int64(first)-1 {
		t.Errorf("%d were removed, the first is %d", removed.Value, first)
	}
	got, next, err := l.Read(context.Background(), 0, 1, []string{"+"}, n)
	if err != nil || next != last+1 || uint64(len(got)) != last-first+1 || got[0].Seq != first {
		t.Errorf("%d entries from %d, next %d, %v; there are %d to %d", len(got), got[0].Seq, next, err, first, last)
	}
}

func TestRetentionByAge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := start(t, Options{Dir: dir})
	l := openLog(t, e, "l", LogOptions{Shards: 2})
	fill(t, l, 100, 10)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = start(t, Options{Dir: dir})
	l = openLog(t, e, "l", LogOptions{Shards: 2, MaxAge: time.Second}) // is changed
	eventually(t, "an empty log", func() bool {
		e.retained()
		for shard := range l.Shards() {
			if first, last := l.Bounds(shard); first <= last || last == 0 {
				return false
			}
		}
		return true
	})
	for shard := range l.Shards() {
		_, last := l.Bounds(shard)
		got, next, err := l.Read(context.Background(), shard, 1, nil, 10)
		if len(got) != 0 || next != last+1 || err != nil {
			t.Errorf("%d entries, next %d of %d, %v", len(got), next, last, err)
		}
	}
}
