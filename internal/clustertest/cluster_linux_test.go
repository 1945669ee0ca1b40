package clustertest

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newCluster starts that many nodes, which find each other by a fixed list.
func newCluster(t testing.TB, network *Network, count int, settings ...string) []*Node {
	return newClusterOf(t, program, network, count, settings...)
}

// newClusterOf starts nodes of another program.
func newClusterOf(t testing.TB, program string, network *Network, count int, settings ...string) []*Node {
	t.Helper()
	var nodes []*Node
	var names []string
	for range count {
		n := newNode(t, program, memory(t), network, append([]string{unlimited}, settings...)...)
		nodes, names = append(nodes, n), append(names, n.Name)
	}
	// The port of a node that has ended may be one of another test's.
	cookie := "node.cookie=only-for-this-test-" + rand.Text()
	for _, n := range nodes {
		n.Configure("cluster.discovery=static", "cluster.static.seeds="+strings.Join(names, ","), cookie)
	}
	startAll(t, nodes...)
	joined(t, nodes...)
	settled(t, nodes[0])
	return nodes
}

// startAll starts nodes that may need each other for it.
func startAll(t testing.TB, nodes ...*Node) {
	t.Helper()
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { errs[i] = n.Launch() })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		fail(t, nodes, "%v", err)
	}
}

// memory is a folder that no slow disk delays, where the machine has one with
// room.
func memory(t testing.TB) string {
	t.Helper()
	const shared, room = "/dev/shm", 1 << 30
	var is unix.Statfs_t
	if err := unix.Statfs(shared, &is); err != nil || is.Bavail*uint64(is.Bsize) < room {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shared, "dunlin-cluster-") //nolint:usetesting // T.TempDir has no choice of where
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// settled waits until what the cluster keeps is on as many nodes as it should be,
// as who stops nodes has to.
func settled(t testing.TB, n *Node) {
	t.Helper()
	for deadline := time.Now().Add(gathering); ; time.Sleep(50 * time.Millisecond) {
		var now struct{ Copied bool }
		err := n.Get("/cluster", &now)
		if err == nil && now.Copied {
			return
		}
		if time.Now().After(deadline) {
			fail(t, []*Node{n}, "%s has not settled: %v", n.Name, err)
		}
	}
}

// gathering is how long nodes may take to find each other. Nothing is said by it
// about how long they should.
const gathering = 3 * time.Minute

// joined waits until each node says of all that they run.
func joined(t testing.TB, nodes ...*Node) {
	t.Helper()
	for _, n := range nodes {
		for deadline := time.Now().Add(gathering); ; time.Sleep(50 * time.Millisecond) {
			running, err := n.running()
			there := 0
			for _, each := range nodes {
				if running[each.Name] {
					there++
				}
			}
			if err == nil && there == len(nodes) {
				break
			}
			if time.Now().After(deadline) {
				fail(t, nodes, "%s knows of %v (%v), expected %d running nodes", n.Name, running, err, len(nodes))
			}
		}
	}
}

// running are the nodes of which the node says that they run.
func (n *Node) running() (map[string]bool, error) {
	var rows []struct {
		Node   string
		Status string `json:"node_status"`
	}
	err := n.Get("/nodes", &rows)
	all := make(map[string]bool)
	for _, row := range rows {
		if row.Status == "Running" {
			all[row.Node] = true
		}
	}
	return all, err
}
