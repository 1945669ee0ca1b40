package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// netEngine runs connections over net.Conn, a goroutine to read and one to
// write for each: for TLS, for WebSocket, and where there is no epoll.
type netEngine struct {
	to     sink
	dialer func(ctx context.Context, c *client) (net.Conn, error)
	links  []*link // by client number
	events chan event
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// event is what a link's reader tells the run's goroutine. The reader waits
// for link.handled before it goes on, so that data may be used until then.
type event struct {
	c    *client
	link *link
	data []byte // nil: the link is open, or has ended with err
	err  error
}

// link is one connection of one client.
type link struct {
	handled chan struct{} // capacity 1: read on
	cancel  context.CancelFunc
	paused  bool // the answer on handled is held back
	owed    bool // it was, so send it when the pause ends

	mu      sync.Mutex
	filled  *sync.Cond
	pending []byte
	closed  bool
	conn    net.Conn
}

// dialTimeout bounds TCP, TLS and WebSocket handshakes together.
const dialTimeout = 30 * time.Second

func newNetEngine(o *options, brokers []*net.TCPAddr, locals []*net.TCPAddr, clients int, to sink) (engine, error) {
	config, err := tlsConfig(o)
	if err != nil {
		return nil, err
	}
	e := &netEngine{
		to: to, links: make([]*link, clients),
		events: make(chan event), timer: time.NewTimer(time.Hour),
		dialer: func(ctx context.Context, c *client) (net.Conn, error) {
			d := net.Dialer{}
			if len(locals) > 0 {
				d.LocalAddr = locals[c.number%len(locals)]
			}
			conn, err := d.DialContext(ctx, "tcp", brokers[c.broker].String())
			if err != nil {
				return nil, err
			}
			return upgrade(ctx, o, o.brokers[c.broker], conn, config)
		},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// upgrade lays TLS and WebSocket over conn, which it closes if that fails.
func upgrade(ctx context.Context, o *options, to broker, conn net.Conn, config *tls.Config) (net.Conn, error) {
	raw := conn
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	if config != nil {
		config = config.Clone()
		config.ServerName = to.host
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS: %w", err), raw.Close())
		}
		conn = secure
	}
	if o.ws {
		framed, err := upgradeWebSocket(conn, to, o.wsPath)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("WebSocket: %w", err), raw.Close())
		}
		conn = framed
	}
	return conn, nil
}

// tlsConfig is nil when the connections are plain.
func tlsConfig(o *options) (*tls.Config, error) {
	if !o.tls {
		return nil, nil
	}
	config := &tls.Config{
		// A load tool without a CA is pointed at a test broker; --cafile turns the check on.
		InsecureSkipVerify: o.caFile == "",
		ClientSessionCache: tls.NewLRUClientSessionCache(64),
	}
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, fmt.Errorf("--cafile: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--cafile: %s holds no PEM certificate", o.caFile)
		}
	}
	if o.certFile != "" {
		pair, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return nil, fmt.Errorf("--certfile: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (e *netEngine) dial(c *client) {
	l := &link{handled: make(chan struct{}, 1)}
	l.filled = sync.NewCond(&l.mu)
	e.links[c.number] = l
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(e.ctx)
	e.wg.Go(func() { e.run(ctx, c, l) })
}

// run connects the link, reads from it until it ends, and says so.
func (e *netEngine) run(ctx context.Context, c *client, l *link) {
	defer l.cancel()
	err := e.connect(ctx, l, c)
	if err == nil {
		e.wg.Go(func() { l.write() })
		if e.tell(ctx, event{c: c, link: l}) {
			err = e.read(ctx, c, l)
		}
	}
	l.close()
	e.tell(ctx, event{c: c, link: l, err: err})
}

func (e *netEngine) connect(ctx context.Context, l *link, c *client) error {
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := e.dialer(limited, c)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return conn.Close()
	}
	l.conn = conn
	return nil
}

func (e *netEngine) read(ctx context.Context, c *client, l *link) error {
	buf := make([]byte, 4<<10)
	for {
		n, err := l.conn.Read(buf)
		if n > 0 && !e.tell(ctx, event{c: c, link: l, data: buf[:n]}) {
			return nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return errClosedByBroker
		}
		if err != nil {
			return err
		}
	}
}

// tell hands the event over and waits until it has been dealt with; false
// means that nobody listens any more.
func (e *netEngine) tell(ctx context.Context, ev event) bool {
	select {
	case e.events <- ev:
	case <-ctx.Done():
		return false
	}
	select {
	case <-ev.link.handled:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *netEngine) flush(c *client) {
	l := e.links[c.number]
	if l == nil || len(c.out) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil || len(l.pending) >= maxUnsent {
		return // what is left in c.out holds the publisher back
	}
	l.pending = append(l.pending, c.out...)
	c.out = c.out[:0]
	l.filled.Signal()
}

// write sends what gathers in pending until the link is closed.
func (l *link) write() {
	var sending []byte
	for {
		l.mu.Lock()
		for len(l.pending) == 0 && !l.closed {
			l.filled.Wait()
		}
		if len(l.pending) == 0 {
			l.mu.Unlock()
			return
		}
		sending, l.pending = l.pending, sending[:0]
		l.mu.Unlock()
		if _, err := l.conn.Write(sending); err != nil {
			l.close() // the reader sees it and reports
			return
		}
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.pending = nil
	if l.conn != nil {
		l.conn.Close() // an error here says that it is closed already
	}
	l.filled.Broadcast()
}

func (e *netEngine) pause(c *client, on bool) {
	l := e.links[c.number]
	if l == nil {
		return
	}
	l.paused = on
	if !on && l.owed {
		l.owed = false
		l.handled <- struct{}{}
	}
}

func (e *netEngine) close(c *client) {
	if l := e.links[c.number]; l != nil {
		e.links[c.number] = nil
		l.cancel()
		l.close()
	}
}

func (e *netEngine) poll(wait time.Duration) error {
	e.timer.Reset(wait)
	select {
	case ev := <-e.events:
		e.handle(ev)
	case <-e.timer.C:
		return nil
	}
	for range 1024 { // what else is there, but the caller has its own work too
		select {
		case ev := <-e.events:
			e.handle(ev)
		default:
			return nil
		}
	}
	return nil
}

func (e *netEngine) handle(ev event) {
	l := ev.link
	if e.links[ev.c.number] != l {
		return // closed by us; its reader has been told by its context
	}
	switch {
	case ev.data != nil:
		e.to.received(ev.c, ev.data)
	case ev.err != nil:
		e.links[ev.c.number] = nil
		e.to.closed(ev.c, ev.err)
	default:
		e.to.opened(ev.c)
	}
	if l.paused {
		l.owed = true
		return
	}
	l.handled <- struct{}{}
}

func (e *netEngine) stop() {
	e.cancel()
	for _, l := range e.links {
		if l != nil {
			l.close()
		}
	}
	e.wg.Wait()
}
