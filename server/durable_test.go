package server

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// gate stands before an engine's log and maps: it keeps what is written back,
// or has it fail.
type gate struct {
	log            *engine.Log
	sessions       *engine.Map
	states         *engine.Map
	mu             sync.Mutex
	closed         bool
	waiting        []func()
	fail           error
	appends, peaks int // appends that wait now, and the most that ever did
}

var errGate = errors.New("the gate lets nothing through")

// startDurable starts a server with an engine below, and the gate between.
func startDurable(t testing.TB, listeners string) (*testServer, *gate) {
	t.Helper()
	e, err := engine.Start(engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	g := new(gate)
	if g.log, err = e.Log("messages", engine.LogOptions{}); err != nil {
		t.Fatal(err)
	}
	if g.sessions, err = e.BigMap("sessions"); err != nil {
		t.Fatal(err)
	}
	if g.states, err = e.BigMap("states"); err != nil {
		t.Fatal(err)
	}
	ts := newTestServer(t, listeners, func(o *broker.Options) {
		o.Durable = &broker.Durable{Messages: gateLog{g.log, g}, Sessions: gateMap{g.sessions, g}, States: gateMap{g.states, g}}
	})
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.open)
	return ts, g
}

type gateLog struct {
	*engine.Log
	g *gate
}

func (l gateLog) Append(name string, record []byte, done func(engine.At, error)) {
	l.g.pass(1, func() { l.Log.Append(name, record, done) }, func(err error) { done(engine.At{}, err) })
}

type gateMap struct {
	*engine.Map
	g *gate
}

func (m gateMap) PutLater(key string, value []byte, done func(error)) {
	m.g.pass(0, func() { m.Map.PutLater(key, value, done) }, done)
}

func (m gateMap) PutAt(key string, value []byte, was uint64, done func(uint64, error)) {
	m.g.pass(0, func() { m.Map.PutAt(key, value, was, done) }, func(err error) { done(0, err) })
}

// pass does something now, later or not at all.
func (g *gate) pass(appends int, do func(), not func(error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.fail != nil:
		go not(g.fail)
	case g.closed:
		g.waiting = append(g.waiting, do)
		g.appends += appends
		g.peaks = max(g.peaks, g.appends)
	default:
		do()
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.appends = false, 0
	for _, do := range g.waiting {
		do()
	}
	g.waiting = nil
}

// waits waits until so much stands before the gate.
func (g *gate) waits(t testing.TB, n int) {
	t.Helper()
	if !eventually(func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting) == n
	}) {
		t.Fatalf("never %d wait at the gate", n)
	}
}

func (g *gate) failing(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail = err
}

func keepingConnect(id string, v mqtt.Version) []byte {
	k := &mqtt.Connect{Version: v, ClientID: id}
	if v == mqtt.V5 {
		k.Props = &mqtt.Properties{Present: mqtt.PropSessionExpiry, SessionExpiry: 100}
	}
	return mqtt.Append(nil, k, v)
}

func subscribeAt(filter string, qos mqtt.QoS) []byte {
	return mqtt.Append(nil, &mqtt.Subscribe{PacketID: 9, Filters: []mqtt.SubscribeFilter{{Filter: filter, SubscribeOptions: mqtt.SubscribeOptions{QoS: qos}}}}, mqtt.V311)
}

func ackPacket(kind mqtt.Type, id uint16, code mqtt.ReasonCode, v mqtt.Version) []byte {
	return mqtt.AppendAck(nil, kind, id, code, v)
}

// subscriber connects a durable client with one subscription.
func subscriber(t testing.TB, ts *testServer, filter string, qos mqtt.QoS) net.Conn {
	t.Helper()
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, slices.Concat(keepingConnect("keeper", mqtt.V311), subscribeAt(filter, qos)), slices.Concat(connack, []byte{0x90, 3, 0, 9, byte(qos)}))
	return nc
}

func TestAcknowledgedInOrder(t *testing.T) {
	ts, g := startDurable(t, "tcp.a = 127.0.0.1:0")
	sub := subscriber(t, ts, "kept/#", 1)
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, connectPacket("p"), connack)
	g.close()
	send(t, nc, publishPacket("kept/1", 1, 1), publishPacket("other", 1, 2), publishPacket("kept/1", 2, 3), publishPacket("other", 2, 4))
	g.waits(t, 2)
	talk(t, nc, ping, pong311) // nothing is acknowledged before the first one
	g.open()
	wantBytes(t, nc, slices.Concat(
		ackPacket(mqtt.TypePuback, 1, 0, mqtt.V311), ackPacket(mqtt.TypePuback, 2, 0, mqtt.V311),
		ackPacket(mqtt.TypePubrec, 3, 0, mqtt.V311), ackPacket(mqtt.TypePubrec, 4, 0, mqtt.V311)))
	wantBytes(t, sub, slices.Concat(publishPacket("kept/1", 1, 1), publishPacket("kept/1", 1, 2)))
}

// A QoS 2 message that is on its way to the log when its client comes back is
// acknowledged on the new connection, and routed once.
func TestRepeatedWhileAppended(t *testing.T) {
	ts, g := startDurable(t, "tcp.a = 127.0.0.1:0")
	sub := subscriber(t, ts, "kept", 1)
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, keepingConnect("p", mqtt.V311), connack)
	g.close()
	send(t, nc, publishPacket("kept", 2, 7))
	g.waits(t, 1)
	g.mu.Lock()
	held := g.waiting
	g.waiting, g.closed = nil, false
	g.mu.Unlock()
	again := dial(t, ts.addr("tcp"))
	talk(t, again, keepingConnect("p", mqtt.V311), []byte{0x20, 2, 1, 0})
	repeated := publishPacket("kept", 2, 7)
	repeated[0] |= 8
	talk(t, again, slices.Concat(repeated, ping), pong311)
	for _, do := range held {
		do()
	}
	wantBytes(t, again, ackPacket(mqtt.TypePubrec, 7, 0, mqtt.V311))
	wantBytes(t, sub, publishPacket("kept", 1, 1))
	talk(t, again, publishPacket("kept", 1, 8), ackPacket(mqtt.TypePuback, 8, 0, mqtt.V311))
	wantBytes(t, sub, publishPacket("kept", 1, 2))
}

// What can't be kept is refused, or, to a client that can't be told, ends the
// connection.
func TestNotKept(t *testing.T) {
	ts, g := startDurable(t, "tcp.a = 127.0.0.1:0")
	subscriber(t, ts, "kept", 1)
	five, old := dial(t, ts.addr("tcp")), dial(t, ts.addr("tcp"))
	send(t, five, mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, ClientID: "five", CleanStart: true}, mqtt.V5))
	v5Connack(t, five)
	talk(t, old, connectPacket("old"), connack)
	g.failing(errGate)
	pub := func(qos mqtt.QoS, id uint16) []byte {
		return mqtt.Append(nil, &mqtt.Publish{Topic: "kept", QoS: qos, PacketID: id}, mqtt.V5)
	}
	talk(t, five, slices.Concat(pub(1, 1), pub(2, 2)),
		slices.Concat(ackPacket(mqtt.TypePuback, 1, mqtt.QuotaExceeded, mqtt.V5), ackPacket(mqtt.TypePubrec, 2, mqtt.QuotaExceeded, mqtt.V5)))
	send(t, old, publishPacket("kept", 1, 1))
	wantEnd(t, old)
	ts.wantEnded("tcp", mqtt.ServerUnavailable.String())
	g.failing(nil)
	talk(t, five, pub(2, 2), ackPacket(mqtt.TypePubrec, 2, 0, mqtt.V5)) // the identifier is free again
}

// A client that publishes faster than the log takes it is held back.
func TestLogHoldsBack(t *testing.T) {
	ts, g := startDurable(t, "tcp.a = 127.0.0.1:0\nssl.a = 127.0.0.1:0")
	subscriber(t, ts, "kept", 1)
	const messages = 2000
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, connectPacket("p"), connack)
	g.close()
	go func() {
		var all []byte
		for i := range uint16(messages) {
			all = append(all, publishPacket("kept", 1, i+1)...)
		}
		if _, err := nc.Write(all); err != nil {
			t.Error(err)
		}
	}()
	g.waits(t, mostPromised)
	g.open()
	var want []byte
	for i := range uint16(messages) {
		want = append(want, ackPacket(mqtt.TypePuback, i+1, 0, mqtt.V311)...)
	}
	wantBytes(t, nc, want)
	if g.peaks > mostPromised {
		t.Errorf("%d messages were on their way, want %d at most", g.peaks, mostPromised)
	}
}

// CONNACK, SUBACK and UNSUBACK wait until the session is kept.
func TestAnswersWaitForRecords(t *testing.T) {
	f := func(kind string, open func(*testServer) io.ReadWriter) {
		t.Run(kind, func(t *testing.T) {
			ts, g := startDurable(t, kind+".a = 127.0.0.1:0")
			nc := open(ts)
			step := func(packet, answer []byte) {
				t.Helper()
				g.close()
				send(t, nc, packet)
				if !eventually(func() bool {
					g.mu.Lock()
					defer g.mu.Unlock()
					return len(g.waiting) > 0
				}) {
					t.Fatal("nothing is kept")
				}
				send(t, nc, ping) // comes behind
				g.open()
				wantBytes(t, nc, slices.Concat(answer, pong311))
			}
			step(keepingConnect("c", mqtt.V311), connack)
			step(subscribeAt("t", 1), []byte{0x90, 3, 0, 9, 1})
			step(mqtt.Append(nil, &mqtt.Unsubscribe{PacketID: 4, Filters: []string{"t"}}, mqtt.V311), []byte{0xb0, 2, 0, 4})
		})
	}
	f("tcp", func(ts *testServer) io.ReadWriter { return dial(ts.t, ts.addr("tcp")) })
	f("ws", func(ts *testServer) io.ReadWriter { return &wsStream{wsClient: openWS(ts.t, ts, "ws")} })
}

func TestRecordsFail(t *testing.T) {
	ts, g := startDurable(t, "tcp.a = 127.0.0.1:0")
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, keepingConnect("c", mqtt.V311), connack)
	g.failing(errGate)
	talk(t, nc, subscribeAt("t", 1), []byte{0x90, 3, 0, 9, 0x80})
	if n := ts.broker.Client("c").SubscriptionCount(); n != 0 {
		t.Errorf("the client has %d subscriptions that nobody keeps", n)
	}
	other := dial(t, ts.addr("tcp"))
	talk(t, other, keepingConnect("d", mqtt.V311), []byte{0x20, 2, 0, 3})
	wantEnd(t, other)
	other = dial(t, ts.addr("tcp"))
	talk(t, other, keepingConnect("d", mqtt.V5), []byte{0x20, 3, 0, byte(mqtt.QuotaExceeded), 0})
	wantEnd(t, other)
	if ts.broker.Client("d") != nil {
		t.Error("a session is there that was refused")
	}
	nc.Close()
	nc = dial(t, ts.addr("tcp")) // what the client relies on goes on
	talk(t, nc, keepingConnect("c", mqtt.V311), []byte{0x20, 2, 1, 0})
	g.failing(nil)
	if !eventually(func() bool { // it is tried again
		record, ok, err := g.sessions.Get("sc")
		if !ok || err != nil {
			return false
		}
		s, err := durable.ParseSession("c", record)
		return err == nil && s.Epoch == 2
	}) {
		t.Error("the session that could not be kept isn't kept later either")
	}
	talk(t, nc, subscribeAt("t", 1), []byte{0x90, 3, 0, 9, 1})
}

// Nobody waits for a log that no session needs.
func TestMemoryNeedsNoRecords(t *testing.T) {
	ts, g := startDurable(t, "tcp.a = 127.0.0.1:0")
	ts.zone.SessionDurability = "memory"
	g.close()
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, slices.Concat(keepingConnect("c", mqtt.V311), subscribeAt("t", 1)), slices.Concat(connack, []byte{0x90, 3, 0, 9, 1}))
	talk(t, nc, publishPacket("t", 1, 1), slices.Concat(publishPacket("t", 1, 1), ackPacket(mqtt.TypePuback, 1, 0, mqtt.V311)))
	if len(g.waiting) != 0 {
		t.Errorf("%d records or messages are kept", len(g.waiting))
	}
}

func send(t testing.TB, nc io.Writer, packets ...[]byte) {
	t.Helper()
	if _, err := nc.Write(slices.Concat(packets...)); err != nil {
		t.Fatal(err)
	}
}

// wantBytes expects these bytes.
func wantBytes(t testing.TB, nc io.ReadWriter, want []byte) {
	t.Helper()
	talk(t, nc, nil, want)
}

// v5Connack reads a CONNACK with whatever properties.
func v5Connack(t testing.TB, nc io.Reader) {
	t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(nc, head); err != nil || head[0] != 0x20 || head[1] > 127 {
		t.Fatalf("got % x, %v, want a CONNACK", head, err)
	}
	if _, err := io.CopyN(io.Discard, nc, int64(head[1])); err != nil {
		t.Fatal(err)
	}
}
