package engine

import "github.com/nats-io/nats-server/v2/server"

// routing opens the port for other nodes. The server does that once it accepts
// clients, which it never does here; so its own goroutine for it waits as long
// as the process lives, one for each time that a node joins or restarts its
// part of a cluster, and this one takes its place.
func routing(s *server.Server) {
	ready := make(chan struct{})
	close(ready)
	s.StartRouting(ready)
}
