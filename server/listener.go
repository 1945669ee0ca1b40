package server

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
)

// listener is one accepting address with the rules for its connections.
type listener struct {
	server *Server
	cfg    Named
	terms  atomic.Pointer[terms] // for the connections that come now
	info   *hook.ListenerInfo
	access AccessRules
	socket interface{ Close() } // what accepts; closing it ends that

	newFraming  func(*conn) framing // nil: MQTT stands on the link as it is
	tls         *credentials        // nil: no TLS
	highWater   int                 // bytes of waiting output that make a connection Full
	sendTimeout int64               // milliseconds

	most   atomic.Int64 // max_connections
	rate   atomic.Int64 // max_conn_rate
	open   atomic.Int64 // connections
	ends   *endings
	failed atomic.Uint64 // to accept a connection
	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
}

// terms are what a listener grants its connections: those that have come since
// the configuration changed last. What a client was promised in CONNACK stays.
type terms struct {
	*listener
	zone    *broker.Zone
	routing *sharedBucket // the zone's quota; nil: none
}

// policy says who may do what now. Unlike other terms, it holds at once for the
// connections there are.
func (l *listener) policy() *broker.Zone { return l.terms.Load().zone }

// admit makes the connection of a link that has been accepted; nil: it is
// refused and must be closed without a word.
func (l *listener) admit(k link, peer netip.AddrPort) *conn {
	if !l.reserve(peer.Addr()) {
		return nil
	}
	return l.newConn(k, known{peer: peer})
}

// reserve counts a connection that was accepted, unless it is one too many or
// the access rules are against it. Behind the PROXY protocol these are asked
// when the client's address is known.
func (l *listener) reserve(peer netip.Addr) bool {
	if !l.cfg.ProxyProtocol && !l.access.Allow(peer) {
		l.ends.add("access_denied")
		return false
	}
	if l.open.Add(1) > l.most.Load() {
		l.open.Add(-1)
		l.ends.add("max_connections")
		return false
	}
	l.server.open.Add(1)
	return true
}

// cantAccept books that a connection could not be accepted. Accepting goes on
// after a pause.
func (l *listener) cantAccept(err error) {
	l.failed.Add(1)
	l.server.log.Error("a connection can't be accepted", "listener", l.cfg.Key(), "err", err)
}

// release takes a reservation back, and books why.
func (l *listener) release(reason string) {
	l.ends.add(reason)
	l.open.Add(-1)
	l.server.open.Add(-1)
}

// newConn makes the connection of a link for which there is a reservation;
// nil: the listener stops.
func (l *listener) newConn(k link, who known) *conn {
	t := l.terms.Load()
	c := &conn{listener: t, link: k, info: &hook.ClientInfo{Peer: who.peer, Cert: who.cert, Listener: l.info}}
	c.stream.MaxPacketSize = min(maxConnect, uint32(t.zone.MaxPacketSize))
	c.stream.Strict = t.zone.StrictMode
	c.limits.Store(newLimits(t, ownRates{}))
	if l.newFraming != nil {
		c.framing = l.newFraming(c)
	}
	now := broker.Now()
	c.lastRead.Store(now)
	c.mu.Lock()
	c.silence = t.zone.IdleTimeout.Milliseconds()
	c.wake(now + c.silence)
	c.mu.Unlock()
	if !l.enter(c) {
		l.release("shutdown")
		return nil
	}
	c.traceOpened()
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
	l.release(reason)
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
	if l.tls != nil && l.tls.stop != nil {
		l.tls.stop()
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
