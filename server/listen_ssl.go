package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"time"
)

// startSSL listens for MQTT over TLS.
func (l *listener) startSSL() error {
	if err := l.startTLS(); err != nil {
		return err
	}
	return l.listenTCP(l.secure(l.tls.config()))
}

// startWSS listens for MQTT over WebSocket over TLS.
func (l *listener) startWSS() error {
	l.startFraming()
	return l.startSSL()
}

// secure is what makes a TLS stream of an accepted connection.
func (l *listener) secure(config *tls.Config) func(*net.TCPConn) (*stream, known, *refusal) {
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	return func(nc *net.TCPConn) (*stream, known, *refusal) {
		raw := &turnConn{TCPConn: nc, turns: turns}
		who := known{peer: addrPort(nc.RemoteAddr())}
		if l.cfg.ProxyProtocol {
			if no := l.readProxy(raw, &who); no != nil {
				return nil, who, no
			}
		}
		secure := tls.Server(raw, config)
		nc.SetDeadline(time.Now().Add(l.cfg.TLS.HandshakeTimeout))
		err := secure.Handshake()
		raw.finish()
		nc.SetDeadline(time.Time{})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, who, &refusal{"ssl_upgrade_timeout", errors.New("the TLS handshake takes longer than handshake_timeout")}
		case err != nil:
			return nil, who, &refusal{"ssl_upgrade_error", err}
		}
		if shown := secure.ConnectionState().PeerCertificates; len(shown) > 0 {
			who.cert = certInfo(shown[0])
		}
		return newStream(secure, &l.server.passes), who, nil
	}
}

// readProxy reads the PROXY protocol's header, which comes before TLS.
func (l *listener) readProxy(raw *turnConn, who *known) *refusal {
	raw.SetReadDeadline(time.Now().Add(l.cfg.ProxyProtocolTimeout))
	var data []byte
	for buf := make([]byte, streamBuffer); ; {
		n, err := raw.TCPConn.Read(buf)
		data = append(data, buf[:n]...)
		h, err2 := parseProxy(data)
		switch {
		case h != nil:
			raw.head = data[h.size:]
			h.tell(who)
			if !l.access.Allow(who.peer.Addr()) {
				return &refusal{"access_denied", errDenied}
			}
			return nil
		case err2 != nil:
			return &refusal{proxyWord, err2}
		case errors.Is(err, io.EOF):
			return &refusal{proxyWord, errors.New("the connection ended before the PROXY protocol's header")}
		case err != nil:
			return &refusal{proxyWord, err}
		}
	}
}

// turnConn is the TCP connection below TLS. In a handshake it computes only
// while it holds one of few turns, and waits for the peer without one: so a
// thousand handshakes at once keep the processors busy, but those who carry
// messages don't stand in line behind a thousand goroutines.
type turnConn struct {
	*net.TCPConn
	head  []byte // was read too early and comes first
	turns chan struct{}
	mine  bool // holds a turn
}

// Read is net.Conn's.
func (t *turnConn) Read(p []byte) (int, error) {
	if len(t.head) > 0 {
		n := copy(p, t.head)
		if t.head = t.head[n:]; len(t.head) == 0 {
			t.head = nil
		}
		return n, nil
	}
	if t.turns == nil {
		return t.TCPConn.Read(p)
	}
	t.yield()
	n, err := t.TCPConn.Read(p)
	t.turns <- struct{}{}
	t.mine = true
	return n, err
}

func (t *turnConn) yield() {
	if t.mine {
		t.mine = false
		<-t.turns
	}
}

// finish ends the taking of turns.
func (t *turnConn) finish() {
	t.yield()
	t.turns = nil
}
