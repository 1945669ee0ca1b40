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
