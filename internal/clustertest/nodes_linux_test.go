package clustertest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestRoam: nothing fails, and clients come to whichever node they like.
func TestRoam(t *testing.T) {
	n := rounds(t)
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	w := clustered
	w.Reconnect = Roam
	w.Steady = false
	run := w.Start(t, nodes...)
	time.Sleep(time.Duration(n) * 4 * time.Second)
	judge(t, run, nodes...)
}

// TestNodeDies: a node dies and stays dead: its clients go on elsewhere and
// nothing acknowledged is lost.
func TestNodeDies(t *testing.T) {
	rounds(t)
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	w := clustered
	w.Promise = BestEffort
	run := w.Start(t, nodes...)
	time.Sleep(time.Second + rand.N(time.Second))
	nodes[0].Kill()
	run.History.Note("%s is killed", nodes[0].Name)
	time.Sleep(5 * time.Second)
	judge(t, run, nodes[1:]...)
}

// TestNodeHangs: a node stops for longer than anybody waits, and goes on as if
// nothing had been.
func TestNodeHangs(t *testing.T) {
	n := rounds(t)
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	run := clustered.Start(t, nodes...)
	for round := range n {
		time.Sleep(time.Second)
		hangs := round % len(nodes)
		run.History.Note("%s hangs", nodes[hangs].Name)
		nodes[hangs].Pause()
		end := time.Now().Add(while(round))
		meet(t, slices.Delete(slices.Clone(nodes), hangs, hangs+1)...)
		time.Sleep(time.Until(end))
		nodes[hangs].Resume()
		heals(t, run, nodes...)
	}
	judge(t, run, nodes...)
}

// TestNodesMove: one node after the other is killed and comes back at another
// address.
func TestNodesMove(t *testing.T) {
	rounds := rounds(t)
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	w := clustered
	w.Promise = BestEffort
	run := w.Start(t, nodes...)
	for range rounds {
		for _, n := range nodes {
			time.Sleep(time.Second)
			run.History.Note("%s moves", n.Name)
			n.Readdress()
			heals(t, run, nodes...)
		}
	}
	judge(t, run, nodes...)
}

// TestNodesKilled: kill -9 of one node, of two and of all three, at random
// moments and again while they are coming back. Nothing acknowledged is lost,
// nothing of QoS 2 comes twice to a session, and the order stays.
func TestNodesKilled(t *testing.T) {
	rounds := rounds(t)
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	w := clustered
	w.Promise = BestEffort
	run := w.Start(t, nodes...)
	atOnce := []int{1, 2, 1, 3, 1} // by turns
	for i := range 10 * rounds {
		time.Sleep(rand.N(2 * time.Second))
		rand.Shuffle(len(nodes), func(a, b int) { nodes[a], nodes[b] = nodes[b], nodes[a] })
		victims := nodes[:atOnce[i%len(atOnce)]]
		for _, n := range victims {
			n.Kill()
			run.History.Note("kill %d: %s", i+1, n.Name)
		}
		time.Sleep(rand.N(time.Second))
		if rand.IntN(3) == 0 {
			victims[0].StartAndKill(rand.N(2 * time.Second))
			run.History.Note("%s is killed while it starts", victims[0].Name)
		}
		startAll(t, victims...)
		run.History.Note("all run")
		if rand.IntN(2) == 0 {
			joined(t, nodes...)
			run.History.Note("all know it")
		}
	}
	judge(t, run, nodes...)
}
