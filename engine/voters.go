package engine

import (
	"fmt"
	"slices"
	_ "unsafe" // for go:linkname

	"github.com/nats-io/nats-server/v2/server"
)

// The copies of a stream elect the one that leads, and each keeps for itself
// which copies there are. The server (2.12.15) gets that wrong for a third one:
// it is told of all three, and then brought up to date from the leader's log,
// which begins with the set of two. So it takes itself for none of them until
// there is a new leader. If the old one is lost before, and the third has more
// records than the second, then neither can be elected: one has too few, and
// the other's own vote doesn't count. Nothing is kept anymore, though a majority
// is there.
//
// voters mends that from both sides: who leads a stream puts the set into the
// log once more as it is now, and a copy that misses itself puts itself in.
type voters struct {
	server *server.Server
	logged map[string]string // by group: what this node put into its log as its leader
}

// metaGroup is the server's name for those who decide what streams there are.
const metaGroup = "_meta_"

//go:linkname serverGroup github.com/nats-io/nats-server/v2/server.(*Server).lookupRaftNode
func serverGroup(s *server.Server, name string) server.RaftNode

// groups are those of the streams of which this node has a copy.
func groups(s *server.Server) (all []server.RaftNode) {
	z := s.Raftz(&server.RaftzOptions{AccountFilter: accountDir})
	if z == nil {
		return nil
	}
	for name := range (*z)[accountDir] {
		if g := serverGroup(s, name); g != nil {
			all = append(all, g)
		}
	}
	return all
}

// look mends the groups of this node. It may wait for the disk.
func (v *voters) look() {
	was := v.logged
	v.logged = make(map[string]string)
	for _, g := range groups(v.server) {
		ids, in := peersOf(g)
		switch {
		case g.Leader():
			now := fmt.Sprint(g.LeaderSince(), ids)
			if was[g.Group()] != now && in && !g.MembershipChangeInProgress() {
				g.ProposeKnownPeers(ids)
			}
			v.logged[g.Group()] = now
		case !in && len(ids) > 0:
			g.UpdateKnownPeers(append(ids, g.ID()))
		}
	}
}

// peersOf are the copies that a group knows here, and whether this node's is one of them.
func peersOf(g server.RaftNode) (ids []string, in bool) {
	for _, p := range g.Peers() {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids, slices.Contains(ids, g.ID())
}
