package server

import (
	"net/netip"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/server/netloop"
)

// loops carry the plain connections: on Linux, the epoll loops.
type loops struct{ group *netloop.Group }

func newLoops(br *broker.Broker) (*loops, error) {
	g, err := netloop.New(netloop.Config{NewPass: func() netloop.Pass { return newPass(br) }})
	return &loops{g}, err
}

// listen has l accept plain connections.
func (g *loops) listen(l *listener) error {
	socket, err := g.group.Listen(netloop.ListenOptions{
		Address: l.cfg.Address.String(), Backlog: l.cfg.Backlog, NoDelay: true, ReuseAddr: true,
		SendBuffer: int(l.cfg.SndBuf), RecvBuffer: int(l.cfg.RecBuf), MaxRate: int(l.rate.Load()),
		OnListen: func(addr netip.AddrPort) { l.info.Addr = addr },
		OnError:  l.cantAccept,
	}, l.accept)
	if err != nil {
		return cantListen(l, err)
	}
	l.socket = socket
	return nil
}

func (g *loops) close() { g.group.Close() }

// accept is what a loop calls for each new connection.
func (l *listener) accept(k *netloop.Conn) netloop.Handler {
	if c := l.admit(k, k.RemoteAddr()); c != nil {
		return c
	}
	return nil
}
