package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gobwas/ws"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// maxRequest bounds the HTTP request that opens a WebSocket, in bytes; cookies
// are what makes them long.
const maxRequest = 8 << 10

// greet takes the HTTP request and returns what stands behind it, nil as long
// as the WebSocket isn't open.
func (w *wsFraming) greet(c *conn, p *pass, data []byte) []byte {
	w.partial = append(w.partial, data...)
	end := bytes.Index(w.partial, []byte("\r\n\r\n"))
	size := end + 4
	var reply bytes.Buffer
	var err error
	switch {
	case !looksLikeHTTP(w.partial):
		err = refuseUpgrade(&reply, http.StatusBadRequest, "expected an HTTP request that opens a WebSocket")
	case size > maxRequest || end < 0 && len(w.partial) >= maxRequest:
		err = refuseUpgrade(&reply, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("expected a request of at most %d bytes", maxRequest))
	case end < 0:
		return nil
	default:
		err = w.upgrade(c, &reply, w.partial[:size])
	}
	c.answer(p, reply.Bytes())
	if err != nil {
		c.fail(mqtt.Success, "websocket_refused", err.Error())
		return nil
	}
	rest := w.partial[size:]
	w.open, w.partial = true, nil
	return rest
}

// looksLikeHTTP keeps clients that speak something else, TLS or plain MQTT,
// from waiting for an answer.
func looksLikeHTTP(data []byte) bool {
	return len(data) == 0 || data[0] >= 'A' && data[0] <= 'Z'
}

// upgrade answers the request and notes the address a proxy has put into it.
func (w *wsFraming) upgrade(c *conn, reply *bytes.Buffer, request []byte) error {
	o := w.options
	var offered, chosen bool
	var origin, addr, port string
	u := ws.Upgrader{
		ReadBufferSize: maxRequest,
		OnRequest: func(uri []byte) error {
			if path, _, _ := strings.Cut(string(uri), "?"); path != o.Path {
				return reject(http.StatusNotFound, "expected the path "+o.Path)
			}
			return nil
		},
		Protocol: func(name []byte) bool {
			offered = true
			ok := slices.Contains(o.Subprotocols, string(name))
			chosen = chosen || ok
			return ok
		},
		OnHeader: func(key, value []byte) error {
			switch name := string(key); {
			case strings.EqualFold(name, "Origin"):
				origin = string(value)
			case strings.EqualFold(name, o.ProxyAddressHeader):
				addr = string(value)
			case strings.EqualFold(name, o.ProxyPortHeader):
				port = string(value)
			}
			return nil
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			switch {
			case !chosen && o.FailIfNoSubprotocol:
				return nil, reject(http.StatusBadRequest, w.wantSubprotocol(offered))
			case o.CheckOrigin && !w.originAllowed(origin):
				return nil, reject(http.StatusForbidden, fmt.Sprintf("the origin %q is not among those allowed", origin))
			}
			return nil, nil //nolint:nilnil // no headers to add
		},
	}
	_, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(request), reply})
	if err != nil {
		if reply.Len() == 0 {
			return refuseUpgrade(reply, http.StatusBadRequest, "expected an HTTP/1.1 request that opens a WebSocket")
		}
		return err
	}
	w.behindProxy(c, addr, port)
	return nil
}

func (w *wsFraming) wantSubprotocol(offered bool) string {
	found := "found none"
	if offered {
		found = "found others"
	}
	return "expected one of " + strings.Join(w.options.Subprotocols, ", ") + " in Sec-WebSocket-Protocol, " + found
}

func (w *wsFraming) originAllowed(origin string) bool {
	if origin == "" {
		return w.options.AllowOriginAbsence
	}
	return slices.ContainsFunc(w.options.Origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// behindProxy takes the client's address from the proxy's headers, whatever of
// it they give. Of several addresses the first is the client's.
func (w *wsFraming) behindProxy(c *conn, addr, port string) {
	first, _, _ := strings.Cut(addr, ",")
	peer := c.info.Peer
	if ip, err := netip.ParseAddr(strings.TrimSpace(first)); err == nil {
		peer = netip.AddrPortFrom(ip.Unmap(), peer.Port())
	} else if both, err := netip.ParseAddrPort(strings.TrimSpace(first)); err == nil {
		peer = unmapped(both)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		peer = netip.AddrPortFrom(peer.Addr(), uint16(n))
	}
	c.info.Peer = peer
}

func reject(status int, why string) error {
	return ws.RejectConnectionError(ws.RejectionStatus(status), ws.RejectionReason(why))
}

// refuseUpgrade writes an answer of HTTP and returns why as an error.
func refuseUpgrade(reply *bytes.Buffer, status int, why string) error {
	fmt.Fprintf(reply, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s",
		status, http.StatusText(status), len(why), why)
	return errors.New(why)
}

// frameWatch ends the connections of a WebSocket listener that have sent
// nothing for its idle_timeout. One look at all of them now and then costs
// less than a timer for each.
type frameWatch struct {
	listener *listener
	idle     int64 // milliseconds
}

// frameLooks is how often the connections are looked at within idle_timeout,
// which is how exact that is.
const frameLooks = 8

// watchFrames begins to look after idle connections.
func (l *listener) watchFrames() {
	if idle := l.cfg.WS.IdleTimeout.Milliseconds(); idle > 0 {
		w := &frameWatch{l, idle}
		l.server.broker.Reschedule(w, 0, broker.Now()+idle/frameLooks)
	}
}

// Fire is broker.Timer's.
func (w *frameWatch) Fire(*broker.Batch, int64) {
	l, now := w.listener, broker.Now()
	var idle []*conn
	l.mu.Lock()
	closed := l.closed
	for c := range l.conns {
		if c.held.Load() == 0 && c.lastRead.Load()+w.idle <= now {
			idle = append(idle, c)
		}
	}
	l.mu.Unlock()
	for _, c := range idle {
		c.End(broker.Ending{Code: mqtt.KeepAliveTimeout, Word: "idle_timeout"})
	}
	if !closed {
		l.server.broker.Reschedule(w, 0, now+max(w.idle/frameLooks, 1))
	}
}
