package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestOrderWhileGrowing demands each node's entries in its own order while
// nodes join, copies are made and leaders change.
func TestOrderWhileGrowing(t *testing.T) {
	t.Parallel()
	var all []*Engine
	var end atomic.Bool
	var loads sync.WaitGroup
	load := func(e *Engine, name string) {
		l := openLog(t, e, "l", LogOptions{Shards: 1})
		slots := make(chan struct{}, 32)
		loads.Go(func() {
			for i := 0; !end.Load(); i++ {
				slots <- struct{}{}
				l.Append("t", fmt.Appendf(nil, "%s %d", name, i), func(At, error) { <-slots })
				time.Sleep(100 * time.Microsecond)
			}
			for range cap(slots) {
				slots <- struct{}{}
			}
		})
	}
	for i, name := range []string{"a", "b", "c"} {
		e := start(t, node(t, name))
		all = append(all, e)
		if i > 0 {
			if err := e.Join(within(t), all[0].o.Cluster.Door); err != nil {
				t.Fatal(err)
			}
		}
		load(e, name)
	}
	copied(t, all...)
	end.Store(true)
	loads.Wait()
	l := openLog(t, all[0], "l", LogOptions{Shards: 1})
	latest := make(map[string]int)
	total := 0
	for from := uint64(1); ; {
		entries, next, err := l.Read(within(t), 0, from, nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if next == from {
			break
		}
		for _, e := range entries {
			var name string
			var n int
			if _, err := fmt.Sscan(string(e.Record), &name, &n); err != nil {
				t.Fatal(err)
			}
			if last, is := latest[name]; is && n <= last {
				t.Errorf("entry %d is %s %d, after %d", e.Seq, name, n, last)
			}
			latest[name] = n
			total++
		}
		from = next
	}
	t.Logf("%d entries, the last ones %v", total, latest)
}
