package clienttest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// TestDeliveryOverCuts: publisher and subscriber lose their connection again
// and again, in the middle of packets and of acknowledgements, and come back
// to their sessions. QoS 1 arrives at least once, QoS 2 exactly once. The
// clients are those that keep their side of that promise.
func TestDeliveryOverCuts(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp", "zone.external.max_mqueue_len=0")
	js := startNode(t)
	reconnectingJS := func(t testing.TB, at endpoint, id string) reconnecting {
		return js.connect(t, at, session{id: id, keep: true, reconnect: true})
	}
	f := func(name string, version byte, connect func(testing.TB, endpoint, string) reconnecting, levels ...byte) {
		for _, qos := range levels {
			t.Run(fmt.Sprintf("%s v%d QoS %d", name, version, qos), func(t *testing.T) {
				t.Parallel()
				c := startCutter(t, b.tcp())
				at := endpoint{transport: "tcp", version: version, addr: c.ln.Addr().String()}
				id := fmt.Sprintf("%.4s%d%d", name, version, qos)
				overCuts(t, c, id, qos, connect(t, at, "sub"+id), connect(t, at, "pub"+id))
			})
		}
	}
	f("MQTT.js", 4, reconnectingJS, 1, 2)
	// At QoS 2 it takes PUBCOMP 0x92, which is no error after a reconnect, for
	// one (MQTT 5 clause 3.7.2.1), and leaves the DUP flag out [MQTT-3.3.1-1].
	f("MQTT.js", 5, reconnectingJS, 1)
	// At QoS 2 it sends a PUBREL to the connection that it has just given up,
	// which is nil by then, and takes the whole test with it.
	f("paho.golang", 5, connectAutopaho, 1)
}

// reconnecting is a peer that comes back by itself. Its publish returns when
// the messages are the client's to deliver.
type reconnecting interface {
	subscribe(t testing.TB, filter string, qos byte)
	publish(t testing.TB, topic string, qos byte, retain bool, payloads ...string)
	inbox() <-chan message
}

func overCuts(t *testing.T, c *cutter, topic string, qos byte, sub, pub reconnecting) {
	const n = 300
	sub.subscribe(t, topic, qos)
	c.cutting.Store(true)
	pub.publish(t, topic, qos, false, names("m", n)...)
	times := make(map[string]int)
	take := func(what string, enough func() bool) {
		for !enough() {
			select {
			case m := <-sub.inbox():
				times[m.payload]++
			case <-time.After(patience):
				t.Fatalf("%d messages have come, waiting for %s", len(times), what)
			}
		}
	}
	take("all", func() bool { return len(times) == n })
	c.cutting.Store(false) // so that the end comes through at once
	pub.publish(t, topic, qos, false, "end")
	take("the end", func() bool { return times["end"] > 0 })
	t.Logf("%d connections were cut", c.cuts.Load())
	if c.cuts.Load() < 5 {
		t.Errorf("only %d connections were cut", c.cuts.Load())
	}
	for payload, k := range times {
		if k > 1 && qos == 2 {
			t.Errorf("message %s came %d times", payload, k)
		}
	}
}

// cutter stands between clients and the broker and breaks each connection
// when some hundred bytes have gone through it.
type cutter struct {
	ln      net.Listener
	cutting atomic.Bool
	cuts    atomic.Int32
}

func startCutter(t testing.TB, to string) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{ln: ln}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.join(client, to) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		c.cutting.Store(true) // also those that nobody uses any more
	})
	return c
}

// join passes bytes on in both directions until it is enough.
func (c *cutter) join(client net.Conn, to string) {
	defer client.Close()
	broker, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer broker.Close()
	var left atomic.Int64
	left.Store(400 + rand.Int64N(2000))
	done := make(chan struct{}, 2)
	pass := func(dst io.Writer, src io.Reader) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 256)
		for {
			n, err := src.Read(buf)
			if err != nil {
				return
			}
			if c.cutting.Load() && left.Add(-int64(n)) <= 0 {
				dst.Write(buf[:n/2]) // it is cut anyway
				c.cuts.Add(1)
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go pass(broker, client)
	go pass(client, broker)
	<-done
}

// autoPaho is Eclipse's Go client for MQTT 5 with its manager that reconnects.
type autoPaho struct {
	*autopaho.ConnectionManager
	ctx context.Context
	in  chan message
}

func connectAutopaho(t testing.TB, at endpoint, id string) reconnecting {
	t.Helper()
	p := &autoPaho{in: make(chan message, inboxSize)}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	p.ctx = ctx
	server, err := url.Parse("tcp://" + at.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.ConnectionManager, err = autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{server}, KeepAlive: 60, CleanStartOnInitialConnection: true, SessionExpiryInterval: 300,
		ReconnectBackoff: func(int) time.Duration { return 10 * time.Millisecond }, ConnectTimeout: patience,
		ClientConfig: paho.ClientConfig{ClientID: id, PacketTimeout: patience,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
				p.in <- message{r.Packet.Topic, string(r.Packet.Payload), r.Packet.QoS, r.Packet.Retain}
				return true, nil
			}},
		},
	})
	if err == nil {
		err = p.AwaitConnection(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *autoPaho) subscribe(t testing.TB, filter string, qos byte) {
	t.Helper()
	if _, err := p.Subscribe(p.ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: qos}}}); err != nil {
		t.Fatalf("subscribe: %v", err)
	}
}

func (p *autoPaho) publish(t testing.TB, topic string, qos byte, retain bool, payloads ...string) {
	t.Helper()
	for _, payload := range payloads {
		k := &paho.Publish{Topic: topic, QoS: qos, Retain: retain, Payload: []byte(payload)}
		if err := p.PublishViaQueue(p.ctx, &autopaho.QueuePublish{Publish: k}); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
}

func (p *autoPaho) inbox() <-chan message { return p.in }
