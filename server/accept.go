package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/hook"
)

const (
	// maxBeginnings bounds the connections of a listener that are between
	// accept and the end of their handshake. Above it accepting pauses.
	maxBeginnings = 4096

	acceptPause = 100 * time.Millisecond // when descriptors or memory are short
)

// acceptor accepts connections that get a goroutine each: those over TLS, and
// plain ones where there are no epoll loops. What a connection needs before it
// speaks MQTT happens on its own goroutine, never in the accept loop.
type acceptor struct {
	listener *listener
	ln       *net.TCPListener
	prepare  func(*net.TCPConn) (*stream, known, *refusal)
	slots    chan struct{}
	stopped  context.Context
	stop     context.CancelFunc

	mu       sync.Mutex
	starting map[net.Conn]struct{} // their handshake goes on
}

// known is what was learned of a client before it says anything.
type known struct {
	peer netip.AddrPort
	cert *hook.CertInfo // nil: it showed no certificate
}

// refusal is why a connection ends before MQTT is spoken on it.
type refusal struct {
	word string
	err  error
}

// listenTCP has the listener accept; prepare turns what was accepted into a
// stream, and may block.
func (l *listener) listenTCP(prepare func(*net.TCPConn) (*stream, known, *refusal)) error {
	lc := net.ListenConfig{KeepAlive: -1} // MQTT has its own
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", l.cfg.Address.String())
	if err != nil {
		return cantListen(l, err)
	}
	if err := setBacklog(ln.(*net.TCPListener), l.cfg.Backlog); err != nil {
		ln.Close()
		return cantListen(l, err)
	}
	a := &acceptor{
		listener: l, ln: ln.(*net.TCPListener), prepare: prepare,
		slots: make(chan struct{}, maxBeginnings), starting: make(map[net.Conn]struct{}),
	}
	a.stopped, a.stop = context.WithCancel(context.Background())
	l.socket = a
	l.info.Addr = addrPort(ln.Addr())
	l.server.streams.Go(a.run)
	return nil
}

// Close ends accepting, and the connections whose handshake goes on.
func (a *acceptor) Close() {
	a.stop()
	a.ln.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	for nc := range a.starting {
		nc.Close()
	}
}

func (a *acceptor) run() {
	pace := newPace(a.listener.rate.Load())
	for pace.wait(a.stopped) {
		nc, err := a.ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			a.listener.cantAccept(err)
			pause(a.stopped, acceptPause)
			continue
		}
		select {
		case a.slots <- struct{}{}:
			pace.took(a.listener.rate.Load())
			a.listener.server.streams.Go(func() { a.begin(nc) })
		case <-a.stopped.Done():
			nc.Close()
		}
	}
}

// begin takes a connection to the point where MQTT can be spoken on it, and
// leaves the rest to a goroutine whose stack has not grown in a handshake.
func (a *acceptor) begin(nc net.Conn) {
	defer func() { <-a.slots }()
	l := a.listener
	peer := addrPort(nc.RemoteAddr())
	if !a.enter(nc) || !l.reserve(peer.Addr()) {
		nc.Close()
		return
	}
	tcp := nc.(*net.TCPConn)
	if n := int(l.cfg.SndBuf); n > 0 {
		tcp.SetWriteBuffer(n) //nolint:errcheck // a wish; the kernel has the last word anyway
	}
	if n := int(l.cfg.RecBuf); n > 0 {
		tcp.SetReadBuffer(n) //nolint:errcheck // see above
	}
	k, who, no := a.prepare(tcp)
	a.leave(nc) // from here on the listener ends it, if it stops
	if no != nil {
		l.server.log.Info("a connection doesn't come about", "listener", l.cfg.Key(), "peer", peer, "reason", no.word, "why", no.err)
		nc.Close()
		l.release(no.word)
		return
	}
	l.serve(k, who)
}

// serve makes the connection of a stream for which there is a reservation, and
// runs it on a goroutine of its own.
func (l *listener) serve(k *stream, who known) {
	if k.conn = l.newConn(k, who); k.conn == nil {
		k.nc.Close()
		return
	}
	l.server.streams.Go(k.serve)
}

func (a *acceptor) enter(nc net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped.Err() != nil {
		return false
	}
	a.starting[nc] = struct{}{}
	return true
}

func (a *acceptor) leave(nc net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.starting, nc)
}

// pace spreads the accepting of connections over time: a rate in a second, of
// which one second's worth may come at once. Nothing is refused for it.
type pace struct {
	bucket
	rate int64
	next int64 // Unix milliseconds
}

func newPace(rate int64) *pace {
	return &pace{bucket: newBucket(config.Rate{Limit: rate, Window: time.Second, Burst: rate}), rate: rate}
}

// took counts a connection that was accepted, at the rate that holds now.
func (p *pace) took(rate int64) {
	if rate != p.rate {
		*p = *newPace(rate)
	}
	p.next = p.take(1, broker.Now())
}

// wait returns when the next connection may be accepted; false: ctx ended.
func (p *pace) wait(ctx context.Context) bool {
	if p.next == 0 {
		return ctx.Err() == nil
	}
	return pause(ctx, time.Duration(p.next-broker.Now())*time.Millisecond)
}

// pause waits; false: ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
