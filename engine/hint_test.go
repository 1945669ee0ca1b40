package engine

import (
	"fmt"
	"testing"
)

// TestLookHere: what this node's copy has is told to those who follow without
// anybody being asked, also where too few are left to answer and no hint came.
func TestLookHere(t *testing.T) {
	t.Parallel()
	e := start(t, node(t, "a"))
	m := openMap(t, e, "m")
	ack, err := e.to().js.Publish(m.prefix+"beside", []byte("w")) // the writer doesn't know of it
	if err != nil {
		t.Fatal(err)
	}
	now := make(chan struct{})
	close(now)
	e.tend(e.to(), now)
	if last := m.s.last.Load(); last < ack.Sequence {
		t.Errorf("the last record that is known is %d, not %d", last, ack.Sequence)
	}
}

// TestLastWords: a node that ends tells the others of what it has kept last and
// they have not heard of, such as that it has left.
func TestLastWords(t *testing.T) {
	t.Parallel()
	a, b := start(t, node(t, "a")), start(t, node(t, "b"))
	eventually(t, "two members", func() bool { return b.Join(within(t), a.o.Cluster.Door) == nil })
	copied(t, a, b)
	hints, err := a.to().conn.SubscribeSync("P.hint." + sharedMaps)
	if err != nil {
		t.Fatal(err)
	}
	m := openMap(t, b, "m")
	m.s.hinting.Store(true) // for good: it is always about to
	put(t, m, "k", "v")
	last := m.s.last.Load()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for said := uint64(0); said < last; {
		hint, err := hints.NextMsgWithContext(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(hint.Data), &said); err != nil {
			t.Fatal(err)
		}
	}
}
