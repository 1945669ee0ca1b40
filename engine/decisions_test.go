package engine

import (
	"os"
	"sync"
	"testing"
)

// TestCopiesOutliveAKill: of three nodes that are killed at once, as soon as the
// second and third have their copies, these two have all that was kept, also
// what was before there were others.
func TestCopiesOutliveAKill(t *testing.T) {
	t.Parallel()
	oa, ob, oc := node(t, "a"), node(t, "b"), node(t, "c")
	a := start(t, oa)
	put(t, openMap(t, a, "m"), "k", "v")
	kept(t, openLog(t, a, "l", LogOptions{Shards: 1}), "t", 0, 100)
	b, c := start(t, ob), start(t, oc)
	for _, e := range []*Engine{b, c} {
		eventually(t, "a member more", func() bool { return e.Join(within(t), oa.Cluster.Door) == nil })
	}
	copied(t, a, b, c)
	for _, e := range []*Engine{b, c} {
		eventually(t, "a snapshot of what was decided", func() bool {
			entries, _ := serverGroup(e.to().server, metaGroup).Size()
			return entries == 0
		})
	}
	// What a kill leaves of them.
	killed := []Options{ob, oc}
	for i := range killed {
		dir := memory(t)
		if err := os.CopyFS(dir, os.DirFS(killed[i].Dir)); err != nil {
			t.Fatal(err)
		}
		killed[i].Dir = dir
	}
	for _, e := range []*Engine{a, b, c} {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	again := make([]*Engine, len(killed))
	var starting sync.WaitGroup
	for i, o := range killed {
		starting.Go(func() { // each waits for the other
			e, err := Start(o)
			if err != nil {
				t.Error(err)
				return
			}
			again[i] = e
			t.Cleanup(func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	for _, e := range again {
		expect(t, openMap(t, e, "m"), "k=v")
		holds(t, e, openLog(t, e, "l", LogOptions{Shards: 1}), 100)
	}
}
