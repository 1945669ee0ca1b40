package broker

import (
	"testing"
	"testing/synctest"
	"time"
)

// What is due of a dead node's sessions one of the others does: wills, once, and
// the ends of sessions. What isn't due waits for its client.
func TestHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t, 3, 1)
		a, b, d := c.nodes[0], c.nodes[1], c.nodes[2]
		witness := d.rig.connect("witness").subscribe("will/#", 0)
		a.rig.connect("willing", durably, expiry(100_000), will("will/of", 5))
		a.rig.connect("short", durably, expiry(300))
		a.rig.connect("long", durably, expiry(100_000))
		c.quiet()
		c.kill(a)
		time.Sleep(20 * time.Second)
		c.quiet()
		if n := b.rig.Sessions() + d.rig.Sessions(); n != 1 {
			t.Errorf("%d sessions are there at once, want the witness alone", n)
		}
		time.Sleep(10 * time.Minute)
		c.quiet()
		witness.wants("will/of=will of willing")
		if b.rig.Client("willing") == nil || b.rig.Client("short") != nil || b.rig.Client("long") != nil || d.rig.Sessions() != 1 {
			t.Errorf("the heir has %d sessions, the other %d", b.rig.Sessions(), d.rig.Sessions())
		}
		b.rig.durable.sessions.(*fakeCopy).arrive()
		for id, want := range map[string]string{"willing": "b", "long": "a", "short": ""} {
			s, err := b.rig.durable.find(id)
			if err != nil || s == nil && want != "" || s != nil && s.Node != want {
				t.Errorf("the record of %s is %+v, %v", id, s, err)
			}
		}
	})
}

// inherits waits until a node has a session.
func (c *fakeCluster) inherits(n *fakeNode, id string) {
	c.Helper()
	for range 10_000 {
		if n.rig.Client(id) != nil {
			c.quiet()
			return
		}
		time.Sleep(time.Millisecond)
	}
	c.Fatalf("node %s doesn't have the session of %s: orphans %v, gate %v\n%s", n.id, id, n.rig.durable.orphans.Load(), n.rig.durable.gate.open.Load(), n.rig.log)
}

// The sessions of a node that is no member any more go to the oldest one that is
// left, with what is published meanwhile, also if that is the only one.
func TestInheritRemoved(t *testing.T) {
	for _, nodes := range []int{2, 3} {
		c := newFakeCluster(t, nodes, 2)
		a, b := c.nodes[0], c.nodes[1]
		s := a.rig.connect("s", durably).subscribe("t/#", 1)
		c.quiet()
		s.close("closed")
		pub := c.nodes[nodes-1].rig.connect("pub")
		pub.publish("t/1", "before", 1)
		c.quiet()
		c.kill(a)
		c.forget(a)
		for _, n := range c.nodes {
			if !n.rig.Clustered() {
				t.Error("nobody would look for the session")
			}
		}
		pub.publish("t/1", "after", 1)
		c.inherits(b, "s")
		if s = b.rig.connect("s", durably); !s.present {
			t.Error("the session is lost")
		}
		s.gets("t/1=before", "t/1=after")
		for range 10_000 { // until nothing is logged for nobody any more
			if !b.rig.durable.orphans.Load() {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if b.rig.durable.orphans.Load() {
			t.Error("somebody is still looked for")
		}
		c.balance()
	}
}
