package server

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"github.com/dunlin-mq/dunlin/hook"
)

// proxy2 is a header of version 2.
func proxy2(t testing.TB, command proxyproto.ProtocolVersionAndCommand, from string, tlvs ...proxyproto.TLV) []byte {
	t.Helper()
	h := &proxyproto.Header{Version: 2, Command: command, TransportProtocol: proxyproto.UNSPEC}
	if from != "" {
		source, err := net.ResolveTCPAddr("tcp", from)
		if err != nil {
			t.Fatal(err)
		}
		h = proxyproto.HeaderProxyFromAddrs(2, source, &net.TCPAddr{IP: source.IP, Port: 1883})
		h.Command = command
	}
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	out, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// clientName says in a header that a client's certificate has this common
// name; verify is 0 if the proxy found it good.
func clientName(t testing.TB, name string, verify uint32) proxyproto.TLV {
	t.Helper()
	tlv, err := tlvparse.PP2SSL{
		Client: tlvparse.PP2_BITFIELD_CLIENT_SSL | tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN, Verify: verify,
		TLV: []proxyproto.TLV{
			{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv1.3")},
			{Type: proxyproto.PP2_SUBTYPE_SSL_CN, Value: []byte(name)},
		},
	}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return tlv
}

func TestProxyHeader(t *testing.T) {
	f := func(header []byte, peer, name string) {
		t.Helper()
		for _, kind := range []string{"tcp", "ws"} {
			for _, inPieces := range []bool{false, true} {
				l := newTapeListener(t, kind+".a = 127.0.0.1:0\n"+kind+".a.proxy_protocol = on")
				k := l.connect(t)
				stream := append(bytes.Clone(header), connectPacket("c")...)
				if kind == "ws" {
					stream = append(append(bytes.Clone(header), wsRequest...), message(connectPacket("c"))...)
				}
				if inPieces {
					for i := range stream {
						k.bring(stream[i : i+1])
					}
				} else {
					k.bring(stream)
				}
				if !bytes.HasSuffix(k.written(), connack) {
					t.Errorf("%q: got % x, want a CONNACK", header, k.written())
				}
				if got := k.conn.info.Peer.String(); got != peer {
					t.Errorf("%q: got the peer %s, want %s", header, got, peer)
				}
				if got := k.conn.info.Cert; (got == nil) != (name == "") || got != nil && got.CommonName != name {
					t.Errorf("%q: got the certificate %v, want %q", header, got, name)
				}
			}
		}
	}
	const own = "127.0.0.1:1"
	f([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\n"), "192.0.2.1:4711", "")
	f([]byte("PROXY TCP6 2001:db8::1 2001:db8::2 4711 1883\r\n"), "[2001:db8::1]:4711", "")
	f([]byte("PROXY UNKNOWN\r\n"), own, "")
	f([]byte("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), own, "")
	f(proxy2(t, proxyproto.PROXY, "192.0.2.1:4711"), "192.0.2.1:4711", "")
	f(proxy2(t, proxyproto.PROXY, "[2001:db8::1]:4711"), "[2001:db8::1]:4711", "")
	f(proxy2(t, proxyproto.LOCAL, ""), own, "")
	f(proxy2(t, proxyproto.LOCAL, "192.0.2.1:4711"), own, "")
	f(proxy2(t, proxyproto.PROXY, "192.0.2.1:1", clientName(t, "lamp", 0)), "192.0.2.1:1", "lamp")
	f(proxy2(t, proxyproto.PROXY, "192.0.2.1:1", clientName(t, "lamp", 1)), "192.0.2.1:1", "")
	f(proxy2(t, proxyproto.PROXY, "192.0.2.1:1", proxyproto.TLV{Type: 0xe1, Value: make([]byte, 3000)}), "192.0.2.1:1", "")
}

func TestBadProxyHeader(t *testing.T) {
	f := func(header string) {
		t.Helper()
		for _, kind := range []string{"tcp", "ssl"} {
			ts := startTestServer(t, kind+".a = 127.0.0.1:0\n"+kind+".a.proxy_protocol = on")
			for range 4 { // more than handshakes compute at once
				nc := dial(t, ts.addr(kind))
				if _, err := nc.Write([]byte(header)); err != nil {
					t.Fatal(err)
				}
			}
			if !eventually(func() bool { return ts.status(kind).Ended[proxyWord] == 4 }) {
				t.Errorf("%s, %q: got ends %v, want 4 of %s", kind, header, ts.status(kind).Ended, proxyWord)
			}
		}
	}
	f(string(connectPacket("c")))
	f("PROXZ")
	f("PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n")
	f("PROXY TCP4 192.0.2.300 192.0.2.2 4711 1883\r\n")
	f("PROXY " + strings.Repeat("x", maxProxy1))
	f(string(proxy2Signature) + "\x31\x11\x00\x0cabcdefghijkl") // version 3
	f(string(proxy2Signature) + "\x21\x11\xff\xff")             // too long
	f(string(proxy2Signature) + "\x21\x11\x00\x02ab")           // too short for its addresses
	f(string(proxy2Signature) + "\x21\x13\x00\x0cabcdefghijkl") // an unknown transport
}

func TestProxyTimeout(t *testing.T) {
	for _, kind := range []string{"tcp", "ws", "ssl"} {
		ts := startTestServer(t, kind+".a = 127.0.0.1:0\n"+kind+".a.proxy_protocol = on\n"+kind+".a.proxy_protocol_timeout = 50ms")
		wantEnd(t, dial(t, ts.addr(kind)))
		ts.wantEnded(kind, proxyWord)
	}
	// The timeout is over when the header is there.
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0\ntcp.a.proxy_protocol = on\ntcp.a.proxy_protocol_timeout = 2s")
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, append([]byte("PROXY UNKNOWN\r\n"), connectPacket("c")...), connack)
	time.Sleep(2500 * time.Millisecond)
	talk(t, nc, ping, pong311)
}

// TestProxyAccess has the access rules judge the address in the header.
func TestProxyAccess(t *testing.T) {
	for _, kind := range []string{"tcp", "ssl"} {
		ts := startTestServer(t, kind+".a = 127.0.0.1:0\n"+kind+".a.proxy_protocol = on\n"+
			kind+".a.access.1 = allow 192.0.2.0/24\n"+kind+".a.access.2 = deny all")
		try := func(from string) error {
			nc := dial(t, ts.addr(kind))
			if _, err := fmt.Fprintf(nc, "PROXY TCP4 %s 192.0.2.2 1 2\r\n", from); err != nil {
				return err
			}
			var rw net.Conn = nc
			if kind == "ssl" {
				rw = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			if _, err := rw.Write(connectPacket("c")); err != nil {
				return err
			}
			_, err := rw.Read(make([]byte, 4))
			return err
		}
		if err := try("192.0.2.7"); err != nil {
			t.Errorf("%s: an allowed address: %v", kind, err)
		}
		for range 4 {
			if try("198.51.100.1") == nil {
				t.Errorf("%s: a denied address is let in", kind)
			}
		}
		if err := try("192.0.2.8"); err != nil {
			t.Errorf("%s: an allowed address after refusals: %v", kind, err)
		}
		ts.wantEnded(kind, "access_denied")
	}
}

func TestNoProxyOverQUIC(t *testing.T) {
	ts := newTestServer(t, "quic.a = 127.0.0.1:0\nquic.a.proxy_protocol = on")
	if err := ts.Start(); err == nil || !strings.Contains(err.Error(), "listener.quic.a.proxy_protocol") {
		t.Errorf("got %v", err)
	}
}

// TestHAProxy has a real balancer in front: version 1, and version 2 with the
// name in the client's certificate.
func TestHAProxy(t *testing.T) {
	need(t, "haproxy", "mosquitto_pub")
	ca := newAuthority(t, "root", nil)
	own, lamp := ca.issue(namedCert("localhost")), ca.issue(namedCert("lamp"))
	both := filepath.Join(ca.dir, "both.pem")
	var text []byte
	for _, file := range []string{own.certFile, own.keyFile} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	if err := os.WriteFile(both, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0\ntcp.a.proxy_protocol = on\ntcp.a.peer_cert_as_username = cn\n"+
		"ssl.a = 127.0.0.1:0\nssl.a.proxy_protocol = on")
	clients := ts.clients()
	ports := freePorts(t, 3)
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	err := os.WriteFile(config, fmt.Appendf(nil, `defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen one
  bind 127.0.0.1:%d
  server s %s send-proxy
listen two
  bind 127.0.0.1:%d ssl crt %s ca-file %s verify required
  server s %s send-proxy-v2-ssl-cn
listen three
  bind 127.0.0.1:%d
  server s %s send-proxy-v2
`, ports[0], ts.addr("tcp"), ports[1], both, ca.file, ts.addr("tcp"), ports[2], ts.addr("ssl")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command("haproxy", "-db", "-f", config), fmt.Sprintf("127.0.0.1:%d", ports[0]))

	f := func(id string, port int, more ...string) hook.ClientInfo {
		t.Helper()
		mustRun(t, "mosquitto_pub", append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(port), "-i", id, "-u", "own", "-q", "1", "-t", "t", "-m", "hi"}, more...)...)
		for _, c := range clients() {
			if c.ClientID == id {
				return c
			}
		}
		t.Fatalf("%s hasn't connected", id)
		return hook.ClientInfo{}
	}
	if c := f("one", ports[0]); c.Username != "own" || c.Peer.Addr().String() != "127.0.0.1" || c.Cert != nil {
		t.Errorf("version 1: got %+v", c)
	}
	if c := f("two", ports[1], "--cafile", ca.file, "--cert", lamp.certFile, "--key", lamp.keyFile, "--insecure"); c.Username != "lamp" {
		t.Errorf("version 2: got the user name %q, want that of the certificate", c.Username)
	}
	generated := filepath.Join(ts.dir, "certs", "cert.pem")
	if c := f("three", ports[2], "--cafile", generated, "--insecure"); c.Username != "own" {
		t.Errorf("version 2 before TLS: got %+v", c)
	}
}
