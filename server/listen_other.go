//go:build !linux

package server

import (
	"net"

	"github.com/dunlin-mq/dunlin/broker"
)

// loops carry the plain connections: away from Linux, a goroutine for each.
type loops struct{}

func newLoops(*broker.Broker) (*loops, error) { return &loops{}, nil }

// listen has l accept plain connections.
func (*loops) listen(l *listener) error {
	return l.listenTCP(func(nc *net.TCPConn) (*stream, known, *refusal) {
		return newStream(nc, &l.server.passes), known{peer: addrPort(nc.RemoteAddr())}, nil
	})
}

func (*loops) close() {}
