package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestNodesKilled kills one of three nodes after the other while all of them append.
// Nothing that was acknowledged is lost, and each node's order is kept.
func TestNodesKilled(t *testing.T) {
	t.Parallel()
	nodes := three(t)
	nodes[0].tries("copied 2")
	for _, c := range nodes {
		c.load()
	}
	for round := range 6 {
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		c := nodes[rand.IntN(len(nodes))]
		c.kill()
		other := nodes[0]
		if other == c {
			other = nodes[1]
		}
		began := time.Now()
		other.tries(fmt.Sprint("append killed ", round+1))
		t.Logf("round %d: %s killed, appends go on after %v", round, c.o.Node, time.Since(began))
		c.begin()
		c.up().load()
	}
	for _, c := range nodes {
		c.does("stop")
	}
	sound(t, nodes...)
	for _, c := range nodes {
		t.Logf("%s: %d kept, %d not: %v", c.o.Node, len(c.kept), len(c.lost), slices.Compact(slices.Sorted(maps.Values(c.lost))))
	}
}
