package server

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// otherNodes take sessions by ending them here.
type otherNodes struct {
	*testServer
	running []string

	mu   sync.Mutex
	took map[string]int // by node
	deaf map[string]bool
}

func (o *otherNodes) Running() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.running)
}

func (o *otherNodes) Fetch(node string, clients []string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.deaf[node] {
		return errors.New("it doesn't answer")
	}
	o.took[node] += len(clients)
	b := o.broker.NewBatch()
	defer b.End()
	for _, id := range clients {
		o.broker.Kick(b, id)
	}
	return nil
}

// withSessions is a server with sessions of clients that are away, and one of a
// client that stays.
func withSessions(t *testing.T, count int, nodes ...string) *otherNodes {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
	o := &otherNodes{testServer: ts, running: nodes, took: make(map[string]int), deaf: make(map[string]bool)}
	ts.options.Others = o
	for i := range count {
		nc := dial(t, ts.addr("tcp"))
		talk(t, nc, quiet(fmt.Sprint("c", i), 600), []byte{0x20})
		if err := nc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !eventually(func() bool { return ts.broker.Connected() == 0 }) {
		t.Fatalf("%d clients are still there", ts.broker.Connected())
	}
	return o
}

func moving(rate int, to ...string) Evacuation {
	e := now()
	e.SessionRate, e.MigrateTo = rate, to
	return e
}

// TestMigrate: sessions without a client go to the other nodes, evenly, or to those
// that are named; one that doesn't answer holds nothing up.
func TestMigrate(t *testing.T) {
	f := func(name string, e Evacuation, left int, want map[string]int) {
		t.Run(name, func(t *testing.T) {
			o := withSessions(t, 30, "a", "b", "deaf")
			o.deaf["deaf"] = true
			o.evacuate(e)
			o.reaches(Evacuated)
			o.mu.Lock()
			defer o.mu.Unlock()
			sum := 0
			for node, n := range o.took {
				if sum += n; want[node] == 0 {
					t.Errorf("node %s took %d", node, n)
				}
			}
			if n := o.broker.Sessions(); n != left || sum != 30-left || len(o.took) != len(want) {
				t.Errorf("%d sessions are left, taken are %v", n, o.took)
			}
		})
	}
	f("all", moving(1_000_000), 0, map[string]int{"a": 1, "b": 1})
	f("one", moving(1_000_000, "b"), 0, map[string]int{"b": 1})
	f("slowly", moving(100, "a", "b"), 0, map[string]int{"a": 1, "b": 1})
	f("none", moving(0), 30, nil)
}

// TestMigrateWaits: sessions wait for the nodes that are named, and that can be
// ended.
func TestMigrateWaits(t *testing.T) {
	o := withSessions(t, 3, "a")
	o.evacuate(moving(100, "b"))
	o.reaches(EvictingSessions)
	time.Sleep(3 * evictPause)
	if e := o.Evacuation(); e.State != EvictingSessions || e.Sessions != 3 {
		t.Errorf("without the node the evacuation is %+v", e)
	}
	if err := o.EndEvacuation(); err != nil {
		t.Fatal(err)
	}
	o.evacuate(moving(100, "b"))
	o.mu.Lock()
	o.running = append(o.running, "b")
	o.mu.Unlock()
	o.reaches(Evacuated)
	if n := o.broker.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	o.mu.Lock()
	o.running = nil
	o.mu.Unlock()
	if err := o.EndEvacuation(); err != nil {
		t.Fatal(err)
	}
	talk(t, dial(t, o.addr("tcp")), quiet("late", 600), []byte{0x20})
	o.evacuate(moving(100))
	o.reaches(Evacuated) // there are no other nodes
	if n := o.broker.Sessions(); n != 1 {
		t.Errorf("%d sessions are left, want 1", n)
	}
}
