package cluster

import (
	"math"
	"math/rand/v2"

	"github.com/dunlin-mq/dunlin/broker"
)

// candidate is a node with members of a group.
type candidate struct {
	node   string
	weight uint32
	self   bool
}

// choose picks the node whose member gets a message, by the group's strategy and
// by how many members each node has. Candidates are sorted by node, have a
// weight each, and are at least one. All nodes that know the same members choose
// the same one, where the strategy ties a publisher or a topic to it. The node
// chooses among its own members by the same strategy.
func choose(s broker.Strategy, among []candidate, turn uint32, publisher, topic string) candidate {
	total := uint64(0)
	for _, c := range among {
		total += uint64(c.weight)
	}
	at := rand.Uint64N(total)
	switch s {
	case broker.RoundRobin:
		at = uint64(turn) % total
	case broker.HashClientID:
		at = hashText(publisher) % total
	case broker.HashTopic:
		at = hashText(topic) % total
	case broker.Sticky:
		return rendezvous(among, publisher)
	case broker.Local:
		for _, c := range among {
			if c.self {
				return c
			}
		}
	}
	for _, c := range among {
		if at < uint64(c.weight) {
			return c
		}
		at -= uint64(c.weight)
	}
	return among[0]
}

// rendezvous gives each publisher its node: the one with the highest score,
// scaled so that a node of three members wins three times as often. When members
// come or go only those publishers move that have to.
func rendezvous(among []candidate, publisher string) (best candidate) {
	p, high := hashText(publisher), math.Inf(-1)
	for _, c := range among {
		u := (float64(mix(p^hashText(c.node))>>11) + 0.5) / (1 << 53) // between 0 and 1
		if score := float64(c.weight) / -math.Log(u); score > high {
			high, best = score, c
		}
	}
	return best
}
