package clustertest

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestPowerCut: all nodes are killed at once and come back one by one, the second
// longer after the first than nodes are ever started anew. The first one waits, may
// be stopped meanwhile, and nothing acknowledged is lost.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	w := clustered
	w.Promise = BestEffort
	run := w.Start(t, nodes...)
	time.Sleep(2 * time.Second) // of work
	for _, n := range nodes {
		n.Kill()
	}
	run.History.Note("all are killed")
	first := nodes[0]
	waits(t, first)
	first.Stop()
	if code := first.cmd.ProcessState.ExitCode(); code != 0 {
		fail(t, nodes, "stopped while it waited, %s ends with %d", first.Name, code)
	}
	began := waits(t, first)
	select {
	case <-first.gone:
		fail(t, nodes, "%s has ended instead of waiting", first.Name)
	case <-time.After(75 * time.Second):
	}
	run.History.Note("the second starts")
	startAll(t, nodes[1])
	if err := first.await(began); err != nil {
		fail(t, nodes, "%v", err)
	}
	joined(t, nodes[:2]...)
	run.History.Note("two run")
	startAll(t, nodes[2])
	joined(t, nodes...)
	judge(t, run, nodes...)
}

// waits starts a node of three without the others, and returns when it says that it
// waits for them, with where in the log the words of this start are.
func waits(t *testing.T, n *Node) (began int64) {
	t.Helper()
	began, err := n.start()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(n.log)
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(string(text[began:]), "waiting until 2 of the 3 members of the cluster run"):
			return began
		case !n.Running() || time.Now().After(deadline):
			fail(t, []*Node{n}, "%s doesn't wait for others", n.Name)
		}
	}
}
