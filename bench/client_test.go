package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// heard is a listener that writes down what it is told.
type heard struct{ words []string }

func (h *heard) greeted(*client) { h.words = append(h.words, "greeted") }
func (h *heard) settled(*client) { h.words = append(h.words, "settled") }
func (h *heard) delivered(_ *client, p *mqtt.Publish) {
	h.words = append(h.words, fmt.Sprintf("%s=%s", p.Topic, p.Payload))
}
func (h *heard) acked(_ *client, code mqtt.ReasonCode) {
	h.words = append(h.words, "acked "+code.String())
}

// bout is a client whose broker is the test.
type bout struct {
	t *testing.T
	*client
	heard *heard
	peer  mqtt.Stream
}

func newBout(t *testing.T, line string, of role) *bout {
	o := parsed(t, line)
	h := &heard{}
	c := &client{speaker: &speaker{o: o, plan: verbs[o.verb].plan(o), to: h}, role: of, id: "id", state: dialing}
	c.opened()
	return &bout{t: t, client: c, heard: h}
}

// sends feeds packets of the broker and returns the error that ends it.
func (b *bout) sends(packets ...mqtt.Packet) error {
	var wire []byte
	for _, p := range packets {
		wire = mqtt.Append(wire, p, b.o.version)
	}
	return b.feed(wire)
}

func (b *bout) accepted(packets ...mqtt.Packet) {
	b.t.Helper()
	if err := b.sends(packets...); err != nil {
		b.t.Fatal(err)
	}
}

// answers takes what the client has to send, in one word for each packet.
func (b *bout) answers(want ...string) {
	b.t.Helper()
	var got []string
	var d mqtt.Decoder
	for buf := b.out; len(buf) > 0; {
		p, n, err := d.Next(&b.peer, buf)
		if err != nil || n == 0 {
			b.t.Fatalf("the client sent no packet: % x: %v", buf, err)
		}
		got = append(got, word(p))
		buf = buf[n:]
	}
	b.out = nil
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		b.t.Errorf("the client sent %q, expected %q", got, want)
	}
}

func word(p mqtt.Packet) string {
	switch p := p.(type) {
	case *mqtt.Connect:
		return fmt.Sprintf("connect v%d %s clean=%v keepalive=%d", p.Version, p.ClientID, p.CleanStart, p.KeepAlive)
	case *mqtt.Subscribe:
		return fmt.Sprintf("subscribe %d %s+%d", p.PacketID, p.Filters[0].Filter, len(p.Filters)-1)
	case *mqtt.Publish:
		return fmt.Sprintf("publish %d %s q%d", p.PacketID, p.Topic, p.QoS)
	case *mqtt.Ack:
		return fmt.Sprintf("%v %d", p.Kind, p.PacketID)
	}
	return fmt.Sprint(p.Type())
}

func (b *bout) hears(want ...string) {
	b.t.Helper()
	if strings.Join(b.heard.words, ", ") != strings.Join(want, ", ") {
		b.t.Errorf("the run heard %q, expected %q", b.heard.words, want)
	}
	b.heard.words = nil
}

func TestPublisherQoS1(t *testing.T) {
	b := newBout(t, "pub -t t -q 1 -V 4 -F 2 -k 9 -C false", publisher)
	b.answers("connect v4 id clean=false keepalive=9")
	b.accepted(&mqtt.Connack{})
	b.hears("greeted", "settled")
	b.answers()
	b.sendMessage("t", []byte("1"))
	b.sendMessage("t", []byte("2"))
	b.answers("publish 1 t q1", "publish 2 t q1")
	if b.mayPublish() {
		t.Error("two messages are unacknowledged, the window is 2, and the client may publish")
	}
	b.accepted(&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: 1})
	b.hears("acked success")
	if !b.mayPublish() {
		t.Error("the window has room, and the client may not publish")
	}
}

func TestPublisherQoS2(t *testing.T) {
	b := newBout(t, "pub -t t -q 2", publisher)
	b.accepted(&mqtt.Connack{})
	b.out, b.peer.Version = nil, mqtt.V5
	b.heard.words = nil
	b.sendMessage("t", nil)
	b.answers("publish 1 t q2")
	b.accepted(&mqtt.Ack{Kind: mqtt.TypePubrec, PacketID: 1})
	b.hears()
	b.answers("PUBREL 1")
	b.accepted(&mqtt.Ack{Kind: mqtt.TypePubcomp, PacketID: 1})
	b.hears("acked success")
	b.sendMessage("t", nil)
	b.out = nil
	b.accepted(&mqtt.Ack{Kind: mqtt.TypePubrec, PacketID: 2, Code: mqtt.QuotaExceeded})
	b.hears("acked quota_exceeded")
	b.answers()
}

func TestSubscriberAnswersEveryQoS(t *testing.T) {
	b := newBout(t, "sub -t a/#", subscriber)
	b.answers("connect v5 id clean=true keepalive=300")
	b.accepted(&mqtt.Connack{})
	b.hears("greeted")
	b.answers("subscribe 1 a/#+0")
	b.accepted(&mqtt.Suback{PacketID: 1, Codes: []mqtt.ReasonCode{mqtt.Success}})
	b.hears("settled")
	b.accepted(
		&mqtt.Publish{Topic: "a/0", Payload: []byte("x")},
		&mqtt.Publish{Topic: "a/1", Payload: []byte("y"), QoS: 1, PacketID: 5},
		&mqtt.Publish{Topic: "a/2", Payload: []byte("z"), QoS: 2, PacketID: 6},
		&mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: 6},
	)
	b.hears("a/0=x", "a/1=y", "a/2=z")
	b.answers("PUBACK 5", "PUBREC 6", "PUBCOMP 6")
}

func TestManyFiltersGoOutInLots(t *testing.T) {
	b := newBout(t, "roundtrip -c 1 --filter mixed --filters 450", subscriber)
	b.accepted(&mqtt.Connack{})
	b.hears("greeted")
	b.peer.Version, b.out = mqtt.V5, b.out[len(connectOf(b)):]
	b.answers("subscribe 1 bench/site/y/0+199")
	suback := &mqtt.Suback{PacketID: 1, Codes: []mqtt.ReasonCode{mqtt.Success}}
	b.accepted(suback)
	b.answers("subscribe 2 bench/site/y/200+199")
	b.accepted(suback)
	b.answers("subscribe 3 bench/site/y/400+49")
	b.hears()
	b.accepted(suback)
	b.hears("settled")
}

// connectOf is the CONNECT that still stands at the front of out.
func connectOf(b *bout) []byte {
	n, _ := mqtt.PacketSize(b.out)
	return b.out[:n]
}

func TestBytesInAnyPieces(t *testing.T) {
	var wire []byte
	for _, p := range []mqtt.Packet{
		&mqtt.Connack{},
		&mqtt.Suback{PacketID: 1, Codes: []mqtt.ReasonCode{0}},
		&mqtt.Publish{Topic: "t", Payload: []byte(strings.Repeat("x", 300))},
		&mqtt.Publish{Topic: "t", Payload: []byte("y")},
	} {
		wire = mqtt.Append(wire, p, mqtt.V5)
	}
	for piece := 1; piece <= len(wire); piece++ {
		b := newBout(t, "sub -t t", subscriber)
		for rest := wire; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			if err := b.feed(rest[:min(piece, len(rest))]); err != nil {
				t.Fatalf("pieces of %d: %v", piece, err)
			}
		}
		if b.in != nil {
			t.Errorf("pieces of %d: %d bytes are kept when nothing is left", piece, len(b.in))
		}
		b.hears("greeted", "settled", "t="+strings.Repeat("x", 300), "t=y")
	}
}

func TestEnds(t *testing.T) {
	ends := func(line string, p mqtt.Packet, want string) {
		t.Helper()
		b := newBout(t, line, subscriber)
		if _, first := p.(*mqtt.Connack); !first {
			b.accepted(&mqtt.Connack{})
		}
		if err := b.sends(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v ends with %v, expected it to say %q", p, err, want)
		}
	}
	ends("sub -t t", &mqtt.Connack{Code: mqtt.NotAuthorized}, "refused: not_authorized (0x87)")
	ends("sub -t t -V 4", &mqtt.Connack{Code: mqtt.ServerUnavailable}, "refused: server_unavailable")
	ends("sub -t t", &mqtt.Suback{PacketID: 1, Codes: []mqtt.ReasonCode{mqtt.TopicFilterInvalid}}, "subscription refused: topic_filter_invalid")
	ends("sub -t t -V 4", &mqtt.Suback{PacketID: 1, Codes: []mqtt.ReasonCode{mqtt.UnspecifiedError}}, "subscription refused")
	ends("sub -t t", &mqtt.Disconnect{Code: mqtt.ServerShuttingDown}, "disconnected: server_shutting_down (0x8B)")
	ends("sub -t t", &mqtt.Auth{Code: mqtt.ContinueAuthentication}, "enhanced authentication")
	ends("sub -t t", &mqtt.Pingreq{}, "no valid packet")
	b := newBout(t, "sub -t t", subscriber)
	b.accepted(&mqtt.Connack{})
	if err := b.sends(&mqtt.Connack{}); err == nil {
		t.Error("a second CONNACK is taken")
	}
}

func TestReceiveMaximumNarrowsTheWindow(t *testing.T) {
	b := newBout(t, "pub -t t -q 1", publisher)
	b.accepted(&mqtt.Connack{Props: &mqtt.Properties{Present: mqtt.PropReceiveMaximum, ReceiveMaximum: 1}})
	b.sendMessage("t", nil)
	if b.mayPublish() {
		t.Error("the broker takes one message at a time, and the client may send a second")
	}
}

func TestPingOnlyTheSilent(t *testing.T) {
	b := newBout(t, "conn", idle)
	b.accepted(&mqtt.Connack{})
	b.out, b.peer.Version = nil, mqtt.V5
	b.ping() // CONNECT was sent just now
	b.answers()
	b.ping()
	b.answers("PINGREQ")
	b.leave()
	b.answers("DISCONNECT")
}

func TestPacketIDsSkipZero(t *testing.T) {
	c := &client{lastID: 65535}
	if got := c.nextID(); got != 1 {
		t.Errorf("after 65535 comes %d, expected 1", got)
	}
}

func BenchmarkPublish(b *testing.B) {
	c := &client{speaker: &speaker{o: &options{version: mqtt.V5, qos: 1}}}
	payload := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		c.out = c.out[:0]
		c.sendMessage("bench/1", payload)
	}
}

func BenchmarkTake(b *testing.B) {
	c := &client{speaker: &speaker{o: &options{version: mqtt.V5}, to: nobody{}}, stream: mqtt.Stream{Version: mqtt.V5, Client: true}}
	wire := mqtt.Append(nil, &mqtt.Publish{Topic: "bench/1", QoS: 1, PacketID: 7, Payload: make([]byte, 64)}, mqtt.V5)
	b.ReportAllocs()
	for b.Loop() {
		c.out = c.out[:0]
		if err := c.feed(wire); err != nil {
			b.Fatal(err)
		}
	}
}

type nobody struct{}

func (nobody) greeted(*client)                  {}
func (nobody) settled(*client)                  {}
func (nobody) delivered(*client, *mqtt.Publish) {}
func (nobody) acked(*client, mqtt.ReasonCode)   {}
