package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// now is an evacuation without any waiting, to servers.
func now(servers ...string) Evacuation { return Evacuation{Servers: servers, Rate: 1_000_000} }

// reason is a packet that says why, and where else.
func reason(packet mqtt.Packet) []byte { return mqtt.Append(nil, packet, mqtt.V5) }

func reference(text string) *mqtt.Properties {
	if text == "" {
		return nil
	}
	return &mqtt.Properties{Present: mqtt.PropServerReference, ServerReference: text}
}

func (ts *testServer) evacuate(e Evacuation) {
	ts.t.Helper()
	if err := ts.Evacuate(e); err != nil {
		ts.t.Fatal(err)
	}
}

func (ts *testServer) reaches(state EvacuationState) {
	ts.t.Helper()
	if !eventually(func() bool { return ts.Evacuation().State >= state }) {
		ts.t.Fatalf("the evacuation is %v, want %v: %+v", ts.Evacuation().State, state, ts.Evacuation())
	}
}

// quiet is a CONNECT of version 5 that asks for no reason strings.
func quiet(id string, expiry uint32) []byte {
	props := &mqtt.Properties{Present: mqtt.PropRequestProblemInfo | mqtt.PropSessionExpiry, SessionExpiry: expiry}
	return mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, ClientID: id, Props: props}, mqtt.V5)
}

// TestEvacuateEveryListener: whoever is connected is told, and nobody gets in.
func TestEvacuateEveryListener(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0\nws.a = 127.0.0.1:0\nssl.a = 127.0.0.1:0\nwss.a = 127.0.0.1:0\nquic.a = 127.0.0.1:0")
	secure := func(kind string) io.ReadWriter {
		nc, err := dialTLS(t, ts.addr(kind), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	open := map[string]func() io.ReadWriter{
		"tcp":  func() io.ReadWriter { return dial(t, ts.addr("tcp")) },
		"ws":   func() io.ReadWriter { return &frames{w: openWS(t, ts, "ws")} },
		"ssl":  func() io.ReadWriter { return secure("ssl") },
		"wss":  func() io.ReadWriter { return &frames{w: openWS(t, ts, "wss")} },
		"quic": func() io.ReadWriter { return mustDialQUIC(t, ts.addr("quic"), nil) },
	}
	conns := make(map[string]io.ReadWriter)
	for kind, dial := range open {
		conns[kind] = dial()
		talk(t, conns[kind], quiet(kind, 100), mqtt.Append(nil, &mqtt.Connack{}, mqtt.V5)[:1])
	}
	ts.evacuate(now("other:1883"))
	ts.reaches(WaitingForTakeover)
	e := ts.Evacuation()
	if e.InitialConnected != 5 || e.InitialSessions != 5 || e.Connected != 0 || e.Sessions != 5 {
		t.Errorf("the status is %+v", e)
	}
	for kind, nc := range conns {
		rest, _ := io.ReadAll(nc) // QUIC ends with an error always
		if want := reason(&mqtt.Disconnect{Code: mqtt.UseAnotherServer, Props: reference("other:1883")}); !bytes.HasSuffix(rest, want) {
			t.Errorf("%s: the client gets % x, want % x at the end", kind, rest, want)
		}
		ts.wantEnded(kind, "use_another_server")
		want := reason(&mqtt.Connack{Code: mqtt.UseAnotherServer, Props: reference("other:1883")})
		talk(t, open[kind](), quiet(kind, 100), want)
	}
	ts.reaches(Evacuated)
}

// TestEvacuateVersions: what clients of each version are told, before and after
// they come.
func TestEvacuateVersions(t *testing.T) {
	f := func(e Evacuation, v mqtt.Version, bye, no []byte) {
		t.Helper()
		ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
		connect := quiet("c", 0)
		if v < mqtt.V5 {
			connect = mqtt.Append(nil, &mqtt.Connect{Version: v, ClientID: "c", CleanStart: true}, v)
		}
		nc := dial(t, ts.addr("tcp"))
		talk(t, nc, connect, []byte{0x20})
		ts.evacuate(e)
		ts.reaches(Evacuated)
		if rest, err := io.ReadAll(nc); err != nil || !bytes.HasSuffix(rest, bye) || v < mqtt.V5 && len(rest) != 3 {
			t.Errorf("version %d: connected, the client gets % x, %v, want % x at the end", v, rest, err, bye)
		}
		late := dial(t, ts.addr("tcp"))
		talk(t, late, connect, no)
		wantEnd(t, late)
	}
	moved := now("a:1")
	moved.Moved = true
	f(now(), mqtt.V31, nil, []byte{0x20, 2, 0, 3})
	f(now("a:1"), mqtt.V311, nil, []byte{0x20, 2, 0, 3})
	f(now(), mqtt.V5, reason(&mqtt.Disconnect{Code: mqtt.UseAnotherServer}), reason(&mqtt.Connack{Code: mqtt.UseAnotherServer}))
	f(moved, mqtt.V5, reason(&mqtt.Disconnect{Code: mqtt.ServerMoved, Props: reference("a:1")}),
		reason(&mqtt.Connack{Code: mqtt.ServerMoved, Props: reference("a:1")}))
}

// TestServersTakeTurns: each client is told all, and another one first.
func TestServersTakeTurns(t *testing.T) {
	e := &evacuation{}
	e.Servers = []string{"a:1", "b:2", "c:3"}
	for _, want := range []string{"a:1 b:2 c:3", "b:2 c:3 a:1", "c:3 a:1 b:2", "a:1 b:2 c:3"} {
		if got := e.refer(nil).ServerReference; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := strings.Join(e.Servers, " "); got != "a:1 b:2 c:3" {
		t.Errorf("the list itself has become %q", got)
	}
}

// TestEvacuationWaits for load balancers, and lets clients in meanwhile.
func TestEvacuationWaits(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
	e := now()
	e.Wait = time.Hour
	ts.evacuate(e)
	if got := ts.Evacuation().State; got != WaitingForChecks {
		t.Errorf("the evacuation is %v", got)
	}
	talk(t, dial(t, ts.addr("tcp")), connectPacket("c"), connack)
	if err := ts.Evacuate(e); !errors.Is(err, ErrEvacuating) {
		t.Errorf("a second evacuation: %v", err)
	}
	if err := ts.EndEvacuation(); err != nil {
		t.Fatal(err)
	}
	if err := ts.EndEvacuation(); !errors.Is(err, ErrNotEvacuating) {
		t.Errorf("ended twice: %v", err)
	}
	if got := ts.Evacuation(); got.State != NoEvacuation || got.Servers != nil {
		t.Errorf("ended, it is %+v", got)
	}
	talk(t, dial(t, ts.addr("tcp")), connectPacket("d"), connack)
}

// TestEndEvacuation lets clients in again, and the next one finds them.
func TestEndEvacuation(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
	for range 2 {
		nc := dial(t, ts.addr("tcp"))
		talk(t, nc, connectPacket("c"), connack)
		ts.evacuate(now())
		wantEnd(t, nc)
		talk(t, dial(t, ts.addr("tcp")), connectPacket("c"), []byte{0x20, 2, 0, 3})
		if err := ts.EndEvacuation(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStopWhileEvacuating: whom it has not got to is told where to go.
func TestStopWhileEvacuating(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, quiet("c", 0), []byte{0x20})
	e := now("a:1")
	e.Rate = 1
	ts.evacuate(e)
	ts.reaches(EvictingConnections)
	ts.Stop()
	rest, err := io.ReadAll(nc)
	if want := reason(&mqtt.Disconnect{Code: mqtt.UseAnotherServer, Props: reference("a:1")}); err != nil || !bytes.HasSuffix(rest, want) {
		t.Errorf("got % x, %v, want % x at the end", rest, err, want)
	}
	if err := ts.Evacuate(e); err == nil {
		t.Error("a server that has stopped is evacuated")
	}
}

// TestHandSomeOver: of 20 clients 12 may stay; then it is over, and clients are
// let in.
func TestHandSomeOver(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0\ntcp.b = 127.0.0.1:0")
	listeners := ts.Listeners()
	for i := range 20 {
		talk(t, dial(t, listeners[i%2].Addr.String()), connectPacket(fmt.Sprint("c", i)), connack)
	}
	e := now()
	e.Goal = 12
	ts.evacuate(e)
	if !eventually(func() bool { return ts.Evacuation().State == NoEvacuation }) {
		t.Fatalf("it doesn't end: %+v", ts.Evacuation())
	}
	if n := ts.broker.Connected(); n != 12 {
		t.Errorf("%d clients have stayed, want 12", n)
	}
	talk(t, dial(t, ts.addr("tcp")), connectPacket("late"), connack)
	if err := ts.EndEvacuation(); !errors.Is(err, ErrNotEvacuating) {
		t.Errorf("ended again: %v", err)
	}
	ts.evacuate(now())
	ts.reaches(Evacuated)
}

func TestRation(t *testing.T) {
	start := time.Unix(1, 0)
	r := ration{rate: 20, at: start}
	f := func(at time.Duration, due, use int) {
		t.Helper()
		if got := r.due(start.Add(at)); got != due {
			t.Errorf("after %v, %d are due, want %d", at, got, due)
		}
		r.used(use)
	}
	f(0, 0, 0)
	f(40*time.Millisecond, 0, 0)
	f(100*time.Millisecond, 2, 2)
	f(200*time.Millisecond, 2, 1)
	f(300*time.Millisecond, 3, 3)
	f(time.Hour, 20, 20)
	f(time.Hour+time.Millisecond, 0, 0)
}

func TestEvacuationIsValid(t *testing.T) {
	f := func(want string, change func(*Evacuation)) {
		t.Helper()
		e := now("a:1", "[::1]:1883", "mqtt.example.com")
		change(&e)
		err := e.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", func(*Evacuation) {})
	f("no server reference", func(e *Evacuation) { e.Servers = []string{""} })
	f("no server reference", func(e *Evacuation) { e.Servers = []string{"a:1 b:2"} })
	f("no server reference", func(e *Evacuation) { e.Servers = []string{"a\x00"} })
	f("no server reference", func(e *Evacuation) { e.Servers = []string{"a\xff"} })
	f("4096 bytes", func(e *Evacuation) { e.Servers = []string{strings.Repeat("a", 4097)} })
	f("at least 1", func(e *Evacuation) { e.Rate = 0 })
	f("negative", func(e *Evacuation) { e.Goal = -1 })
	f("negative", func(e *Evacuation) { e.Wait = -1 })
	f("negative", func(e *Evacuation) { e.Takeover = -1 })
	f("negative", func(e *Evacuation) { e.SessionRate = -1 })
}
