package clustertest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// evacuate begins to send the node's clients to others.
func evacuate(t *testing.T, n *Node, rate int, to ...*Node) {
	t.Helper()
	evacuateBy(t, n, n, rate, to...)
}

// evacuateBy has another node do so.
func evacuateBy(t *testing.T, by, n *Node, rate int, to ...*Node) {
	t.Helper()
	var servers []string
	for _, other := range to {
		servers = append(servers, other.Listener())
	}
	body := fmt.Sprintf(`{"conn_evict_rate":%d,"redirect_to":%q,"wait_health_check":0,"wait_takeover":%d}`, rate, strings.Join(servers, " "), min(20*len(to), 20))
	if err := by.Call("POST", "/load_rebalance/"+n.Name+"/evacuation/start", body, nil); err != nil {
		t.Fatal(err)
	}
}

// evacuation is what a node says of its own.
type evacuation struct {
	Status, State string
	Stats         struct {
		Initial int `json:"initial_connected"`
		Current int `json:"current_connected"`
	}
}

// evacuated waits until no client is connected to the node.
func evacuated(t *testing.T, n *Node) (e evacuation) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		e = evacuation{}
		if err := n.Get("/load_rebalance/status", &e); err != nil {
			t.Fatal(err)
		}
		if e.State == "prohibiting" && e.Stats.Current == 0 {
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not evacuated after %v: %+v", n.Name, patience, e)
		}
	}
}

func letIn(t *testing.T, n *Node) {
	t.Helper()
	if err := n.Call("POST", "/load_rebalance/"+n.Name+"/evacuation/stop", "", nil); err != nil {
		t.Fatal(err)
	}
}

// TestEvacuateAndReturn: a node sends its clients away again and again, and they
// have nowhere else to go: when they are let in, their sessions are there and
// nothing acknowledged is lost.
func TestEvacuateAndReturn(t *testing.T) {
	n := started(t, nil, unlimited)
	w := standard
	w.Away = 0
	run := w.Start(t, n)
	away := 0
	for range 5 {
		time.Sleep(500 * time.Millisecond)
		evacuate(t, n, 100)
		away += evacuated(t, n).Stats.Initial
		run.History.Note("evacuated")
		letIn(t, n)
	}
	if away == 0 {
		t.Error("nobody was ever there")
	}
	judge(t, run, n)
}

// TestEvacuateByAnother: any node of a cluster can be asked to empty another one,
// and all know of it.
func TestEvacuateByAnother(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	evacuateBy(t, nodes[0], nodes[1], 100, nodes[2])
	evacuated(t, nodes[1])
	for _, n := range nodes {
		var all struct{ Evacuations map[string]evacuation }
		if err := n.Get("/load_rebalance/global_status", &all); err != nil || len(all.Evacuations) != 1 || all.Evacuations[nodes[1].Name].State != "prohibiting" {
			t.Errorf("%s says %+v, %v", n.Name, all, err)
		}
	}
}
