package clustertest

import (
	"os"
	"testing"
	"time"
)

// many are 300 clients with sessions and traffic, who go where they are sent.
var many = Workload{Publishers: 30, Subscribers: 270, Topics: 90, Rate: 2, Size: 100, Reconnect: Follow, Online: 20 * time.Second}

// roll restarts one node after the other: it sends its clients to the others and
// stops when nobody is left; between does something while it is down.
func roll(t *testing.T, run *Run, nodes []*Node, between func(*Node)) {
	t.Helper()
	for i, n := range nodes {
		others := append(append([]*Node(nil), nodes[i+1:]...), nodes[:i]...)
		run.History.Note("%s sends its clients away", n.Name)
		evacuate(t, n, 200, others...)
		e := evacuated(t, n)
		t.Logf("%s has sent %d clients away", n.Name, e.Stats.Initial)
		if e.Stats.Initial == 0 {
			t.Errorf("nobody was at %s", n.Name)
		}
		n.Stop()
		run.History.Note("%s has stopped", n.Name)
		between(n)
		n.Start()
		joined(t, nodes...)
		run.History.Note("%s is back", n.Name)
	}
}

// TestRollingRestart: nothing that was acknowledged is lost, no session is
// forgotten, and nobody is connected to a node that stops.
func TestRollingRestart(t *testing.T) {
	nodes := newCluster(t, nil, 3)
	run := many.Start(t, nodes...)
	roll(t, run, nodes, func(*Node) {})
	judge(t, run, nodes...)
}

// TestRollingUpgrade is TestRollingRestart from another version, whose program is
// the file $DUNLIN_OLD; `make upgrade OLD=commit` builds it. Two versions are side
// by side until the last node has been restarted.
func TestRollingUpgrade(t *testing.T) {
	old := os.Getenv("DUNLIN_OLD")
	if old == "" {
		t.Skip("DUNLIN_OLD, the program of an older version, is not set")
	}
	nodes := newClusterOf(t, old, nil, 3)
	run := many.Start(t, nodes...)
	roll(t, run, nodes, func(n *Node) { n.program = program })
	judge(t, run, nodes...)
}
