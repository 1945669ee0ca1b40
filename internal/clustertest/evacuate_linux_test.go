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
	var servers []string
	for _, other := range to {
		servers = append(servers, other.Listener())
	}
	body := fmt.Sprintf(`{"conn_evict_rate":%d,"redirect_to":%q,"wait_health_check":0,"wait_takeover":0}`, rate, strings.Join(servers, " "))
	if err := n.Call("POST", "/load_rebalance/"+n.Name+"/evacuation/start", body, nil); err != nil {
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

// TestRollingRestart: one node after the other sends its clients to the other
// two, stops when nobody is left, and comes back. 300 clients have sessions and
// traffic meanwhile, and go where they are sent: nothing that was acknowledged is
// lost, no session is forgotten, and nobody is connected to a node that stops.
func TestRollingRestart(t *testing.T) {
	nodes := newCluster(t, nil, 3)
	run := Workload{Publishers: 30, Subscribers: 270, Topics: 90, Rate: 2, Size: 100, Reconnect: Follow}.Start(t, nodes...)
	for i, n := range nodes {
		others := []*Node{nodes[(i+1)%3], nodes[(i+2)%3]}
		run.History.Note("%s sends its clients away", n.Name)
		evacuate(t, n, 200, others...)
		e := evacuated(t, n)
		t.Logf("%s has sent %d clients away", n.Name, e.Stats.Initial)
		if e.Stats.Initial == 0 {
			t.Errorf("nobody was at %s", n.Name)
		}
		n.Stop()
		run.History.Note("%s has stopped", n.Name)
		n.Start()
		joined(t, nodes...)
		run.History.Note("%s is back", n.Name)
	}
	judge(t, run, nodes...)
}
