package server

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestStalledStream has a client that reads nothing: it costs the broker no
// more than its watermark, and its connection after send_timeout.
func TestStalledStream(t *testing.T) {
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.send_timeout = 200ms\nssl.a.sndbuf = 8KB\nssl.a.high_watermark = 100KB\ntcp.a = 127.0.0.1:0")
	slow, err := dialTLS(t, ts.addr("ssl"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	talk(t, slow, connectPacket("slow"), connack)
	talk(t, slow, mqtt.Append(nil, &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "t"}}}, mqtt.V311), []byte{0x90, 3, 0, 1, 0})

	fast := dial(t, ts.addr("tcp"))
	talk(t, fast, connectPacket("fast"), connack)
	publish := mqtt.Append(nil, &mqtt.Publish{Topic: "t", Payload: make([]byte, 64<<10)}, mqtt.V311)
	for range 200 { // the publisher isn't held up
		talk(t, fast, append(publish, ping...), pong311)
	}
	ts.wantEnded("ssl", "etimedout")
	if !eventually(func() bool { return ts.status("ssl").Connections == 0 }) {
		t.Error("the connection is still there")
	}
}

// TestStreamEnds ends connections in every way that a net.Conn knows.
func TestStreamEnds(t *testing.T) {
	f := func(name, word string, end func(*tls.Conn, *net.TCPConn)) {
		t.Helper()
		ts := startTestServer(t, "ssl.a = 127.0.0.1:0")
		raw := dial(t, ts.addr("ssl"))
		nc := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		talk(t, nc, connectPacket("c"), connack)
		end(nc, raw)
		ts.wantEnded("ssl", word)
		if !eventually(func() bool { return ts.status("ssl").Connections == 0 }) {
			t.Errorf("%s: the connection is still counted", name)
		}
	}
	f("DISCONNECT", "normal", func(nc *tls.Conn, _ *net.TCPConn) {
		if _, err := nc.Write([]byte{0xe0, 0}); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, nc)
	})
	f("close_notify", "closed", func(nc *tls.Conn, _ *net.TCPConn) { nc.Close() })
	f("the end of the stream without it", "closed", func(_ *tls.Conn, raw *net.TCPConn) { raw.Close() })
	f("a reset", "econnreset", func(_ *tls.Conn, raw *net.TCPConn) {
		if err := raw.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		raw.Close()
	})
	f("bytes that aren't TLS", "closed", func(_ *tls.Conn, raw *net.TCPConn) {
		if _, err := raw.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRecordsInPieces has records arrive byte by byte and many at once.
func TestRecordsInPieces(t *testing.T) {
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0")
	link := &choppy{TCPConn: dial(t, ts.addr("ssl"))}
	nc := tls.Client(link, &tls.Config{InsecureSkipVerify: true})
	talk(t, nc, connectPacket("c"), connack)
	for size := range 8 {
		link.size = size
		for range 20 {
			talk(t, nc, ping, pong311)
		}
	}
	link.held = true
	for range 500 { // records of 2 bytes, which the server gets in one piece
		if _, err := nc.Write(ping); err != nil {
			t.Fatal(err)
		}
	}
	link.held = false
	if _, err := link.Write(nil); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		talk(t, nc, nil, pong311)
	}
	large := mqtt.Append(nil, &mqtt.Publish{Topic: "t", Payload: make([]byte, 200<<10)}, mqtt.V311)
	talk(t, nc, append(large, ping...), pong311)
}

// choppy writes in pieces of a size, 0 for as they come; or, while held,
// nothing.
type choppy struct {
	*net.TCPConn
	size  int
	held  bool
	later []byte
}

func (c *choppy) Write(p []byte) (int, error) {
	c.later = append(c.later, p...)
	if c.held {
		return len(p), nil
	}
	size := c.size
	if size == 0 {
		size = max(len(c.later), 1)
	}
	for len(c.later) > 0 {
		n := min(size, len(c.later))
		if _, err := c.TCPConn.Write(c.later[:n]); err != nil {
			return 0, err
		}
		c.later = c.later[n:]
	}
	return len(p), nil
}

// TestStopWhileStarting stops a server in the middle of handshakes.
func TestStopWhileStarting(t *testing.T) {
	ts := startTestServer(t, "ssl.a = 127.0.0.1:0\nssl.a.max_conn_rate = 5\nquic.a = 127.0.0.1:0")
	for i := range 100 { // the last could be accepted in 19 seconds
		nc := dial(t, ts.addr("ssl"))
		if _, err := nc.Write([]byte{0x16, 3, 1, 2}); err != nil {
			t.Fatal(i, err)
		}
	}
	from := time.Now()
	ts.Stop()
	if took := time.Since(from); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if _, err := net.Dial("tcp", ts.addr("ssl")); err == nil {
		t.Error("the port is still open")
	}
}

// TestPace counts when connections may be accepted.
func TestPace(t *testing.T) {
	for _, rate := range []int64{0, 10} {
		p := newPace(rate)
		for range 10 {
			p.took(rate)
		}
		if p.next != 0 {
			t.Errorf("at %d a second the 11th connection waits", rate)
		}
		p.took(rate)
		if waits := p.next != 0; waits != (rate > 0) {
			t.Errorf("at %d a second: the 12th connection waits: %t", rate, waits)
		}
		if p.took(1); p.next != 0 {
			t.Error("the first connection at another rate waits")
		}
		if p.took(1); p.next == 0 {
			t.Error("the second connection in a second doesn't wait at the new rate")
		}
	}
}
