package clustertest

import (
	"testing"
	"time"
)

// splits are faults between nodes; breaks begins one and returns which nodes
// reach each other meanwhile.
var splits = []struct {
	name   string
	nodes  int
	seldom bool // only in more than one round
	breaks func(network *Network, n []*Node) (sides [][]*Node)
}{
	{name: "1 and 2", nodes: 3, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Split(n[:1], n[1:])
		return [][]*Node{n[:1], n[1:]}
	}},
	{name: "2 and 3", nodes: 5, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Split(n[:2], n[2:])
		return [][]*Node{n[:2], n[2:]}
	}},
	{name: "1 and 1 and 1", nodes: 3, seldom: true, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Split(n[:1], n[1:2], n[2:])
		return [][]*Node{n[:1], n[1:2], n[2:]}
	}},
	{name: "one is not heard", nodes: 3, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Set(n[0], n[1], Link{Down: true})
		network.Set(n[0], n[2], Link{Down: true})
		return [][]*Node{n[:1], n[1:]}
	}},
	{name: "one link of three", nodes: 3, seldom: true, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Split(n[:1], n[1:2])
		return nil
	}},
	{name: "loss", nodes: 3, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Between(n[:1], n[1:], Link{Loss: 0.1})
		return [][]*Node{n}
	}},
	{name: "slow", nodes: 3, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Between(n[:1], n[1:], Link{Delay: 300 * time.Millisecond})
		return [][]*Node{n}
	}},
	{name: "flapping", nodes: 3, breaks: func(network *Network, n []*Node) [][]*Node {
		network.Flap(n[:1], n[1:], 500*time.Millisecond, time.Second)
		return nil
	}},
}

// TestSplits: each fault between nodes, with clients on all sides: the sides
// serve live traffic meanwhile, and are one again by themselves. Nothing
// acknowledged is lost, nothing of QoS 2 comes twice, the order stays, and every
// node's account of deliveries balances.
func TestSplits(t *testing.T) {
	rounds := rounds(t)
	for _, f := range splits {
		if f.seldom && rounds == 1 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			network := NewNetwork(t)
			nodes := newCluster(t, network, f.nodes)
			w := clustered
			w.Reconnect = Stay
			run := w.Start(t, nodes...)
			for round := range rounds {
				time.Sleep(time.Second)
				run.History.Note("%s", f.name)
				end := time.Now().Add(while(round))
				for _, side := range f.breaks(network, nodes) {
					t.Logf("a side of %d nodes serves after %v", len(side), meet(t, side...))
				}
				time.Sleep(time.Until(end))
				network.Heal()
				heals(t, run, nodes...)
			}
			judge(t, run, nodes...)
		})
	}
}
