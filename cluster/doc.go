// Package cluster makes several nodes behave as one broker: it tells the
// others which filters this node's clients hold (Routes), takes messages to the
// nodes that want them (Forwarder), chooses one member of a shared group among
// the members of all nodes (Groups), and sees to it that a client id has one
// owner (Claims), as has an exclusive topic (Exclusives).
//
// All of it is soft state that each node owns for itself and repeats to the
// others: nothing here needs a quorum or a lock over nodes, so both sides of a
// split go on and agree again by themselves. What must survive a node (sessions,
// retained messages, users) is kept by package engine, which also finds the
// members and carries what is sent; it is known here as Network only.
//
// The parts are machines without goroutines or clocks: they are told what came,
// who came and went, and what time it is (Unix milliseconds), and they send. A
// Node drives them all.
package cluster
