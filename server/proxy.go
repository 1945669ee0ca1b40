package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// proxyWord is why connections end that don't begin with the header.
const proxyWord = "proxy_protocol_error"

var errDenied = errors.New("an access rule denies the address in the PROXY protocol's header")

// Sizes of the PROXY protocol's header (PROXY protocol clauses 2.1 and 2.2).
const (
	maxProxy1  = 107
	proxy2Head = 16
	maxProxy2  = proxy2Head + 4096 // a certificate and more has room in 4 KB
)

var (
	proxy1Signature = []byte("PROXY ")
	proxy2Signature = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// proxyHeader is a header that was read.
type proxyHeader struct {
	size int // bytes it takes
	*proxyproto.Header
}

// parseProxy reads the header at the beginning of data, of version 1 or 2; nil
// without an error: it isn't whole yet.
func parseProxy(data []byte) (*proxyHeader, error) {
	var size int
	switch {
	case bytes.HasPrefix(data, proxy2Signature):
		if len(data) < proxy2Head {
			return nil, nil
		}
		size = proxy2Head + int(binary.BigEndian.Uint16(data[14:]))
		if size > maxProxy2 {
			return nil, fmt.Errorf("a PROXY protocol header of %d bytes; expected %d at most", size, maxProxy2)
		}
	case bytes.HasPrefix(data, proxy1Signature):
		end := bytes.Index(data[:min(len(data), maxProxy1)], []byte("\r\n"))
		if end < 0 && len(data) >= maxProxy1 {
			return nil, fmt.Errorf("a PROXY protocol line without an end in %d bytes", maxProxy1)
		}
		size = end + 2
		if end < 0 {
			return nil, nil
		}
	case bytes.HasPrefix(proxy2Signature, data), bytes.HasPrefix(proxy1Signature, data):
		return nil, nil
	default:
		return nil, errors.New("expected the PROXY protocol's header as the first bytes")
	}
	if len(data) < size {
		return nil, nil
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(data[:size]), size))
	if err != nil {
		return nil, err
	}
	return &proxyHeader{size, h}, nil
}

// tell adds what the header says of the client. A header without addresses,
// from the proxy itself or of a kind unknown to it, says nothing.
func (h *proxyHeader) tell(who *known) {
	if h.Command.IsLocal() || h.SourceAddr == nil {
		return
	}
	if tcp, ok := h.SourceAddr.(*net.TCPAddr); ok {
		who.peer = addrPort(tcp)
	}
	tlvs, err := h.TLVs()
	if err != nil {
		return // addresses stand in the fixed part, which is good
	}
	if ssl, ok := tlvparse.FindSSL(tlvs); ok && ssl.Verified() {
		if name, ok := ssl.ClientCN(); ok && name != "" {
			who.cert = &hook.CertInfo{CommonName: name}
		}
	}
}

// proxyFraming waits for the header and then gives way to the framing below.
type proxyFraming struct {
	conn *conn
	next framing // nil: MQTT
	have []byte  // what came of the header so far
	late int64   // when Fire is due
}

// newProxyFraming is the framing of a connection behind a proxy.
func newProxyFraming(c *conn, next framing) framing {
	f := &proxyFraming{conn: c, next: next, late: broker.Now() + c.listener.cfg.ProxyProtocolTimeout.Milliseconds()}
	c.listener.server.broker.Reschedule(f, 0, f.late)
	return f
}

func (f *proxyFraming) feed(c *conn, p *pass, data []byte) {
	if f.have != nil {
		f.have = append(f.have, data...)
		data = f.have
	}
	h, err := parseProxy(data)
	switch {
	case err != nil:
		c.fail(mqtt.Success, proxyWord, err.Error())
		return
	case h == nil:
		if f.have == nil {
			f.have = append([]byte{}, data...)
		}
		return
	}
	who := known{peer: c.info.Peer}
	h.tell(&who)
	c.info.Peer, c.info.Cert = who.peer, who.cert
	if !c.listener.access.Allow(who.peer.Addr()) {
		c.fail(mqtt.Success, "access_denied", errDenied.Error())
		return
	}
	c.listener.server.broker.Reschedule(f, f.late, 0)
	c.mu.Lock()
	c.framing = f.next
	c.mu.Unlock()
	switch rest := data[h.size:]; {
	case len(rest) == 0:
	case f.next != nil:
		f.next.feed(c, p, rest)
	default:
		c.feed(p, rest)
	}
}

func (f *proxyFraming) seal(*output) {}

func (f *proxyFraming) goodbye(dst []byte) []byte { return dst }

// Fire is broker.Timer's: the header has had its time.
func (f *proxyFraming) Fire(*broker.Batch, int64) {
	f.conn.mu.Lock()
	waiting := f.conn.framing == framing(f) && f.conn.end.Word == ""
	f.conn.mu.Unlock()
	if waiting {
		f.conn.fail(mqtt.Success, proxyWord, "the PROXY protocol's header didn't come within proxy_protocol_timeout")
	}
}
