package engine

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// listenWithin is how long the port for other nodes may still be taken: by the
// server that this one follows, or a process that is about to begin.
const listenWithin = 5 * time.Second

// canListen says whether the port for other nodes is free, before there is a
// server: one that is ended in the moment of its start panics.
func canListen(host string, port int) error {
	if port <= 0 {
		return nil
	}
	err := try(listenWithin, func() error {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		return l.Close()
	})
	if err != nil {
		return fmt.Errorf("engine: this node can't listen on its address in the cluster: %w", err)
	}
	return nil
}

// routing opens the port for other nodes. The server does that once it accepts
// clients, which it never does here; so its own goroutine for it waits as long
// as the process lives, one for each time that a node joins or restarts its
// part of a cluster, and this one takes its place.
func routing(s *server.Server) {
	ready := make(chan struct{})
	close(ready)
	s.StartRouting(ready)
}
