package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// TestVoters: each member knows all who elect the leader of a stream, the one
// that came third too.
func TestVoters(t *testing.T) {
	t.Parallel()
	a, b, c := start(t, node(t, "a")), start(t, node(t, "b")), start(t, node(t, "c"))
	kept(t, openLog(t, a, "l", LogOptions{Shards: 4}), "t", 0, 100)
	all := []*Engine{a, b, c}
	for i, e := range all[1:] {
		if err := e.Join(within(t), a.o.Cluster.Door); err != nil {
			t.Fatal(err)
		}
		copied(t, all[:i+2]...)
	}
	voting(t, all...)
	// A copy that misses itself is mended without a leader's help.
	for _, g := range groups(c.to().server) {
		ids, _ := peersOf(g)
		g.UpdateKnownPeers(slices.DeleteFunc(ids, func(id string) bool { return id == g.ID() }))
	}
	voting(t, all...)
}

// voting waits until all groups on all nodes have three who vote.
func voting(t *testing.T, all ...*Engine) {
	t.Helper()
	eventually(t, "three who vote in each group", func() bool {
		for _, e := range all {
			found := groups(e.to().server)
			if len(found) == 0 || slices.ContainsFunc(found, func(g server.RaftNode) bool { return !votes(g, 3) }) {
				return false
			}
		}
		return true
	})
}

func votes(g server.RaftNode, size int) bool {
	ids, in := peersOf(g)
	return in && len(ids) == size && g.ClusterSize() == size
}

// TestVotersWithoutCluster: a node alone has no groups to mend.
func TestVotersWithoutCluster(t *testing.T) {
	v := voters{server: started(t).to().server}
	v.look()
	if len(v.logged) != 0 {
		t.Error(fmt.Sprint(v.logged))
	}
}
