package engine

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestLostForGood: of two nodes one is lost with its disk. The other can't keep
// anything, is told to go on without it, and has all that was acknowledged.
func TestLostForGood(t *testing.T) {
	t.Parallel()
	a, b := spawn(t, node(t, "a")).up(), spawn(t, node(t, "b")).up()
	b.does("join " + a.o.Cluster.Door)
	a.sees(a.id, b.self())
	a.tries("copied 1")
	a.load()
	b.load()
	b.tries("append both 1")
	a.tell("force " + b.id)
	if answer := a.says("force "); !strings.Contains(answer, "is running") {
		t.Error("a member that runs can be removed by force:", answer)
	}
	b.kill()
	a.refuses()
	a.does("force b")
	a.tries("append alone 1")
	a.does("stop")
	if wrong := a.lacks(a, b); wrong != "" {
		t.Error(wrong)
	}
	a.sees(a.id)
	// Alone, it can be started again, and be joined by others.
	a.kill()
	a.begin()
	a.up().tries("append again 1")
	c := spawn(t, node(t, "c")).up()
	c.does("join " + a.o.Cluster.Door)
	a.sees(a.id, c.self())
	// The lost one comes back after all: it is no member, and goes on alone.
	b.begin()
	b.up()
	b.sees(b.self())
	if got := b.entries(); len(got) != 0 {
		t.Errorf("who was removed still has %d entries", len(got))
	}
	a.tries("copied 1")
	if wrong := c.lacks(a, b); wrong != "" {
		t.Error(wrong)
	}
}

// TestMoved: a node that comes back has another address and another name.
func TestMoved(t *testing.T) {
	t.Parallel()
	nodes := three(t)
	nodes[0].tries("copied 2")
	ids := []string{nodes[0].self(), nodes[1].self(), nodes[2].self()}
	nodes[0].load()
	c := nodes[2]
	c.kill()
	moved := node(t, "moved")
	c.o.Node, c.o.Cluster.Address, c.o.Cluster.Door = moved.Node, moved.Cluster.Address, moved.Cluster.Door
	c.begin()
	if c.up(); c.id != ids[2] {
		t.Errorf("its id was %s and is %s", ids[2], c.id)
	}
	for _, n := range nodes {
		n.sees(ids...)
	}
	nodes[0].does("stop")
	nodes[0].tries("copied 2")
	// The others know the address: with the second one gone they find each other.
	nodes[1].kill()
	nodes[0].kill()
	nodes[0].begin()
	nodes[0].up()
	c.tries("append moved 1")
	sound(t, nodes[0], c)
}

// TestGrowthUnderLoad: appends go on while one node becomes three.
func TestGrowthUnderLoad(t *testing.T) {
	t.Parallel()
	a := spawn(t, node(t, "a")).up()
	a.load()
	nodes := []*child{a}
	for _, name := range []string{"b", "c"} {
		n := spawn(t, node(t, name)).up()
		n.does("join " + a.o.Cluster.Door)
		n.load()
		nodes = append(nodes, n)
	}
	a.tries("copied 2")
	for _, n := range nodes {
		n.does("stop")
	}
	sound(t, nodes...)
	for _, n := range nodes {
		if len(n.kept) == 0 {
			t.Errorf("%s has kept nothing", n.o.Node)
		}
	}
}

// TestNewDisk: a member that comes back without its data, under its old name and
// address, takes the place of the one that it was.
func TestNewDisk(t *testing.T) {
	t.Parallel()
	all := together(t, node(t, "a"), node(t, "b"), node(t, "c"))
	a, c := all[0], all[2]
	l := openLog(t, a, "l", LogOptions{Shards: 1})
	kept(t, l, "t", 0, 100)
	copied(t, all...)
	o, was := c.o, c.Self().ID
	o.Metrics = nil
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Fatal(err)
	}
	kept(t, l, "t", 100, 110)
	all[2] = start(t, o)
	if err := all[2].Join(within(t), a.o.Cluster.Door); err != nil {
		t.Fatal(err)
	}
	copied(t, all...)
	voting(t, all...)
	for _, e := range all {
		eventually(t, "no member but those three on "+e.o.Node, func() bool {
			return len(e.Members()) == 3 && !slices.ContainsFunc(e.Members(), func(m Member) bool { return m.ID == was || !m.Alive })
		})
	}
	eventually(t, "three members that decide", func() bool {
		z, err := a.to().server.Jsz(nil)
		return err == nil && z.Meta != nil && z.Meta.Size == 3
	})
	holds(t, all[2], openLog(t, all[2], "l", LogOptions{Shards: 1}), 110)
}
