package engine

import (
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname
)

// The server's files tell the time by a clock that a goroutine of theirs sets
// ten times a second, from the first file to the last: most of what an idle
// engine costs. They want it to forget what was not read for ten seconds and
// more, so that it is set when the disk is looked at, and their goroutine is
// kept from starting: it does with the first user, which is the engine.

const forgetAfter = 10 * time.Second // the server's, for what was not read

//go:linkname clockUsers github.com/nats-io/nats-server/v2/server/ats.refs
var clockUsers atomic.Int64

//go:linkname clockTime github.com/nats-io/nats-server/v2/server/ats.utime
var clockTime atomic.Int64

// holdClock has to come before a server starts, dropClock after it ended.
func holdClock() {
	clockUsers.Add(1)
	setClock()
}

func dropClock() { clockUsers.Add(-1) }

func setClock() { clockTime.Store(time.Now().UnixNano()) }
