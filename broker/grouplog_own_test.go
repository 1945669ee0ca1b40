package broker

import (
	"slices"
	"testing"
	"time"
)

// A node hangs, and is removed, and others take over what it had for a group. When it
// goes on, whatever it does with that, the other's record stays.
func TestGroupOfHung(t *testing.T) {
	f := func(what string, does func(a *rig, d0 *peer)) {
		t.Run(what, func(t *testing.T) {
			c := newFakeCluster(t, 1, 2)
			a := c.nodes[0]
			d0 := a.rig.sharers(1, 1, window(3))[0]
			a.rig.connect("pub").publishNumbers("t/1", 50, 1)
			c.quiet()
			b := c.start()
			c.start()
			m := b.rig.connect("m", durably, window(3)).subscribe(inGroup, 1)
			c.quiet()
			c.hang(a)
			c.forget(a)
			c.takes(b, 1)
			does(a.rig, d0)
			c.takes(a, 0)
			if r := b.rig.groupRecord(); r == nil || r.Node != "b" {
				t.Fatalf("the record is %+v", r)
			}
			if got := b.rig.drained(m); !slices.Equal(got, numbers(50)) {
				t.Errorf("the other's member got %d: %v", len(got), got)
			}
			c.quiet()
			c.balance()
			a.rig.balances()
		})
	}
	f("saves it", func(a *rig, _ *peer) { a.keepShares() })
	f("comes to its end", func(a *rig, d0 *peer) { a.drained(d0) })
	f("loses its member", func(a *rig, d0 *peer) { d0.unsubscribe(inGroup); a.quiet(); a.keepShares() })
}

// A node hangs, and another has a session of it. What that has in flight of a group
// stays done with for the group when the node goes on, and dies and comes back.
func TestGroupOfHungMember(t *testing.T) {
	c, a, b := leftAlone(t, 2, 10)
	c.hang(a)
	d0 := b.open("d0", durably, window(3))
	if d0 == nil {
		t.Fatal("the session can't be had")
	}
	got := b.rig.drained(d0)
	a.rig.keepShares()
	c.kill(a)
	c.restart(a)
	c.takes(b, 1)
	if got = append(got, b.rig.drained(d0)...); !slices.Equal(got, numbers(10)) {
		t.Errorf("it got %v", got)
	}
	c.quiet()
	c.balance()
}

// keepShares waits until what the broker has of groups is kept, or known not to be
// its own.
func (r *rig) keepShares() {
	r.Helper()
	kept := make(chan error, 1)
	keepAll(r.groups.withLog(), func(err error) { kept <- err })
	select {
	case err := <-kept:
		if err != nil {
			r.Error(err)
		}
	case <-time.After(time.Minute):
		r.Fatal("the shares are not kept within a minute")
	}
}
