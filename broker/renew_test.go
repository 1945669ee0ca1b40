package broker

import (
	"fmt"
	"slices"
	"testing"
)

// A node that joins others has another log and other maps: its sessions stay, go
// on at the end of the log, and are kept there. What waited is counted.
func TestLogRenewed(t *testing.T) {
	r, l := newDurableRig(t, 2)
	live := r.connect("live", durably, window(4)).subscribe("t/+", 1).subscribe("$share/g/s", 1)
	away := r.connect("away", durably).subscribe("t/+", 2)
	away.close("closed")
	pub := r.connect("pub")
	for i := range 20 {
		pub.publish(fmt.Sprint("t/", i%5), fmt.Sprint("old ", i), 1)
	}
	r.quiet()
	got := live.take()
	after := r.LogRenewed(false)
	l.become(3)
	sessions, states := r.durable.sessions.(*fakeMap), r.durable.states.(*fakeMap)
	sessions.wipe()
	states.wipe()
	after()
	r.quiet()
	if d := r.Ledger().Dropped["log_retention"]; d != 36 {
		t.Errorf("%d deliveries are counted as gone with the log, want 36", d)
	}
	for _, s := range got {
		live.ack(r.batch, s)
	}
	pub.publish("t/1", "new", 1)
	live.gets("t/1=new")
	again, _ := r.crashed()
	if got := again.connect("away", durably).ackAll(); !slices.Equal(got, []string{"new"}) {
		t.Errorf("who was away got %q", got)
	}
	if p := again.connect("live", durably); !p.present || p.client.Status().Subscribed != 2 {
		t.Error("the session that was connected isn't kept")
	}
	r.balances()
}

// What a node had as a member it doesn't have when it is alone again: the others
// have it.
func TestLetGo(t *testing.T) {
	c := newFakeCluster(t, 3, 1)
	a, b := c.nodes[0], c.nodes[1]
	client := a.rig.connect("c", durably).subscribe("t", 1)
	memory := a.rig.connect("memory").subscribe("t", 1)
	c.quiet()
	after := a.rig.LogRenewed(true)
	a.dead.Store(true)
	a.cut.Store(true)
	after()
	if client.ending() != endLeft || memory.ending() != (Ending{}) || a.rig.Client("c") != nil {
		t.Errorf("the connections have ended with %v and %v", client.ending(), memory.ending())
	}
	c.changed()
	if p := b.open("c", durably); p == nil || !p.present {
		t.Error("the others don't have the session")
	}
}
