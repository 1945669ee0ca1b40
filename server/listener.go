package server

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/server/netloop"
)

// listener is one accepting address with the rules for its connections.
type listener struct {
	server *Server
	cfg    Named
	zone   *broker.Zone
	info   *hook.ListenerInfo
	access AccessRules
	socket interface{ Close() } // what accepts; closing it ends that

	newFraming  func() framing // nil: MQTT stands on the link as it is
	routing     *sharedBucket  // the zone's quota; nil: none
	highWater   int            // bytes of waiting output that make a connection Full
	sendTimeout int64          // milliseconds

	open   atomic.Int64 // connections
	ends   endings
	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
}

// admit makes the connection of a link that has been accepted; nil: it is
// refused and must be closed without a word.
func (l *listener) admit(k link, peer netip.AddrPort) *conn {
	if !l.access.Allow(peer.Addr()) {
		l.ends.add("access_denied")
		return nil
	}
	if l.open.Add(1) > int64(l.cfg.MaxConnections) {
		l.open.Add(-1)
		l.ends.add("max_connections")
		return nil
	}
	c := &conn{listener: l, link: k, info: &hook.ClientInfo{Peer: peer, Listener: l.info}}
	c.stream.MaxPacketSize = uint32(l.zone.MaxPacketSize)
	c.stream.Strict = l.zone.StrictMode
	c.limits = newLimits(l)
	if l.newFraming != nil {
		c.framing = l.newFraming()
	}
	now := broker.Now()
	c.lastRead.Store(now)
	c.mu.Lock()
	c.silence = l.zone.IdleTimeout.Milliseconds()
	c.wake(now + c.silence)
	c.mu.Unlock()
	if !l.enter(c) {
		l.open.Add(-1)
		return nil
	}
	l.server.open.Add(1)
	return c
}

// enter puts c among the listener's connections; false: the listener stops.
func (l *listener) enter(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.conns[c] = struct{}{}
	}
	return !l.closed
}

// gone books the end of a connection.
func (l *listener) gone(c *conn, reason string) {
	l.ends.add(reason)
	l.open.Add(-1)
	l.server.open.Add(-1)
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// start begins to listen.
func (l *listener) start() error {
	switch l.cfg.Kind {
	case "tcp":
		return l.startTCP()
	case "ws":
		return l.startWS()
	case "ssl":
		return l.startSSL()
	case "wss":
		return l.startWSS()
	default:
		return l.startQUIC()
	}
}

// accept is what a loop calls for each new connection.
func (l *listener) accept(k *netloop.Conn) netloop.Handler {
	if c := l.admit(k, k.RemoteAddr()); c != nil {
		return c
	}
	return nil
}

// stop ends the listener and all its connections.
func (l *listener) stop(why broker.Ending) {
	l.mu.Lock()
	l.closed = true
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	if l.socket != nil {
		l.socket.Close()
	}
	for _, c := range conns {
		c.End(why)
	}
}

// endings counts why connections ended, by EMQ X's words.
type endings struct {
	mu sync.Mutex
	by map[string]uint64
}

// maxWords bounds the words; the rest counts as other.
const maxWords = 100

func (e *endings) add(word string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.by == nil {
		e.by = make(map[string]uint64)
	}
	if _, known := e.by[word]; !known && len(e.by) >= maxWords {
		word = "other"
	}
	e.by[word]++
}

func (e *endings) all() map[string]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]uint64, len(e.by))
	for w, n := range e.by {
		all[w] = n
	}
	return all
}
