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
	config, turns := l.tls.config(), make(chan struct{}, runtime.GOMAXPROCS(0))
	return l.listenTCP(func(nc *net.TCPConn) (*stream, known, *refusal) { return l.secure(nc, config, turns) })
}

// startWSS listens for MQTT over WebSocket over TLS.
func (l *listener) startWSS() error {
	l.startFraming()
	return l.startSSL()
}

// secure makes a TLS stream of an accepted connection.
func (l *listener) secure(nc *net.TCPConn, config *tls.Config, turns chan struct{}) (*stream, known, *refusal) {
	who := known{peer: addrPort(nc.RemoteAddr())}
	raw, err := newTLSSocket(nc, turns)
	if err != nil {
		return nil, who, &refusal{"closed", err}
	}
	defer raw.endTurns()
	if l.cfg.ProxyProtocol {
		if no := l.readProxy(raw, &who); no != nil {
			return nil, who, no
		}
	}
	secure, err := l.handshake(raw, config)
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

func (l *listener) handshake(nc net.Conn, config *tls.Config) (*tls.Conn, error) {
	nc.SetDeadline(time.Now().Add(l.cfg.TLS.HandshakeTimeout))
	defer nc.SetDeadline(time.Time{})
	secure := tls.Server(nc, config)
	return secure, secure.Handshake()
}

// readProxy reads the PROXY protocol's header, which comes before TLS.
func (l *listener) readProxy(raw *tlsSocket, who *known) *refusal {
	if err := raw.SetReadDeadline(time.Now().Add(l.cfg.ProxyProtocolTimeout)); err != nil {
		return &refusal{"closed", err}
	}
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
