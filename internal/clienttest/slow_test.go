package clienttest

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestSubscriberThatStopsReading: of a hundred subscribers one stops reading.
// The others get everything, the broker's memory stays where it was, and
// every message that the one doesn't get is counted: QoS 0 is dropped when its
// output is full, QoS 1 when its queue is.
func TestSubscriberThatStopsReading(t *testing.T) {
	t.Parallel()
	for qos, reason := range []string{"qos0_msg", "queue_full"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			stopsReading(t, mqtt.QoS(qos), reason)
		})
	}
}

func stopsReading(t *testing.T, qos mqtt.QoS, reason string) {
	const members, published, size = 100, 600, 4 << 10
	b := start(t, "tcp", often, "zone.external.max_mqueue_len=100", "listener.tcp.external.high_watermark=256KB",
		"listener.tcp.external.sndbuf=64KB")
	numbersOf := watching(t, b.tcp())
	crowd := make([]*wire, members)
	for i, id := range names("sub", members) {
		crowd[i] = connect(t, b.tcp(), id)
		crowd[i].subscribe(t, qos, "news")
	}
	crowd[0].Conn.(*net.TCPConn).SetReadBuffer(64 << 10) // or the kernel reads in its place
	before := b.memory(t)

	var others sync.WaitGroup
	for _, w := range crowd[1:] {
		others.Go(func() {
			if got := readNews(t, w, qos, published, patience); got != published {
				t.Errorf("a subscriber that reads got %d messages of %d", got, published)
			}
		})
	}
	pub := connect(t, b.tcp(), "pub")
	filler := strings.Repeat("x", size)
	for i := range published {
		pub.publish(t, "news", fmt.Sprint(i, " ", filler)) // at the pace at which the broker answers
	}
	others.Wait()
	if grown := b.memory(t) - before; grown > 48<<20 {
		t.Errorf("the broker's memory grew by %d MB for a subscriber that may hold about 1 MB", grown>>20)
	}

	m := numbersOf.now(t)
	dropped := int(m["metrics/delivery/dropped"])
	if dropped == 0 || m["metrics/delivery/dropped/"+reason] != int64(dropped) {
		t.Errorf("%d messages were dropped, %d of them as %s", dropped, m["metrics/delivery/dropped/"+reason], reason)
	}
	// At last it reads what the broker has kept for it.
	if got := readNews(t, crowd[0], qos, published-dropped, patience); got != published-dropped {
		t.Errorf("the slow subscriber got %d messages and %d were dropped: %d are unaccounted for", got, dropped, published-dropped-got)
	}
	if m := numbersOf.now(t); int(m["metrics/delivery/dropped"]) != dropped || m["metrics/deliveries/queued"] != 0 {
		t.Errorf("in the end %d messages are dropped and %d queued", m["metrics/delivery/dropped"], m["metrics/deliveries/queued"])
	}
}

// readNews reads n messages in ascending order and acknowledges them. It
// returns how many came.
func readNews(t *testing.T, w *wire, qos mqtt.QoS, n int, wait time.Duration) (got int) {
	last := -1
	for got < n {
		p, err := w.next(wait)
		if err != nil {
			t.Errorf("after %d messages: %v", got, err)
			return got
		}
		m, ok := p.(*mqtt.Publish)
		if !ok {
			t.Errorf("after %d messages: %v", got, p)
			return got
		}
		number := 0
		if _, err := fmt.Sscan(string(m.Payload[:8]), &number); err != nil || number <= last {
			t.Errorf("message %d came after %d (%v)", number, last, err)
		}
		last = number
		got++
		if qos == 1 {
			if err := w.trySend(&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: m.PacketID}); err != nil {
				t.Error(err)
				return got
			}
		}
	}
	return got
}

// TestFloodMeetsRateLimit: a publisher sends as fast as TCP takes it, and the
// listener takes a tenth of that. TCP holds the publisher back, nothing is
// lost, and nobody else is held.
func TestFloodMeetsRateLimit(t *testing.T) {
	t.Parallel()
	const messages, size, rate = 600, 10 << 10, 2 << 20
	b := start(t, "tcp", "listener.tcp.external.rate_limit=2MB,1s", "listener.tcp.free=127.0.0.1:0",
		"listener.tcp.external.recbuf=64KB")
	sub := connect(t, b.addr["tcp free"], "flooded")
	sub.subscribe(t, 0, "flood")
	pub := connect(t, b.tcp(), "flooder")
	before := b.memory(t)

	began := time.Now()
	var flood sync.WaitGroup
	flood.Go(func() {
		payload := make([]byte, size)
		for range messages {
			if err := pub.trySend(&mqtt.Publish{Topic: "flood", Payload: payload}); err != nil {
				t.Errorf("the flood broke off: %v", err)
				return
			}
		}
	})
	flood.Go(func() { converse(t, b.addr["tcp free"], time.Second) })
	for range messages {
		sub.receive(t)
	}
	flood.Wait()
	took := time.Since(began)
	// The first second's worth is the burst, the rest comes at the rate.
	least := time.Duration(float64(messages*size-rate) / rate * 0.9 * float64(time.Second))
	if took < least || took > 3*least+time.Second {
		t.Errorf("%d MB took %v, at 2 MB a second with a burst of 2 MB: expected about %v", messages*size>>20, took, least)
	}
	if grown := b.memory(t) - before; grown > 32<<20 {
		t.Errorf("the broker's memory grew by %d MB", grown>>20)
	}
}
