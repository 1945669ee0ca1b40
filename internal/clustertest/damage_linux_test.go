package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// wire is a connection of a test that speaks packet by packet.
type wire struct {
	t       *testing.T
	conn    net.Conn
	version mqtt.Stream
	decoder mqtt.Decoder
	in      []byte
}

// connectWire connects a client with a session that lasts, and says whether it
// was there.
func connectWire(t *testing.T, n *Node, id string, clean bool) (w *wire, present bool) {
	t.Helper()
	conn, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	w = &wire{t: t, conn: conn, version: mqtt.Stream{Version: mqtt.V5, Client: true}}
	w.send(&mqtt.Connect{
		Version: mqtt.V5, ClientID: id, CleanStart: clean,
		Props: &mqtt.Properties{Present: mqtt.PropSessionExpiry, SessionExpiry: sessionExpiry},
	})
	ack, ok := w.next().(*mqtt.Connack)
	if !ok || ack.Code.Failed() {
		t.Fatalf("CONNECT of %s is answered with %+v", id, ack)
	}
	return w, ack.SessionPresent
}

func (w *wire) send(p mqtt.Packet) {
	w.t.Helper()
	if _, err := w.conn.Write(mqtt.Append(nil, p, mqtt.V5)); err != nil {
		w.t.Fatal(err)
	}
}

// next is what comes next. What is in it is valid until the next call.
func (w *wire) next() mqtt.Packet {
	w.t.Helper()
	buf := make([]byte, 64<<10)
	for {
		p, size, err := w.decoder.Next(&w.version, w.in)
		if err != nil {
			w.t.Fatal(err)
		}
		if size > 0 {
			w.in = w.in[size:]
			return p
		}
		if err := w.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			w.t.Fatal(err)
		}
		n, err := w.conn.Read(buf)
		if err != nil {
			w.t.Fatal(err)
		}
		w.in = append(slices.Clone(w.in), buf[:n]...)
	}
}

// publish publishes numbered messages at QoS 1, some at a time, and waits for
// their acknowledgements.
func (w *wire) publish(topic string, from, to, size int) {
	w.t.Helper()
	for at := from; at < to; at += 50 {
		end := min(at+50, to)
		for i := at; i < end; i++ {
			payload := fmt.Appendf(nil, "%d %s", i, bytes.Repeat([]byte("x"), size))
			w.send(&mqtt.Publish{Topic: topic, QoS: 1, PacketID: uint16(max(i, 0)%60_000 + 1), Payload: payload})
		}
		for range end - at {
			if ack, ok := w.next().(*mqtt.Ack); !ok || ack.Code.Failed() {
				w.t.Fatalf("a PUBLISH is answered with %+v", ack)
			}
		}
	}
}

// numbers are those of the messages that come, in order, up to the last one. A
// SUBACK that comes among them has subscribed called.
func (w *wire) numbers(last int, subscribed func()) (all []int) {
	w.t.Helper()
	for {
		switch p := w.next().(type) {
		case *mqtt.Publish:
			var number int
			if _, err := fmt.Sscanf(string(p.Payload[:min(len(p.Payload), 20)]), "%d ", &number); err != nil {
				w.t.Fatalf("%.40q: %v", p.Payload, err)
			}
			w.send(&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: p.PacketID})
			if number == last {
				return all
			}
			all = append(all, number)
		case *mqtt.Suback:
			subscribed()
		case *mqtt.Disconnect:
			w.t.Fatalf("DISCONNECT %v", p.Code)
		}
	}
}

func (w *wire) subscribe(filter string) {
	w.t.Helper()
	w.send(&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: filter, SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}}}})
}

const (
	damagedSessions = 150
	damagedMessages = 3000 // of 4 kB: two files of the log
)

// What a damage may cost.
type cost uint8

const (
	nothing   cost = iota
	something      // and the node says so
	unsaid         // it looks like what was being written at the kill, which nobody was promised
)

// TestDamage: a node whose files are damaged after a kill, or a stop, starts,
// gives what is whole to the sessions that are whole, and says that the rest is
// lost.
func TestDamage(t *testing.T) {
	killed := NewNode(t, program, nil, unlimited)
	killed.Start()
	for i := range damagedSessions {
		w, _ := connectWire(t, killed, fmt.Sprint("s", i), true)
		w.subscribe("t")
		if ack, ok := w.next().(*mqtt.Suback); !ok || ack.Codes[0].Failed() {
			t.Fatalf("SUBSCRIBE is answered with %+v", ack)
		}
		w.conn.Close()
	}
	pub, _ := connectWire(t, killed, "pub", true)
	pub.publish("t", 0, damagedMessages, 4000)
	killed.Kill()
	stopped := copied(t, killed)
	stopped.Start()
	stopped.Stop()

	f := func(name string, whole *Node, pattern string, damage func(text []byte) []byte, may cost) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			n := copied(t, whole)
			damageFiles(t, filepath.Join(n.Dir, "engine", pattern), damage)
			n.Start()
			judgeDamage(t, n, may)
			n.Kill()
		})
	}
	const streams = "jetstream/$G/streams/"
	const log, sessions, states = streams + "LOG_messages_0/", streams + "MAP_sessions/", streams + "MAP_states/"
	f("nothing", killed, "", nil, nothing)
	f("log, zeroes in the middle", killed, log+"msgs/1.blk", overwrite(0.5, 20_000, 0), something)
	f("log, garbage in the middle", killed, log+"msgs/1.blk", overwrite(0.3, 100, -1), something)
	f("log, garbage in the newest file", killed, log+"msgs/2.blk", overwrite(0.5, 3000, -1), something)
	f("log, first file cut", killed, log+"msgs/1.blk", cut(0.5), something)
	f("log, first file empty", killed, log+"msgs/1.blk", cut(0), something)
	f("log, garbage after a stop", stopped, log+"msgs/1.blk", overwrite(0.3, 100, -1), something)
	f("log, index", stopped, log+"msgs/index.db", overwrite(0, 1<<20, -1), nothing)
	f("log, index cut", stopped, log+"msgs/index.db", cut(0.5), nothing)
	f("log, description", killed, log+"meta.inf", overwrite(0.2, 50, -1), nothing)
	f("log, sum of the description", killed, log+"meta.sum", overwrite(0, 8, -1), nothing)
	f("sessions, garbage in the middle", killed, sessions+"msgs/*.blk", overwrite(0.5, 500, -1), something)
	f("sessions, cut", killed, sessions+"msgs/*.blk", cut(0.9), unsaid)
	f("sessions, index", stopped, sessions+"msgs/index.db", overwrite(0, 1<<20, 0), nothing)
	f("states, zeroes in the middle", killed, states+"msgs/*.blk", overwrite(0.5, 500, 0), something)
	f("states, index", stopped, states+"msgs/index.db", cut(0.1), nothing)
	f("all descriptions", killed, streams+"*/meta.inf", overwrite(0, 1<<20, 0), nothing)
	f("the note of the stop", stopped, "stopped", overwrite(0, 1<<20, -1), nothing)
}

// copied is a node, to be started, with a copy of the data of one that is down.
func copied(t *testing.T, from *Node) *Node {
	t.Helper()
	n := NewNode(t, program, nil, unlimited)
	n.Name = from.Name
	err := os.Remove(filepath.Join(from.Dir, "dunlin.sock")) // it can't be copied
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.CopyFS(n.Dir, os.DirFS(from.Dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// damageFiles changes the files of a pattern.
func damageFiles(t *testing.T, pattern string, damage func([]byte) []byte) {
	t.Helper()
	if damage == nil {
		return
	}
	// A $ or a name like [a] has no meaning in these paths but * has.
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatalf("there is no %s", pattern)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, damage(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// overwrite puts zeroes (0) or anything (-1) over so many bytes from a part of
// the file on.
func overwrite(from float64, size, with int) func([]byte) []byte {
	return func(text []byte) []byte {
		at := int(from * float64(len(text)))
		for i := at; i < min(at+size, len(text)); i++ {
			if text[i] = 0; with < 0 {
				text[i] = byte(rand.Uint32())
			}
		}
		return text
	}
}

// cut leaves a part of the file.
func cut(part float64) func([]byte) []byte {
	return func(text []byte) []byte { return text[:int(part*float64(len(text)))] }
}

// judgeDamage demands of a node that it serves, and that it says so if it has
// lost something.
func judgeDamage(t *testing.T, n *Node, may cost) {
	t.Helper()
	pub, _ := connectWire(t, n, "pub", false)
	pub.publish("t", damagedMessages, damagedMessages+1, 10)
	const each = 15
	there, most := 0, 0
	for i := 0; i < damagedSessions; i += each {
		id := fmt.Sprint("s", i)
		w, _ := connectWire(t, n, id, false)
		w.subscribe("end/" + id)
		got := w.numbers(-1, func() { pub.publish("end/"+id, -1, 0, 10) })
		w.conn.Close()
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s got %d messages, some out of order or twice", id, len(got))
		}
		if len(got) == 0 { // its newest record is lost, which had the subscription
			continue
		}
		if got[len(got)-1] != damagedMessages {
			t.Errorf("%s got no message that came after the damage", id)
		}
		there, most = there+1, max(most, len(got)-1)
	}
	pub.conn.Close()
	const asked = damagedSessions / each
	t.Logf("%d of %d sessions are there, with %d of %d messages", there, asked, most, damagedMessages)
	if may == nothing && (there < asked || most < damagedMessages) {
		t.Error("something is lost that was whole")
	}
	if there < asked/2 || most < damagedMessages/4 {
		t.Error("more is lost than was damaged")
	}
	if may != something {
		return
	}
	said := requireAlarm(t, n, "storage_damaged", true)
	var health struct{ Warnings []string }
	if err := n.Get("/health", &health); err != nil || !slices.ContainsFunc(health.Warnings, func(w string) bool { return strings.Contains(w, "storage_damaged") }) {
		t.Errorf("the health of the node is %q, %v", health.Warnings, err)
	}
	if text := n.tail(); !strings.Contains(text, "a file is damaged") {
		t.Errorf("the log doesn't say what is lost:\n%s", text)
	}
	t.Log(said)
}
