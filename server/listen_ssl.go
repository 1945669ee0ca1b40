package server

import (
	"crypto/tls"
	"errors"
	"fmt"
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
		raw, err := newTLSSocket(nc, turns)
		if err != nil {
			return nil, known{}, &refusal{"closed", err}
		}
		who := known{peer: addrPort(nc.RemoteAddr())}
		if l.cfg.ProxyProtocol {
			if no := l.readProxy(raw, &who); no != nil {
				return nil, who, no
			}
		}
		secure := tls.Server(raw, config)
		nc.SetDeadline(time.Now().Add(l.cfg.TLS.HandshakeTimeout))
		err = secure.Handshake()
		raw.endTurns()
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
		k := newStream(secure, &l.server.passes)
		k.wait = raw.wait
		return k, who, nil
	}
}

// readProxy reads the PROXY protocol's header, which comes before TLS.
func (l *listener) readProxy(raw *tlsSocket, who *known) *refusal {
	raw.SetReadDeadline(time.Now().Add(l.cfg.ProxyProtocolTimeout))
	for {
		if err := raw.fill(); err != nil {
			return &refusal{proxyWord, fmt.Errorf("the connection brought no PROXY protocol header: %w", err)}
		}
		h, err := parseProxy(raw.unread())
		switch {
		case err != nil:
			return &refusal{proxyWord, err}
		case h == nil:
			continue
		}
		raw.took(h.size)
		h.tell(who)
		if !l.access.Allow(who.peer.Addr()) {
			return &refusal{"access_denied", errDenied}
		}
		return nil
	}
}
