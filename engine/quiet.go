package engine

import (
	"time"
	_ "unsafe" // for go:linkname

	"github.com/nats-io/nats-server/v2/server"
)

// sayAgainAfter is how long the server keeps a warning to itself that it has
// just given. It looks through them as often: once a second by itself, which
// wakes a process that has nothing else to do.
const sayAgainAfter = time.Minute

//go:linkname sayAgain github.com/nats-io/nats-server/v2/server.(*Server).changeRateLimitLogInterval
func sayAgain(s *server.Server, after time.Duration)
