package clienttest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestWillsOfKilledClients: programs that get SIGKILL leave their wills, with
// the delay they asked for.
func TestWillsOfKilledClients(t *testing.T) {
	t.Parallel()
	needTool(t, "mosquitto_sub")
	b := start(t, "tcp")
	sub := connect(t, b.tcp(), "heir")
	sub.subscribe(t, 1, "will/#")
	var doomed []peer
	want := make(map[string]bool)
	for i := range 12 {
		topic := fmt.Sprint("will/", i)
		at := b.at(t, "tcp", byte(3+i%3))
		doomed = append(doomed, connectMosquitto(t, at, session{id: fmt.Sprint("doomed", i), will: &message{topic: topic, payload: "gone", qos: 1}}))
		want[topic] = true
	}
	delayed := open(t, b.tcp())
	delayed.connect(t, "delayed", func(k *mqtt.Connect) {
		k.Props = &mqtt.Properties{Present: mqtt.PropSessionExpiry, SessionExpiry: 60}
		k.Will = &mqtt.Will{QoS: 1, Topic: "will/delayed", Payload: []byte("late"),
			Props: &mqtt.Properties{Present: mqtt.PropWillDelay, WillDelay: 1}}
	})
	delayed.Close()
	killed := time.Now()
	for _, p := range doomed {
		p.kill(t)
	}
	for range doomed {
		topic, payload := sub.receive(t)
		if !want[topic] || payload != "gone" {
			t.Errorf("got %s on %s", payload, topic)
		}
		delete(want, topic)
	}
	sub.expectMessage(t, "will/delayed", "late")
	if waited := time.Since(killed); waited < 900*time.Millisecond {
		t.Errorf("a will with a delay of 1 s came after %v", waited)
	}
}

// TestStopInTraffic: SIGTERM in the middle of traffic. Every version 5 client
// is told 0x8B, version 3 clients see the end, nobody hangs, and the program
// leaves without an error.
func TestStopInTraffic(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp ws ssl")
	const members = 60
	var subscribed, stopped sync.WaitGroup
	var told, closed atomic.Int32
	for i, id := range names("sub", members) {
		v := []mqtt.Version{mqtt.V5, mqtt.V5, mqtt.V311, mqtt.V31}[i%4]
		w := connect(t, b.tcp(), id, version(v))
		w.subscribe(t, mqtt.QoS(i%3), "traffic")
		subscribed.Add(1)
		stopped.Go(func() { untilStopped(t, w, &subscribed, &told, &closed) })
	}
	for _, id := range names("pub", 4) {
		w := connect(t, b.tcp(), id)
		stopped.Go(func() { flood(w) })
	}
	mute := open(t, b.tcp()) // has said nothing, and reads nothing
	half := open(t, b.addr["ws external"])
	half.Write([]byte("GET /mqtt HTTP/1.1\r\n")) // a failure shows below
	noTLS := open(t, b.addr["ssl external"])

	subscribed.Wait() // everybody has got a message
	began := time.Now()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopped.Wait()
	select {
	case <-b.gone:
	case <-time.After(patience):
		t.Fatal("the broker still runs")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the broker's exit code is %d", code)
	}
	if told.Load() != members/2 || closed.Load() != members/2 {
		t.Errorf("%d of %d version 5 clients were told, %d of %d others saw the end", told.Load(), members/2, closed.Load(), members/2)
	}
	for _, w := range []*wire{mute, half, noTLS} {
		expectEnd(t, w)
	}
}

// untilStopped reads until the connection ends, and takes note of how.
func untilStopped(t *testing.T, w *wire, subscribed *sync.WaitGroup, told, closed *atomic.Int32) {
	var first sync.Once
	defer first.Do(subscribed.Done)
	for {
		p, err := w.next(patience)
		switch k := p.(type) {
		case *mqtt.Publish:
			first.Do(subscribed.Done)
			switch k.QoS {
			case 1:
				w.trySend(&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: k.PacketID}) // the broker may be gone
			case 2:
				w.trySend(&mqtt.Ack{Kind: mqtt.TypePubrec, PacketID: k.PacketID})
			}
		case *mqtt.Ack:
			w.trySend(&mqtt.Ack{Kind: mqtt.TypePubcomp, PacketID: k.PacketID})
		case *mqtt.Disconnect:
			if k.Code != mqtt.ServerShuttingDown {
				t.Errorf("a client was told %v, expected 0x8B", k.Code)
			}
			told.Add(1)
			expectEnd(t, w)
			return
		default:
			if isTimeout(err) {
				t.Errorf("a client of version %d hangs", w.stream.Version)
			} else if w.stream.Version == mqtt.V5 {
				t.Errorf("a version 5 client was not told: %v (%v)", p, err)
			}
			closed.Add(1)
			return
		}
	}
}

// flood publishes at QoS 1, reading the answers, until the connection ends.
func flood(w *wire) {
	for {
		k := &mqtt.Publish{QoS: 1, Topic: "traffic", PacketID: 1, Payload: make([]byte, 100)}
		if err := w.trySend(k); err != nil {
			return
		}
		if p, err := w.next(patience); err != nil || p.Type() == mqtt.TypeDisconnect {
			return
		}
	}
}

// TestFewDescriptors: a broker that runs out of descriptors keeps those it
// serves, says so in the log, and takes clients again when others leave.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	needTool(t, "prlimit")
	const limit = 256
	b := run(t, exec.Command("prlimit", fmt.Sprint("--nofile=", limit), program), "listener.tcp.external=127.0.0.1:0", "listener.tcp.spare=127.0.0.1:0")
	pub, sub := connect(t, b.tcp(), "pub"), connect(t, b.tcp(), "sub")
	sub.subscribe(t, 1, "a")
	var in, out []*wire
	for i, id := range names("c", limit+100) {
		w := open(t, b.tcp())
		w.send(t, &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: id})
		p, err := w.next(map[bool]time.Duration{true: patience, false: 50 * time.Millisecond}[i < limit-50])
		if k, ok := p.(*mqtt.Connack); ok && k.Code == mqtt.Success {
			in = append(in, w)
			continue
		} else if err == nil {
			t.Fatalf("client %d got %v, expected CONNACK or silence", i, p)
		}
		out = append(out, w)
		if len(out) == 20 {
			break
		}
	}
	t.Logf("with %d descriptors %d clients were served and %d waited", limit, len(in)+2, len(out))
	if len(in) < limit-50 || len(out) == 0 {
		t.Fatalf("%d clients were served and %d not", len(in), len(out))
	}
	if said := strings.Count(b.output(), "a connection can't be accepted"); said == 0 || said > 20 {
		t.Errorf("the log says %d times that there are too few descriptors", said)
	}
	pub.publish(t, "a", "in need")
	sub.expectMessage(t, "a", "in need")
	for _, w := range in[:len(in)-10] {
		w.disconnect(t)
	}
	for i, w := range out { // those in the queue of the kernel come in now; nobody was cut off
		p, err := w.next(patience)
		if k, ok := p.(*mqtt.Connack); !ok || k.Code != mqtt.Success {
			t.Fatalf("waiting client %d got %v (%v)", i, p, err)
		}
	}
	connect(t, b.tcp(), "after").disconnect(t)
	pub.publish(t, "a", "recovered")
	sub.expectMessage(t, "a", "recovered")
}

// TestMaxConnections: one too many is closed without a word, and comes in
// when another has left.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp", "listener.tcp.external.max_connections=5")
	var all []*wire
	for _, id := range names("c", 5) {
		all = append(all, connect(t, b.tcp(), id))
	}
	for range 3 {
		expectEnd(t, open(t, b.tcp()))
	}
	all[0].disconnect(t)
	connect(t, b.tcp(), "another")
	expectEnd(t, open(t, b.tcp()))
	all[1].send(t, &mqtt.Pingreq{})
	expect[*mqtt.Pingresp](t, all[1])
}

// TestFullDisk: no room for what the first start writes is one sentence.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k,nr_inodes=3")
	need(t, err == nil, fmt.Sprintf("the right to mount a small file system, to fill it (%v)", err))
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	p := launch(t, exec.Command(program), "listener.tcp.external=127.0.0.1:0", "node.data_dir="+dir)
	if p.ready(t) {
		t.Fatal("the broker started")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	want := "Dunlin can't start: engine: " + filepath.Join(dir, "engine") + " could not be written, as the disk is full\n"
	if out := p.output(); out != want {
		t.Errorf("the broker printed\n%sexpected\n%s", out, want)
	}
}
