package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/dunlin-mq/dunlin/broker"
)

// quicConn is a QUIC connection with its first bidirectional stream, which
// carries MQTT, as a net.Conn.
type quicConn struct {
	*quic.Stream
	conn *quic.Conn
}

func (q *quicConn) LocalAddr() net.Addr  { return q.conn.LocalAddr() }
func (q *quicConn) RemoteAddr() net.Addr { return q.conn.RemoteAddr() }

// CloseWrite ends this side of the stream.
func (q *quicConn) CloseWrite() error { return q.Stream.Close() }

// Close ends the connection at once.
func (q *quicConn) Close() error { return q.conn.CloseWithError(0, "") }

// quicSocket is an open QUIC listener.
type quicSocket struct {
	udp       io.Closer
	transport *quic.Transport
	listener  *quic.Listener
	stop      context.CancelFunc
}

// Close ends accepting. The connections that are open need the socket still;
// it goes when they have ended.
func (q *quicSocket) Close() {
	q.stop()
	q.listener.Close() //nolint:errcheck // it is closed either way
}

// quicReceiveWindow is what a client may send ahead, in bytes; the library's
// own default would let each have megabytes.
const quicReceiveWindow = 256 << 10

// startQUIC listens for MQTT over QUIC: ALPN "mqtt", one bidirectional stream.
func (l *listener) startQUIC() error {
	if l.cfg.ProxyProtocol {
		return fmt.Errorf("%s.proxy_protocol: there is no PROXY protocol for QUIC", l.cfg.Key())
	}
	if err := l.startTLS(); err != nil {
		return err
	}
	addr, err := net.ResolveUDPAddr("udp", l.cfg.Address.String())
	if err != nil {
		return cantListen(l, err)
	}
	udp, err := net.ListenUDP("udp", addr)
	if err != nil {
		return cantListen(l, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	q := &quicSocket{udp: udp, transport: &quic.Transport{Conn: udp}, stop: stop}
	config := l.tls.config()
	config.NextProtos = []string{"mqtt"}
	q.listener, err = q.transport.Listen(config, &quic.Config{
		HandshakeIdleTimeout:           l.cfg.TLS.HandshakeTimeout,
		MaxIdleTimeout:                 longestSilence,
		KeepAlivePeriod:                0, // MQTT has its own
		MaxIncomingStreams:             1,
		MaxIncomingUniStreams:          -1,
		InitialStreamReceiveWindow:     quicReceiveWindow / 4,
		MaxStreamReceiveWindow:         quicReceiveWindow,
		InitialConnectionReceiveWindow: quicReceiveWindow / 4,
		MaxConnectionReceiveWindow:     quicReceiveWindow,
	})
	if err != nil {
		stop()
		q.udp.Close()
		return cantListen(l, err)
	}
	l.socket = q
	l.info.Addr = addrPort(udp.LocalAddr())
	l.server.streams.Go(func() { l.runQUIC(ctx, q) })
	return nil
}

// longestSilence is one and a half times the longest keep alive of MQTT, which
// is what watches over silent clients; the idle timeout of QUIC is the lesser
// of the two sides', so a client may have it shorter.
const longestSilence = 65535 * time.Second * 3 / 2

// runQUIC accepts until the listener is closed, and ends when the last
// connection has.
func (l *listener) runQUIC(ctx context.Context, q *quicSocket) {
	pace := newPace(l.rate.Load())
	var open sync.WaitGroup
	for {
		qc, err := q.listener.Accept(ctx)
		if err != nil {
			break
		}
		if !l.reserve(addrPort(qc.RemoteAddr()).Addr()) {
			qc.CloseWithError(quicRefused, "refused") //nolint:errcheck // nobody is left to tell
			continue
		}
		pace.took(l.rate.Load())
		turn := pace.next
		open.Go(func() { l.beginQUIC(ctx, qc, turn) })
	}
	open.Wait()
	q.transport.Close() //nolint:errcheck // nothing is on its way any more
	q.udp.Close()
}

// quicRefused is the application's error code for a connection that the access
// rules or limits refuse.
const quicRefused = 1

// beginQUIC waits for the connection's turn, which is how max_conn_rate is
// kept, and for its stream, and serves it.
func (l *listener) beginQUIC(ctx context.Context, qc *quic.Conn, turn int64) {
	if turn > 0 && !pause(ctx, time.Duration(turn-broker.Now())*time.Millisecond) {
		qc.CloseWithError(0, "") //nolint:errcheck // it ends either way
		l.release("shutdown")
		return
	}
	wait, cancel := context.WithTimeout(ctx, l.policy().IdleTimeout)
	qs, err := qc.AcceptStream(wait)
	cancel()
	if err != nil {
		word := "closed"
		if errors.Is(err, context.DeadlineExceeded) {
			word = "idle_timeout"
		}
		qc.CloseWithError(0, "") //nolint:errcheck // see above
		l.release(word)
		return
	}
	k := newStream(&quicConn{qs, qc}, &l.server.passes)
	k.wait = func() error {
		_, err := qs.Peek(make([]byte, 1))
		return err
	}
	who := known{peer: k.RemoteAddr()}
	if shown := qc.ConnectionState().TLS.PeerCertificates; len(shown) > 0 {
		who.cert = certInfo(shown[0])
	}
	if k.conn = l.newConn(k, who); k.conn == nil {
		k.nc.Close()
		return
	}
	k.serve()
}
