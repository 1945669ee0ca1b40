package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestRestartListener of every kind: its client is told, the address stays, and
// what was counted too; that of another listener goes on.
func TestRestartListener(t *testing.T) {
	const kinds = "tcp.a = 127.0.0.1:0\nws.a = 127.0.0.1:0\nssl.a = 127.0.0.1:0\nwss.a = 127.0.0.1:0\nquic.a = 127.0.0.1:0\ntcp.other = 127.0.0.1:0"
	ts := startTestServer(t, kinds)
	var other net.Conn
	for _, l := range ts.Listeners() {
		if l.Name == "other" {
			other = dial(t, l.Addr.String())
		}
	}
	talk(t, other, connectPacket("other"), connack)
	packet := mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, ClientID: "c", CleanStart: true}, mqtt.V5)
	f := func(kind string, open func() io.ReadWriter) {
		t.Helper()
		addr := ts.addr(kind)
		nc := open()
		talk(t, nc, packet, mqtt.Append(nil, &mqtt.Connack{}, mqtt.V5)[:1])
		ended := make(chan []byte, 1)
		go func() {
			rest, _ := io.ReadAll(nc) // QUIC ends with an error always
			ended <- rest
		}()
		if err := ts.RestartListener(kind, "a"); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if rest, said := <-ended, []byte{0xe0, 1, byte(mqtt.AdministrativeAction)}; !bytes.HasSuffix(rest, said) {
			t.Errorf("%s: the client gets % x, want % x at the end", kind, rest, said)
		}
		if s := ts.status(kind); s.Addr.String() != addr || !s.Running {
			t.Errorf("%s: it is now at %v, running %t, want %s", kind, s.Addr, s.Running, addr)
		}
		ts.wantEnded(kind, "shutdown")
		talk(t, open(), connectPacket("c"), connack)
	}
	secure := func(kind string) io.ReadWriter {
		nc, err := dialTLS(t, ts.addr(kind), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	f("tcp", func() io.ReadWriter { return dial(t, ts.addr("tcp")) })
	f("ws", func() io.ReadWriter { return &frames{w: openWS(t, ts, "ws")} })
	f("ssl", func() io.ReadWriter { return secure("ssl") })
	f("wss", func() io.ReadWriter { return &frames{w: openWS(t, ts, "wss")} })
	f("quic", func() io.ReadWriter { return mustDialQUIC(t, ts.addr("quic"), nil) })
	talk(t, other, ping, pong311)
}

// frames is a WebSocket as the stream of bytes in it.
type frames struct {
	w    *wsClient
	rest []byte
}

func (f *frames) Write(p []byte) (int, error) { return f.w.Write(wsFrame(0x82, p)) }

func (f *frames) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		var head [2]byte
		if _, err := io.ReadFull(f.w.in, head[:]); err != nil {
			return 0, err
		}
		payload := make([]byte, head[1])
		if _, err := io.ReadFull(f.w.in, payload); err != nil {
			return 0, err
		}
		if head[0] == 0x88 { // the end
			return 0, io.EOF
		}
		f.rest = payload
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func TestStopListener(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
	addr := ts.addr("tcp")
	nc := dial(t, addr)
	talk(t, nc, connectPacket("c"), connack)
	if err := ts.StopListener("tcp", "a"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, nc)
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it still listens")
	}
	if s := ts.status("tcp"); s.Running {
		t.Error("it is said to run")
	}
	if err := ts.StopListener("tcp", "a"); err == nil || err.Error() != "listener.tcp.a is stopped already" {
		t.Errorf("stopped again: %v", err)
	}
	if err := ts.StopListener("tcp", "b"); !errors.Is(err, ErrNoListener) {
		t.Errorf("one that isn't there: %v", err)
	}
	if err := ts.ReloadCertificates(); err != nil {
		t.Error(err)
	}
	if err := ts.RestartListener("tcp", "a"); err != nil {
		t.Fatal(err)
	}
	talk(t, dial(t, addr), connectPacket("c"), connack)
	ts.Stop()
	if err := ts.RestartListener("tcp", "a"); err == nil {
		t.Error("a server that is stopped opens a listener")
	}
}

// TestRestartWhoseAddressIsTaken leaves the listener stopped, to be tried again.
func TestRestartWhoseAddressIsTaken(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
	addr := ts.addr("tcp")
	if err := ts.StopListener("tcp", "a"); err != nil {
		t.Fatal(err)
	}
	thief, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := ts.RestartListener("tcp", "a"); err == nil || !strings.Contains(err.Error(), "taken by another program") {
		t.Errorf("got %v", err)
	}
	if ts.status("tcp").Running {
		t.Error("it is said to run")
	}
	thief.Close()
	if err := ts.RestartListener("tcp", "a"); err != nil {
		t.Error(err)
	}
}

// TestRestartReadsCertificates anew, and keeps the listener as it is while they
// can't be read.
func TestRestartReadsCertificates(t *testing.T) {
	first, second := newAuthority(t, "first", nil), newAuthority(t, "second", nil)
	one, other := first.issue(pkix.Name{CommonName: "x"}), second.issue(pkix.Name{CommonName: "x"})
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.certfile = "+one.certFile+"\nssl.a.keyfile = "+one.keyFile)
	by := func(a *authority) *tls.Config {
		pool := x509.NewCertPool()
		pool.AddCert(a.cert)
		return &tls.Config{RootCAs: pool, ServerName: "localhost"}
	}
	nc, err := dialTLS(t, ts.addr("ssl"), by(first))
	if err != nil {
		t.Fatal(err)
	}
	talk(t, nc, connectPacket("c"), connack)
	put := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(other.certFile, one.certFile) // and the key of the one before
	if err := ts.RestartListener("ssl", "a"); err == nil || !strings.Contains(err.Error(), "listener.ssl.a.certfile") {
		t.Errorf("got %v", err)
	}
	talk(t, nc, ping, pong311)
	put(other.keyFile, one.keyFile)
	if err := ts.RestartListener("ssl", "a"); err != nil {
		t.Fatal(err)
	}
	if err := tryTLS(t, ts.addr("ssl"), by(second)); err != nil {
		t.Errorf("the new certificate isn't shown: %v", err)
	}
}
