package server

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// oracle is a backend that answers when it is told to.
type oracle struct {
	said    chan struct{} // closed: it answers
	once    sync.Once
	asked   atomic.Int64
	verdict auth.Verdict
}

// startWithOracle starts a server that asks an oracle, which keeps who asks
// waiting until it has to speak, at the end of the test at last.
func startWithOracle(t testing.TB, listeners string, authn, authz bool) (*testServer, *oracle) {
	t.Helper()
	ts := newTestServer(t, listeners)
	o := ts.consult(authn, authz)
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	return ts, o
}

// consult puts an oracle into the chains of a server that isn't started yet.
func (ts *testServer) consult(authn, authz bool) *oracle {
	ts.zone.EnableACL = authz
	o := &oracle{said: make(chan struct{}), verdict: auth.Allow}
	p := auth.Provider{
		Name:    "oracle",
		Backend: &auth.Backend{Pool: 8, Timeout: time.Minute, MaxWaiting: 10_000, OnError: "deny"},
	}
	if authn {
		p.Authenticator = o
	}
	if authz {
		p.Authorizer = o
	}
	ts.broker.Access.Use(p)
	ts.t.Cleanup(o.speak)
	return o
}

// speak has the oracle answer, now and from now on.
func (o *oracle) speak() { o.once.Do(func() { close(o.said) }) }

func (o *oracle) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	if r.Client.ClientID == "free" {
		return auth.Answer{Verdict: auth.Allow}, nil
	}
	o.asked.Add(1)
	select {
	case <-o.said:
		return auth.Answer{Verdict: o.verdict}, nil
	case <-ctx.Done():
		return auth.Answer{}, ctx.Err()
	}
}

func (o *oracle) Authorize(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	return o.Authenticate(ctx, r)
}

// waits waits until the oracle has been asked n times.
func (o *oracle) waits(t testing.TB, n int64) {
	t.Helper()
	if !eventually(func() bool { return o.asked.Load() >= n }) {
		t.Fatalf("the oracle was asked %d times, want %d", o.asked.Load(), n)
	}
}

func publishPacket(name string, qos mqtt.QoS, id uint16) []byte {
	return mqtt.Append(nil, &mqtt.Publish{Topic: name, QoS: qos, PacketID: id, Payload: []byte("x")}, mqtt.V311)
}

func subscribePacket(filter string) []byte {
	return mqtt.Append(nil, &mqtt.Subscribe{PacketID: 9, Filters: []mqtt.SubscribeFilter{{Filter: filter}}}, mqtt.V311)
}

var suback = []byte{0x90, 3, 0, 9, 0}

// TestWaitOnEveryTransport has CONNECT, SUBSCRIBE and PUBLISH wait, each with
// packets behind it.
func TestWaitOnEveryTransport(t *testing.T) {
	f := func(kind string, open func(ts *testServer) io.ReadWriter) {
		t.Run(kind, func(t *testing.T) {
			ts, o := startWithOracle(t, kind+".a = 127.0.0.1:0", true, true)
			time.AfterFunc(50*time.Millisecond, o.speak)
			nc := open(ts)
			own := publishPacket("t", 0, 0)
			all := slices.Concat(connectPacket("c"), subscribePacket("t"), own, ping)
			talk(t, nc, all, slices.Concat(connack, suback, own, pong311))
			if o.asked.Load() != 3 {
				t.Errorf("asked %d times, want one for each packet", o.asked.Load())
			}
			talk(t, nc, slices.Concat(own, ping), slices.Concat(own, pong311))
			if o.asked.Load() != 3 {
				t.Error("asked again about a topic that the cache knows")
			}
			entries := ts.broker.ACLCache("c").Entries()
			if len(entries) != 2 || entries[0].Topic != "t" || !entries[0].Allow {
				t.Errorf("the cache has %v", entries)
			}
		})
	}
	f("tcp", func(ts *testServer) io.ReadWriter { return dial(ts.t, ts.addr("tcp")) })
	f("ssl", func(ts *testServer) io.ReadWriter {
		nc, err := dialTLS(ts.t, ts.addr("ssl"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			ts.t.Fatal(err)
		}
		return nc
	})
	f("ws", func(ts *testServer) io.ReadWriter { return &wsStream{wsClient: openWS(ts.t, ts, "ws")} })
	f("wss", func(ts *testServer) io.ReadWriter { return &wsStream{wsClient: openWS(ts.t, ts, "wss")} })
	f("quic", func(ts *testServer) io.ReadWriter {
		return mustDialQUIC(ts.t, ts.addr("quic"), &tls.Config{InsecureSkipVerify: true})
	})
}

// wsStream is what stands in the frames of a WebSocket.
type wsStream struct {
	*wsClient
	rest []byte
}

func (w *wsStream) Write(p []byte) (int, error) {
	w.send(message(p))
	return len(p), nil
}

func (w *wsStream) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		w.rest = w.read().Payload
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// TestEndWhileWaiting ends connections in every way while a packet of theirs
// waits. The late answer must do nothing.
func TestEndWhileWaiting(t *testing.T) {
	f := func(name, kind, packet string, end func(ts *testServer, nc net.Conn), word string) {
		t.Run(kind+", "+packet+", "+name, func(t *testing.T) {
			ts, o := startWithOracle(t, kind+".a = 127.0.0.1:0", packet == "CONNECT", packet != "CONNECT")
			var nc net.Conn = dial(t, ts.addr(kind))
			if kind == "ssl" {
				nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			send := connectPacket("c")
			if packet != "CONNECT" {
				talk(t, nc, send, connack)
				send = publishPacket("t", 2, 1)
				if packet == "SUBSCRIBE" {
					send = subscribePacket("t")
				}
			}
			if _, err := nc.Write(append(send, ping...)); err != nil {
				t.Fatal(err)
			}
			o.waits(t, 1)
			end(ts, nc)
			ts.wantEnded(kind, word)
			o.speak()
			if !eventually(func() bool { return ts.status(kind).Connections == 0 }) {
				t.Error("the connection is still there")
			}
			if got := ts.metric("messages.publish") + ts.metric("subscriptions.count"); got != 0 {
				t.Errorf("%d packets of a connection that is gone were carried out", got)
			}
		})
	}
	stop := func(ts *testServer, _ net.Conn) { ts.Stop() }
	reset := func(_ *testServer, nc net.Conn) {
		if c, ok := nc.(*tls.Conn); ok {
			nc = c.NetConn()
		}
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
	}
	for _, packet := range []string{"CONNECT", "PUBLISH", "SUBSCRIBE"} {
		f("reset", "tcp", packet, reset, "econnreset")
		for _, kind := range []string{"tcp", "ssl"} {
			f("ended by the server", kind, packet, stop, "shutdown")
		}
	}
}

// TestTakeOverWhileWaiting takes a client over whose message waits: the message
// was not acknowledged, and is not routed when its answer comes.
func TestTakeOverWhileWaiting(t *testing.T) {
	ts, o := startWithOracle(t, "tcp.a = 127.0.0.1:0", false, true)
	old := dial(t, ts.addr("tcp"))
	talk(t, old, connectPacket("c"), connack)
	if _, err := old.Write(publishPacket("t", 1, 1)); err != nil {
		t.Fatal(err)
	}
	o.waits(t, 1)
	talk(t, dial(t, ts.addr("tcp")), connectPacket("c"), connack)
	wantEnd(t, old)
	o.speak()
	if !eventually(func() bool { return ts.metric("client.acl.allow") == 1 }) {
		t.Error("the answer has not come")
	}
	if n := ts.metric("messages.publish"); n != 0 {
		t.Errorf("%d messages were published", n)
	}
}

// TestStopWhileWaiting stops a server with clients that wait.
func TestStopWhileWaiting(t *testing.T) {
	ts, o := startWithOracle(t, "tcp.a = 127.0.0.1:0\nssl.a = 127.0.0.1:0", true, false)
	for range 5 {
		tcp, raw := dial(t, ts.addr("tcp")), dial(t, ts.addr("ssl"))
		for _, nc := range []net.Conn{tcp, tls.Client(raw, &tls.Config{InsecureSkipVerify: true})} {
			if _, err := nc.Write(connectPacket(fmt.Sprint("c", nc.LocalAddr()))); err != nil {
				t.Fatal(err)
			}
		}
	}
	o.waits(t, 8)
	from := time.Now()
	ts.Stop()
	if took := time.Since(from); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// TestDeniedIsCounted counts every kind of refusal.
func TestDeniedIsCounted(t *testing.T) {
	f := func(verdict auth.Verdict, action string, v mqtt.Version, packet mqtt.Packet, want string) {
		t.Helper()
		ts := newTestServer(t, "tcp.a = 127.0.0.1:0")
		o := ts.consult(false, true)
		o.verdict = verdict
		o.speak()
		ts.zone.ACLDenyAction = action
		if err := ts.Start(); err != nil {
			t.Fatal(err)
		}
		nc := dial(t, ts.addr("tcp"))
		connect := mqtt.Append(nil, &mqtt.Connect{Version: v, ClientID: "c", CleanStart: true}, v)
		if _, err := nc.Write(slices.Concat(connect, mqtt.Append(nil, packet, v), ping, []byte{0xe0, 0})); err != nil {
			t.Fatal(err)
		}
		io.ReadAll(nc) // reset, or ended
		var got []string
		for _, name := range []string{"publish.error", "publish.auth_error", "publish.dropped", "subscribe.error", "subscribe.auth_error"} {
			if n := ts.metric("packets." + name); n > 0 {
				got = append(got, fmt.Sprint(name, "=", n))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v, %s, version %d, %v: got %q, want %q", verdict, action, v, packet.Type(), got, want)
		}
	}
	pub := func(q mqtt.QoS) *mqtt.Publish {
		p := &mqtt.Publish{Topic: "t", QoS: q}
		if q > 0 {
			p.PacketID = 1
		}
		return p
	}
	sub := &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "t"}}}
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		for q := range mqtt.QoS(3) {
			f(auth.Allow, "ignore", v, pub(q), "")
			f(auth.Deny, "ignore", v, pub(q), "publish.error=1 publish.auth_error=1")
			f(auth.Deny, "disconnect", v, pub(q), "publish.auth_error=1")
		}
		f(auth.Deny, "ignore", v, sub, "subscribe.error=1 subscribe.auth_error=1")
		f(auth.Deny, "disconnect", v, sub, "subscribe.auth_error=1")
	}
}

// TestHoldAndRelease has two goroutines hold and release at the same time: in
// the end the link must read.
func TestHoldAndRelease(t *testing.T) {
	l := newTapeListener(t, "tcp.a = 127.0.0.1:0")
	for range 2000 {
		k := &pausing{tape: l.connect(t)}
		k.conn.link = k
		var both sync.WaitGroup
		for _, why := range []uint32{heldByRate, heldByOutput} {
			both.Go(func() {
				for range 20 {
					k.conn.hold(why)
					runtime.Gosched()
					k.conn.release(why)
				}
			})
		}
		both.Wait()
		if k.paused.Load() {
			t.Fatal("the link is paused, and nobody holds it")
		}
	}
}

// pausing is a link that knows whether it reads.
type pausing struct {
	*tape
	paused atomic.Bool
}

func (p *pausing) PauseRead()  { p.paused.Store(true) }
func (p *pausing) ResumeRead() { p.paused.Store(false) }

// dice is a backend that takes its time, now more, now less.
type dice struct{}

func (dice) Authorize(context.Context, *auth.Request) (auth.Answer, error) {
	time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
	return auth.Answer{Verdict: auth.Allow}, nil
}

// TestOrderIsKept has publishers with hundreds of topics, of which the cache
// knows a few: whatever each answer takes, a publisher's messages stay in order
// and each of them comes once.
func TestOrderIsKept(t *testing.T) {
	ts := newTestServer(t, "tcp.a = 127.0.0.1:0\nssl.a = 127.0.0.1:0")
	ts.zone.EnableACL = true
	ts.broker.Access.Use(auth.Provider{
		Name: "dice", Authorizer: dice{}, Backend: &auth.Backend{Pool: 4, Timeout: time.Minute, MaxWaiting: 1000, OnError: "deny"},
	})
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	const publishers, messages = 4, 300
	watch := dial(t, ts.addr("tcp"))
	talk(t, watch, connectPacket("watch"), connack)
	talk(t, watch, subscribePacket("#"), suback)
	for i := range publishers {
		var nc net.Conn = dial(t, ts.addr("tcp"))
		if i%2 == 1 {
			nc = tls.Client(dial(t, ts.addr("ssl")), &tls.Config{InsecureSkipVerify: true})
		}
		send := connectPacket(fmt.Sprint("p", i))
		for n := range uint16(messages) {
			p := &mqtt.Publish{Topic: fmt.Sprintf("%d/%d", i, rand.IntN(100)), QoS: mqtt.QoS(rand.IntN(3)), Payload: binary.BigEndian.AppendUint16(nil, n)}
			if p.QoS > 0 {
				p.PacketID = n + 1
			}
			send = mqtt.Append(send, p, mqtt.V311)
			if p.QoS == 2 {
				send = mqtt.Append(send, &mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: n + 1}, mqtt.V311)
			}
		}
		if _, err := nc.Write(send); err != nil {
			t.Fatal(err)
		}
	}
	var decoder mqtt.Decoder
	stream := mqtt.Stream{Version: mqtt.V311, Client: true}
	var seen [publishers]uint16
	var in []byte
	for got := 0; got < publishers*messages; {
		p, n, err := decoder.Next(&stream, in)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			buf := make([]byte, 4096)
			size, err := watch.Read(buf)
			if err != nil {
				t.Fatalf("after %d messages: %v", got, err)
			}
			in = append(in, buf[:size]...)
			continue
		}
		k := p.(*mqtt.Publish)
		from, number := k.Topic[0]-'0', binary.BigEndian.Uint16(k.Payload)
		if number != seen[from] {
			t.Fatalf("publisher %d: message %d came, want %d", from, number, seen[from])
		}
		seen[from]++
		got++
		in = in[n:]
	}
}

// TestBannedMeanwhile bans a client while its credentials are being judged.
func TestBannedMeanwhile(t *testing.T) {
	ts := newTestServer(t, "tcp.a = 127.0.0.1:0")
	o := ts.consult(true, false)
	ts.zone.EnableBan = true
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, ts.addr("tcp"))
	if _, err := nc.Write(connectPacket("c")); err != nil {
		t.Fatal(err)
	}
	for o.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := ts.broker.Access.Bans().Add(auth.Ban{Kind: auth.BanClientID, Who: "c"}); err != nil {
		t.Fatal(err)
	}
	o.speak()
	if got, err := io.ReadAll(nc); err != nil || string(got) != "\x20\x02\x00\x00" {
		t.Errorf("got % x, %v, want a CONNACK and the end", got, err)
	}
	ts.wantEnded("tcp", "kicked")
}

// TestBanned refuses a banned client before anybody is asked about it.
func TestBanned(t *testing.T) {
	ts := newTestServer(t, "tcp.a = 127.0.0.1:0")
	o := ts.consult(true, false)
	ts.zone.EnableBan = true
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ts.broker.Access.Bans().Add(auth.Ban{Kind: auth.BanClientID, Who: "c"}); err != nil {
		t.Fatal(err)
	}
	talk(t, dial(t, ts.addr("tcp")), connectPacket("c"), []byte{0x20, 2, 0, 5})
	five := mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, ClientID: "c"}, mqtt.V5)
	nc := dial(t, ts.addr("tcp"))
	if _, err := nc.Write(five); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(nc); err != nil || len(got) < 4 || got[3] != byte(mqtt.Banned) {
		t.Errorf("got % x, %v, want a CONNACK with %v", got, err, mqtt.Banned)
	}
	ts.wantEnded("tcp", "banned")
	if o.asked.Load() != 0 {
		t.Error("the backend was asked about a banned client")
	}
}
