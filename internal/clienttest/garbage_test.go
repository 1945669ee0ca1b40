package clienttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestGarbage: hundreds of connections send what is no MQTT, or too little of
// it, while two well-behaved clients notice nothing.
func TestGarbage(t *testing.T) { // not parallel, for the latencies
	b := start(t, "tcp", often, "zone.external.idle_timeout=2s")
	numbersOf := watching(t, b.tcp())
	before := b.memory(t)

	stop := make(chan struct{})
	var bad sync.WaitGroup
	for i := range 300 {
		bad.Go(func() { vandalize(t, b.tcp(), i, stop) })
	}
	latencies := converse(t, b.tcp(), 4*time.Second)
	close(stop)
	bad.Wait()

	slices.Sort(latencies)
	p99 := latencies[len(latencies)*99/100]
	t.Logf("%d messages, half of them within %v, 99%% within %v", len(latencies), latencies[len(latencies)/2], p99)
	// Measured: a few milliseconds; the rest is for machines that are busy.
	if p99 > 250*time.Millisecond {
		t.Errorf("99%% of the messages took up to %v, expected at most 250ms", p99)
	}
	numbersOf.until(t, "all but the two and the watch to be gone", func(m numbers) bool { return m["stats/connections.count"] == 3 })
	if grown := b.memory(t) - before; grown > 64<<20 {
		t.Errorf("the broker's memory grew by %d MB", grown>>20)
	}
}

// converse has one client publish at QoS 1 to another for a while and returns
// how long each message took to come. All must come, in order.
func converse(t *testing.T, addr string, d time.Duration) (latencies []time.Duration) {
	t.Helper()
	pub, sub := connect(t, addr, "pub"), connect(t, addr, "sub")
	sub.subscribe(t, 1, "good/+")
	for i, end := 0, time.Now().Add(d); time.Now().Before(end); i++ {
		sent := time.Now()
		pub.send(t, &mqtt.Publish{QoS: 1, Topic: "good/1", PacketID: pub.id(), Payload: fmt.Append(nil, i)})
		sub.expectMessage(t, "good/1", fmt.Sprint(i))
		latencies = append(latencies, time.Since(sent))
		if ack := expect[*mqtt.Ack](t, pub); ack.Code.Failed() {
			t.Fatalf("message %d was answered with %v", i, ack)
		}
		if pub.lastID == 1<<16-1 {
			pub.lastID = 0
		}
	}
	return latencies
}

// connectBytes is a good CONNECT.
func connectBytes(id string) []byte {
	return mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: id}, mqtt.V5)
}

// vandalize does one kind of damage over and over.
func vandalize(t *testing.T, addr string, i int, stop <-chan struct{}) {
	kinds := []func(w *wire, r *rand.Rand){
		func(w *wire, r *rand.Rand) { w.Write(noise(r, 1+r.IntN(2000))) },
		func(w *wire, r *rand.Rand) { // half a CONNECT, and gone
			c := connectBytes("half")
			w.Write(c[:r.IntN(len(c))])
		},
		func(w *wire, r *rand.Rand) { // the beginning of a packet of 256 MB, as a first and as a second packet
			w.Write(slices.Concat(connectBytes(fmt.Sprint("giant", i))[:14*r.IntN(2)], []byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, noise(r, 1000)))
		},
		func(w *wire, r *rand.Rand) { // a remaining length without an end
			w.Write([]byte{0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
		},
		func(w *wire, r *rand.Rand) { // a good beginning, and then noise
			w.Write(append(connectBytes(fmt.Sprint("vandal", i)), noise(r, 500)...))
		},
		func(w *wire, r *rand.Rand) { // a good packet with some bytes changed
			p := mqtt.Append(connectBytes(fmt.Sprint("flip", i)), &mqtt.Subscribe{PacketID: 1,
				Filters: []mqtt.SubscribeFilter{{Filter: "a/#"}, {Filter: "$share/g/b"}}}, mqtt.V5)
			for range 1 + r.IntN(4) {
				p[r.IntN(len(p))] = byte(r.Uint32())
			}
			w.Write(p)
		},
	}
	r := rand.New(rand.NewPCG(1, uint64(i)))
	for {
		select {
		case <-stop:
			return
		default:
		}
		w, err := dialWire(addr)
		if err != nil {
			t.Errorf("vandal %d can't connect: %v", i, err)
			return
		}
		kinds[i%len(kinds)](w, r)
		// Half of them wait for what the broker says to that, the others
		// leave at once.
		w.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(2)) * 300 * time.Millisecond))
		w.Read(make([]byte, 100))
		w.Close()
		time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond) // a vandal's pace: it is not the test that waits
	}
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestSlowLoris: bytes that come one by one don't put off idle_timeout, which
// holds until CONNECT is complete. Nothing at all, and a WebSocket handshake
// without an end, have no more time.
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp ws", "zone.external.idle_timeout=2s")
	for name, c := range map[string]struct {
		addr  string
		bytes []byte
	}{
		"nothing":         {b.tcp(), nil},
		"CONNECT":         {b.tcp(), connectBytes("a client with a name that takes a while to say")},
		"WebSocket":       {b.addr["ws external"], []byte("GET /mqtt HTTP/1.1\r\nHost: broker\r\nX-Header: goes on and on and on")},
		"WebSocket, none": {b.addr["ws external"], nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, began := open(t, c.addr), time.Now()
			for _, one := range c.bytes {
				if _, err := w.Write([]byte{one}); err != nil {
					break
				}
				w.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				if _, err := w.Read(make([]byte, 1)); !isTimeout(err) {
					break
				}
				if time.Since(began) > 5*time.Second {
					break
				}
			}
			w.SetReadDeadline(began.Add(5 * time.Second))
			if _, err := w.Read(make([]byte, 1)); isTimeout(err) {
				t.Errorf("the connection is open after %v, and idle_timeout is 2s", time.Since(began).Round(time.Millisecond))
			}
			if lived := time.Since(began); lived < 1900*time.Millisecond {
				t.Errorf("the connection was closed after %v, and idle_timeout is 2s", lived)
			}
		})
	}
}
