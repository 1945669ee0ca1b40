package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// dialQUIC opens a connection with one stream; it ends with the test.
func dialQUIC(t testing.TB, addr string, config *tls.Config) (*quicConn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if config == nil {
		config = &tls.Config{InsecureSkipVerify: true}
	}
	if config.NextProtos == nil {
		config.NextProtos = []string{"mqtt"}
	}
	qc, err := quic.DialAddr(ctx, addr, config, nil)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { qc.CloseWithError(0, "") })
	qs, err := qc.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	qs.SetDeadline(time.Now().Add(time.Minute))
	return &quicConn{qs, qc}, nil
}

func mustDialQUIC(t testing.TB, addr string, config *tls.Config) *quicConn {
	t.Helper()
	q, err := dialQUIC(t, addr, config)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQUIC(t *testing.T) {
	ts := startTestServer(t, "quic.a = 127.0.0.1:0\ntcp.a = 127.0.0.1:0")
	clients := ts.clients()
	q := mustDialQUIC(t, ts.addr("quic"), nil)
	talk(t, q, connectPacket("c"), connack)
	talk(t, q, ping, pong311)
	if c := clients()[0]; c.Peer != addrPort(q.conn.LocalAddr()) && !c.Peer.Addr().IsLoopback() {
		t.Errorf("got the peer %v", c.Peer)
	}

	// Large messages both ways, from and to a client over TCP.
	subscribe := mqtt.Append(nil, &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "t"}}}, mqtt.V311)
	suback := []byte{0x90, 3, 0, 1, 0}
	publish := mqtt.Append(nil, &mqtt.Publish{Topic: "t", Payload: make([]byte, 900<<10)}, mqtt.V311)
	other := dial(t, ts.addr("tcp"))
	talk(t, other, connectPacket("other"), connack)
	talk(t, other, subscribe, suback)
	talk(t, q, subscribe, suback)
	if _, err := q.Write(publish); err != nil {
		t.Fatal(err)
	}
	talk(t, q, nil, publish)
	talk(t, other, nil, publish)

	// DISCONNECT ends the connection, not only the stream.
	if _, err := q.Write([]byte{0xe0, 0}); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, q)
	q.CloseWrite()
	var gone *quic.ApplicationError
	if _, err := q.conn.AcceptStream(t.Context()); !errors.As(err, &gone) || gone.ErrorCode != 0 {
		t.Errorf("got %v, want the connection closed with code 0", err)
	}
	ts.wantEnded("quic", "normal")
}

func TestQUICRefusals(t *testing.T) {
	ts := startTestServer(t, "quic.a = 127.0.0.1:0\nquic.a.max_connections = 1")
	if _, err := dialQUIC(t, ts.addr("quic"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}); err == nil {
		t.Error("another protocol than mqtt is accepted")
	}
	talk(t, mustDialQUIC(t, ts.addr("quic"), nil), connectPacket("c"), connack)
	if q, err := dialQUIC(t, ts.addr("quic"), nil); err == nil {
		if _, err := q.Read(make([]byte, 1)); err == nil {
			t.Error("one connection too many is let in")
		}
	}
	ts.wantEnded("quic", "max_connections")

	idle := newTestServer(t, "quic.a = 127.0.0.1:0")
	idle.zone.IdleTimeout = 50 * time.Millisecond
	if err := idle.Start(); err != nil {
		t.Fatal(err)
	}
	q := mustDialQUIC(t, idle.addr("quic"), nil) // a stream is known to the peer when it carries something
	if _, err := q.Read(make([]byte, 1)); err == nil {
		t.Error("a connection without a stream stays open")
	}
	idle.wantEnded("quic", "idle_timeout")

	ca := newAuthority(t, "root", nil)
	strict := startTestServer(t, "quic.a = 127.0.0.1:0\nquic.a.verify = verify_peer\nquic.a.fail_if_no_peer_cert = true\n"+
		"quic.a.peer_cert_as_username = cn\nquic.a.peer_cert_as_clientid = md5\nquic.a.cacertfile = "+ca.file)
	clients := strict.clients()
	if q, err := dialQUIC(t, strict.addr("quic"), nil); err == nil {
		if _, err := q.Read(make([]byte, 1)); err == nil {
			t.Error("a client without a certificate is let in")
		}
	}
	lamp := ca.issue(namedCert("lamp"))
	talk(t, mustDialQUIC(t, strict.addr("quic"), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{lamp.load(t)}}), connectPacket("c"), connack)
	if c := clients()[0]; c.Username != "lamp" || len(c.ClientID) != 32 {
		t.Errorf("got %+v, want the names of the certificate", c)
	}

	old := newTestServer(t, "quic.a = 127.0.0.1:0\nquic.a.tls_versions = tlsv1.2")
	if err := old.Start(); err == nil || !strings.Contains(err.Error(), "listener.quic.a.tls_versions") {
		t.Errorf("QUIC with TLS 1.2 alone: got %v", err)
	}
}

// TestQUICRate delays, and refuses nobody.
func TestQUICRate(t *testing.T) {
	ts := startTestServer(t, "quic.a = 127.0.0.1:0\nquic.a.max_conn_rate = 20")
	from := time.Now()
	for range 25 {
		talk(t, mustDialQUIC(t, ts.addr("quic"), nil), connectPacket("c"), connack)
	}
	if took := time.Since(from); took < 200*time.Millisecond {
		t.Errorf("25 connections took %v at 20 a second with 20 at once", took)
	}
}

// TestQUICStop stops a server whose client doesn't answer.
func TestQUICStop(t *testing.T) {
	ts := startTestServer(t, "quic.a = 127.0.0.1:0")
	q := mustDialQUIC(t, ts.addr("quic"), nil)
	talk(t, q, mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, ClientID: "c"}, mqtt.V5), []byte{0x20})
	go ts.Stop()
	rest, err := io.ReadAll(q)
	if err != nil || len(rest) < 3 || string(rest[len(rest)-3:]) != "\xe0\x01\x8b" {
		t.Errorf("got % x, %v, want DISCONNECT 0x8B at the end", rest, err)
	}
}

// TestQUICPeer connects with another implementation, of QUIC and of TLS.
func TestQUICPeer(t *testing.T) {
	python := os.Getenv("DUNLIN_AIOQUIC") // a Python that has aioquic
	if python == "" {
		t.Skip("DUNLIN_AIOQUIC names no Python with aioquic")
	}
	ts := startTestServer(t, "quic.a = 127.0.0.1:0")
	out, err := exec.Command(python, filepath.Join("testdata", "quic_client.py"), ts.port("quic")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PINGRESP") {
		t.Errorf("%v\n%s", err, out)
	}
}

var _ net.Conn = (*quicConn)(nil)
