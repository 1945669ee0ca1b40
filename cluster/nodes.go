package cluster

import (
	"iter"
	"math/bits"
)

// slot is a place for one node's routes in a Table. A node has one, and a second
// one while its routes are fetched anew.
type slot uint8

const (
	maxSlots = 64
	noSlot   = slot(255)
)

// Nodes is a set of slots: one machine word, so that a route costs the same
// however many nodes have it.
type Nodes uint64

func (s slot) bit() Nodes { return 1 << s }

func (n Nodes) has(s slot) bool { return n&s.bit() != 0 }

func (n Nodes) with(s slot, is bool) Nodes {
	if is {
		return n | s.bit()
	}
	return n &^ s.bit()
}

// Len is the number of nodes.
func (n Nodes) Len() int { return bits.OnesCount64(uint64(n)) }

func (n Nodes) all() iter.Seq[slot] {
	return func(yield func(slot) bool) {
		for ; n != 0; n &= n - 1 {
			if !yield(slot(bits.TrailingZeros64(uint64(n)))) {
				return
			}
		}
	}
}
