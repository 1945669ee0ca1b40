package broker

import (
	"hash/maphash"
	"math/rand/v2"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Strategy is how a shared group chooses the member for a message.
type Strategy string

// The strategies of broker.shared_subscription_strategy.
const (
	Random       Strategy = "random"
	RoundRobin   Strategy = "round_robin"
	Sticky       Strategy = "sticky"        // a publisher keeps its member while that is there
	HashClientID Strategy = "hash_clientid" // by the publisher's client id
	HashTopic    Strategy = "hash_topic"
	Local        Strategy = "local" // random among this node's members
)

// choose is the strategy. bound: the choice has a meaning beyond balance.
func (g *group) choose(members []member, m *mqtt.Message) (first int, bound bool) {
	n := uint64(len(members))
	switch g.strategy {
	case RoundRobin:
		return int(uint64(g.turn.Add(1)) % n), false
	case HashClientID:
		return int(maphash.String(g.seed, m.From) % n), true
	case HashTopic:
		return int(maphash.String(g.seed, m.Topic) % n), true
	case Sticky:
		return g.rendezvous(members, m.From), true
	default:
		return rand.IntN(int(n)), false
	}
}

// rendezvous gives each publisher its member, the same one for as long as that
// is in the group, without remembering publishers: the highest hash wins.
func (g *group) rendezvous(members []member, publisher string) (best int) {
	var high uint64
	p := maphash.String(g.seed, publisher)
	for i, m := range members {
		if h := mix(p ^ m.hash); h >= high {
			high, best = h, i
		}
	}
	return best
}

// mix spreads the bits of a combined hash (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
