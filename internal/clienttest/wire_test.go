package clienttest

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// wire is a client that does what it is told and nothing else: no real client
// stops reading, forgets its acknowledgements or connects ten thousand times.
type wire struct {
	net.Conn
	stream  mqtt.Stream
	decoder mqtt.Decoder
	buf     []byte
	lastID  uint16
}

// dialWire opens a connection without a word on it.
func dialWire(addr string) (*wire, error) {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: nc, stream: mqtt.Stream{Version: mqtt.V5, Client: true}}, nil
}

// open is dialWire for tests that can't go on without.
func open(t testing.TB, addr string) *wire {
	t.Helper()
	w, err := dialWire(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// connect opens a connection and a version 5 session; change may change the
// CONNECT.
func connect(t testing.TB, addr, id string, change ...func(*mqtt.Connect)) *wire {
	t.Helper()
	w := open(t, addr)
	if k := w.connect(t, id, change...); k.Code != mqtt.Success {
		t.Fatalf("CONNECT of %s was answered with %v", id, k)
	}
	return w
}

func (w *wire) connect(t testing.TB, id string, change ...func(*mqtt.Connect)) *mqtt.Connack {
	t.Helper()
	k := &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: id}
	for _, f := range change {
		f(k)
	}
	w.stream.Version = k.Version
	w.send(t, k)
	return expect[*mqtt.Connack](t, w)
}

// What a CONNECT can be changed to.
func version(v mqtt.Version) func(*mqtt.Connect) { return func(k *mqtt.Connect) { k.Version = v } }

func keepAlive(seconds uint16) func(*mqtt.Connect) {
	return func(k *mqtt.Connect) { k.KeepAlive = seconds }
}

func user(name string) func(*mqtt.Connect) { return func(k *mqtt.Connect) { k.Username = &name } }

func resume(k *mqtt.Connect) {
	k.CleanStart = false
	k.Props = &mqtt.Properties{Present: mqtt.PropSessionExpiry, SessionExpiry: 300}
}

func (w *wire) send(t testing.TB, packets ...mqtt.Packet) {
	t.Helper()
	if err := w.trySend(packets...); err != nil {
		t.Fatal(err)
	}
}

func (w *wire) trySend(packets ...mqtt.Packet) error {
	var b []byte
	for _, p := range packets {
		b = mqtt.Append(b, p, w.stream.Version)
	}
	_, err := w.Write(b)
	return err
}

// next reads one packet; what it returns is good until the next call.
func (w *wire) next(wait time.Duration) (mqtt.Packet, error) {
	if err := w.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	for {
		p, n, err := w.decoder.Next(&w.stream, w.buf)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			w.buf = w.buf[n:]
			return p, nil
		}
		if cap(w.buf) == len(w.buf) {
			w.buf = append(make([]byte, 0, max(4<<10, 2*len(w.buf))), w.buf...)
		}
		n, err = w.Read(w.buf[len(w.buf):cap(w.buf)])
		if err != nil {
			return nil, err
		}
		w.buf = w.buf[:len(w.buf)+n]
	}
}

// expect reads the next packet, which must be of type P.
func expect[P mqtt.Packet](t testing.TB, w *wire) P {
	t.Helper()
	got, err := w.next(patience)
	p, ok := got.(P)
	if !ok {
		t.Fatalf("got %v (%v), expected a %T", got, err, p)
	}
	return p
}

// expectEnd sees the connection end without another packet.
func expectEnd(t testing.TB, w *wire) {
	t.Helper()
	if p, err := w.next(patience); err == nil || isTimeout(err) {
		t.Fatalf("got %v (%v), expected the end of the connection", p, err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func (w *wire) id() uint16 {
	w.lastID++
	return w.lastID
}

func (w *wire) subscribe(t testing.TB, qos mqtt.QoS, filters ...string) {
	t.Helper()
	k := &mqtt.Subscribe{PacketID: w.id()}
	for _, f := range filters {
		k.Filters = append(k.Filters, mqtt.SubscribeFilter{Filter: f, SubscribeOptions: mqtt.SubscribeOptions{QoS: qos}})
	}
	w.send(t, k)
	for i, code := range expect[*mqtt.Suback](t, w).Codes {
		if code.Failed() {
			t.Fatalf("SUBSCRIBE to %s was answered with %v", filters[i], code)
		}
	}
}

// publish publishes at QoS 1 and returns the code of the PUBACK.
func (w *wire) publish(t testing.TB, topic, payload string) mqtt.ReasonCode {
	t.Helper()
	k := &mqtt.Publish{QoS: 1, Topic: topic, PacketID: w.id(), Payload: []byte(payload)}
	w.send(t, k)
	ack := expect[*mqtt.Ack](t, w)
	if ack.Kind != mqtt.TypePuback || ack.PacketID != k.PacketID {
		t.Fatalf("PUBLISH %d was answered with %v", k.PacketID, ack)
	}
	return ack.Code
}

// receive reads a PUBLISH and acknowledges it if it must be; topic and payload
// are the caller's.
func (w *wire) receive(t testing.TB) (topic, payload string) {
	t.Helper()
	p := expect[*mqtt.Publish](t, w)
	topic, payload = p.Topic, string(p.Payload)
	if p.QoS == 1 {
		w.send(t, &mqtt.Ack{Kind: mqtt.TypePuback, PacketID: p.PacketID})
	}
	return topic, payload
}

// expectMessage reads a PUBLISH, which must be this one.
func (w *wire) expectMessage(t testing.TB, topic, payload string) {
	t.Helper()
	if to, got := w.receive(t); to != topic || got != payload {
		t.Errorf("got %s on %s, expected %s on %s", got, to, payload, topic)
	}
}

// disconnect says goodbye and waits for the broker to close, so that what the
// broker does then has been done.
func (w *wire) disconnect(t testing.TB) {
	t.Helper()
	w.send(t, &mqtt.Disconnect{})
	expectEnd(t, w)
}

func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return all
}
