package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// net3 is a network of nodes, each in a namespace of its own, on a bridge in
// one more. Traffic can be cut between any of them.
type net3 struct {
	t      *testing.T
	prefix string
	n      int
}

// namespaces makes them, or skips the test where that can't be done.
func namespaces(t *testing.T, n int) *net3 {
	t.Helper()
	s := &net3{t, fmt.Sprintf("dunlin%d-%d-", os.Getpid(), rand.IntN(1000000)), n}
	t.Cleanup(func() {
		for i := range n + 1 {
			// Some may not have been made.
			if out, err := exec.Command("ip", "netns", "del", s.name(i)).CombinedOutput(); err != nil {
				t.Logf("%s", out)
			}
		}
	})
	err := run("ip", "netns", "add", s.name(0))
	steps := [][]string{
		{"link", "add", "bridge0", "type", "bridge"}, {"link", "set", "bridge0", "up"}, {"link", "set", "lo", "up"},
	}
	for _, step := range steps {
		err = errors.Join(err, s.ip(0, step...))
	}
	for i := 1; i <= n; i++ {
		port := fmt.Sprint("p", i)
		err = errors.Join(err, run("ip", "netns", "add", s.name(i)),
			s.ip(0, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", s.name(i)),
			s.ip(0, "link", "set", port, "master", "bridge0", "up"),
			s.ip(i, "link", "set", "lo", "up"), s.ip(i, "addr", "add", s.host(i)+"/24", "dev", "eth0"), s.ip(i, "link", "set", "eth0", "up"),
			run("ip", "netns", "exec", s.name(i), "nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }"))
	}
	if err != nil {
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatal("network namespaces are needed and DUNLIN_REQUIRE_PEERS=1: ", err)
		}
		t.Skip("no network namespaces can be made here, so no split is tested: ", err)
	}
	return s
}

func run(command ...string) error {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
	}
	return nil
}

func (s *net3) name(i int) string { return fmt.Sprint(s.prefix, i) }

func (s *net3) host(i int) string { return fmt.Sprint("10.99.0.", i) }

func (s *net3) ip(i int, args ...string) error {
	return run(append([]string{"ip", "-n", s.name(i)}, args...)...)
}

// deafen has a node not hear the others: a loss in one direction for each.
func (s *net3) deafen(i int, others ...int) {
	s.t.Helper()
	for _, o := range others {
		if err := run("ip", "netns", "exec", s.name(i), "nft", "add rule inet cut in ip saddr "+s.host(o)+" drop"); err != nil {
			s.t.Fatal(err)
		}
	}
}

// split cuts off nodes from all others.
func (s *net3) split(nodes ...int) {
	for i := 1; i <= s.n; i++ {
		for _, k := range nodes {
			if i != k {
				s.deafen(i, k)
				s.deafen(k, i)
			}
		}
	}
}

func (s *net3) heal() {
	s.t.Helper()
	for i := 1; i <= s.n; i++ {
		if err := run("ip", "netns", "exec", s.name(i), "nft", "flush chain inet cut in"); err != nil {
			s.t.Fatal(err)
		}
	}
}

// cluster starts a node in each namespace and joins them.
func (s *net3) cluster() (nodes []*child) {
	s.t.Helper()
	for i := 1; i <= s.n; i++ {
		o := node(s.t, fmt.Sprint("n", i))
		o.Cluster.Address, o.Cluster.Door = s.host(i)+":4370", s.host(i)+":5370"
		nodes = append(nodes, spawn(s.t, o, "ip", "netns", "exec", s.name(i)).up())
	}
	for _, c := range nodes[1:] {
		c.does("join " + nodes[0].o.Cluster.Door)
	}
	ids := []string{nodes[0].id}
	for _, c := range nodes[1:] {
		ids = append(ids, c.self())
	}
	for _, c := range nodes {
		c.sees(ids...)
	}
	explainWhenFailed(nodes)
	return nodes
}

// self asks for the id that a node has now.
func (c *child) self() string {
	c.t.Helper()
	c.tell("self")
	c.id = c.says("self ")
	return c.id
}

// refuses waits until appends fail for want of a quorum, at once.
func (c *child) refuses() {
	c.t.Helper()
	eventually(c.t, c.o.Node+" refuses", func() bool {
		c.tell(fmt.Sprint("append refused ", time.Now().UnixNano()))
		answer := c.says("append ")
		return strings.HasPrefix(answer, ErrNoQuorum.Error())
	})
}

func TestSplit(t *testing.T) {
	t.Parallel()
	s := namespaces(t, 3)
	nodes := s.cluster()
	nodes[0].tries("copied 2")
	for round, apart := range [][]int{{1}, {2}, {3}} {
		minority := nodes[apart[0]-1]
		majority := nodes[apart[0]%3]
		for _, c := range nodes {
			c.load()
		}
		time.Sleep(time.Second)
		began := time.Now()
		s.split(apart...)
		majority.tries(fmt.Sprint("append majority ", round+1))
		t.Logf("%s apart: the majority goes on after %v", minority.o.Node, time.Since(began))
		minority.refuses()
		t.Logf("the minority refuses after %v", time.Since(began))
		s.heal()
		began = time.Now()
		minority.tries(fmt.Sprint("append healed ", round+1))
		t.Logf("one again after %v", time.Since(began))
		for _, c := range nodes {
			c.does("stop")
		}
		sound(t, nodes...)
	}
	// One node hears nobody, but is heard.
	began := time.Now()
	s.deafen(1, 2, 3)
	nodes[1].tries("append deaf 1")
	t.Logf("a deaf node: the others go on after %v", time.Since(began))
	s.heal()
	nodes[0].tries("append hears 1")
	sound(t, nodes...)
}
