package engine

import (
	"errors"
	"time"
	_ "unsafe" // for go:linkname
)

// How fast a cluster notices. The server has these as variables that its own
// tests set and no option reaches: it elects after 4 to 9 s, so that a killed
// node would stop all durable writes for 7 s on average; with these it is 2 s.
// TestTiming fails when a new version of the server has them no more.
const (
	heartbeat       = 300 * time.Millisecond
	electAfter      = 1500 * time.Millisecond // without a heartbeat, at least
	electWithin     = 3 * time.Second         // at most
	quorumLostAfter = 3 * time.Second
	quorumCheck     = 500 * time.Millisecond
)

//go:linkname serverElectAfter github.com/nats-io/nats-server/v2/server.minElectionTimeout
var serverElectAfter time.Duration

//go:linkname serverElectWithin github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var serverElectWithin time.Duration

//go:linkname serverHeartbeat github.com/nats-io/nats-server/v2/server.hbInterval
var serverHeartbeat time.Duration

//go:linkname serverQuorumLost github.com/nats-io/nats-server/v2/server.lostQuorumInterval
var serverQuorumLost time.Duration

//go:linkname serverQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
var serverQuorumCheck time.Duration

// hasten sets them, before the first server of the process runs clustered.
func hasten() error {
	for _, v := range []*time.Duration{&serverElectAfter, &serverElectWithin, &serverHeartbeat, &serverQuorumLost, &serverQuorumCheck} {
		if *v == 0 {
			return errors.New("engine: the embedded server has no such timing")
		}
	}
	serverElectAfter, serverElectWithin = electAfter, electWithin
	serverHeartbeat, serverQuorumLost, serverQuorumCheck = heartbeat, quorumLostAfter, quorumCheck
	return nil
}
