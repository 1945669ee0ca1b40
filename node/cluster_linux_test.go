package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// member is the configuration of a node with a loopback address of its own,
// that may join others.
func member(t *testing.T, env ...string) *Config {
	t.Helper()
	name := fmt.Sprintf("DUNLIN_NODE__NAME=dunlin@127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	return configured(t, append([]string{name, "DUNLIN_NODE__COOKIE=a-cookie-of-these-tests", "DUNLIN_DASHBOARD__LISTENER__HTTP=off"}, env...)...)
}

func startMember(t *testing.T, c *Config) *Node {
	t.Helper()
	n, err := Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// sees waits until a node takes others for running, and for stopped.
func sees(t *testing.T, n *Node, running, stopped []*Config) {
	t.Helper()
	names := func(all []*Config) (names []string) {
		for _, c := range all {
			names = append(names, c.Node.Name)
		}
		slices.Sort(names)
		return names
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		s := n.cluster.Status()
		slices.Sort(s.Running)
		slices.Sort(s.Stopped)
		if slices.Equal(s.Running, names(running)) && slices.Equal(s.Stopped, names(stopped)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s sees %+v", n.Config.Node.Name, s)
		}
	}
}

// misses reports whether the node has noted that a member is down.
func (c *clustering) misses() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.gone) > 0
}

// copied waits until what a cluster keeps is on all of its nodes.
func copied(t *testing.T, n *Node) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := n.cluster.Copied(within(t))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func says(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestCluster: nodes join, lose one, do without it, and leave.
func TestCluster(t *testing.T) {
	t.Parallel()
	ca, cb := member(t), member(t)
	a, b := startMember(t, ca), startMember(t, cb)
	defer a.Stop()
	says(t, b.cluster.Join(within(t), "nobody"), "expected a node such as")
	says(t, b.cluster.Join(within(t), "x@"+strings.SplitN(ca.Node.Name, "@", 2)[1]), "node_down: who is at")
	says(t, b.cluster.Join(within(t), "dunlin7@"+strings.SplitN(ca.Node.Name, "@", 2)[1]), "node_down: ")
	says(t, b.cluster.Leave(within(t)), "node_not_in_cluster")
	if err := b.cluster.Join(within(t), ca.Node.Name); err != nil {
		t.Fatal(err)
	}
	sees(t, a, []*Config{ca, cb}, nil)
	sees(t, b, []*Config{ca, cb}, nil)
	says(t, a.cluster.Join(within(t), cb.Node.Name), "already_in_cluster")
	says(t, a.cluster.ForceLeave(within(t), cb.Node.Name), "is running")
	says(t, a.cluster.ForceLeave(within(t), ca.Node.Name), "without force")
	says(t, a.cluster.ForceLeave(within(t), "dunlin@10.0.0.1"), "node_not_in_cluster")

	copied(t, a)
	b.Stop()
	sees(t, a, []*Config{ca}, []*Config{cb})
	if s := a.cluster.Status(); s.Quorum {
		t.Errorf("one of two is no majority: %+v", s)
	}
	if ids := a.cluster.lost(time.Now().Add(time.Hour)); ids != nil {
		t.Errorf("half of a cluster would remove %v", ids)
	}
	if err := a.cluster.ForceLeave(within(t), cb.Node.Name); err != nil {
		t.Fatal(err)
	}
	sees(t, a, []*Config{ca}, nil)
	b = startMember(t, cb)
	defer func() { b.Stop() }()
	sees(t, b, []*Config{cb}, nil) // it was removed, and learns so
	if err := b.cluster.Join(within(t), ca.Node.Name); err != nil {
		t.Fatal(err)
	}
	sees(t, a, []*Config{ca, cb}, nil)
	if err := b.cluster.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	sees(t, a, []*Config{ca}, nil)
	sees(t, b, []*Config{cb}, nil)
}

// TestStaticDiscovery: nodes that know each other's names become a cluster by
// themselves; one that has lost its data takes the place of what it was.
func TestStaticDiscovery(t *testing.T) {
	t.Parallel()
	var names []string
	var all []*Config
	for range 3 {
		c := member(t, "DUNLIN_CLUSTER__DISCOVERY=static", "DUNLIN_CLUSTER__STATIC__SEEDS=dunlin@127.0.0.1")
		all, names = append(all, c), append(names, c.Node.Name)
	}
	var nodes []*Node
	for _, c := range all {
		c.Cluster.Discovery.Static.Seeds = names
		nodes = append(nodes, startMember(t, c))
	}
	stop := func(i int) { nodes[i].Stop() }
	defer func() {
		for i := range nodes {
			stop(i)
		}
	}()
	for _, n := range nodes {
		sees(t, n, all, nil)
	}
	copied(t, nodes[0])
	stop(2)
	cleaned := 0 // for autoclean: by one of those who are left
	for _, n := range nodes[:2] {
		sees(t, n, all[:2], all[2:])
		for deadline := time.Now().Add(2 * time.Minute); !n.cluster.misses() && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		}
		cleaned += len(n.cluster.lost(time.Now().Add(time.Hour)))
	}
	if cleaned != 1 {
		t.Errorf("%d nodes would remove the one that is down", cleaned)
	}
	all[2].Node.DataDir = t.TempDir()
	nodes[2] = startMember(t, all[2])
	for _, n := range nodes {
		sees(t, n, all, nil)
	}
}
