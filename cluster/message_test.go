package cluster

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// full is a message with everything there is.
func full() *mqtt.Message {
	return &mqtt.Message{
		Topic: "a/b", Payload: []byte("payload"), From: "client", Username: "user", PeerAddr: netip.MustParseAddr("::1"), PeerPort: 1883,
		Props: &mqtt.Properties{
			Present: mqtt.ForwardedProps, PayloadFormat: 1, MessageExpiry: 9, ContentType: "t", ResponseTopic: "r", CorrelationData: []byte{0},
			UserProperties: []mqtt.UserProperty{{Key: "k", Value: "v"}, {Key: "\xff", Value: "of a hook"}},
		},
		Timestamp: 1_700_000_000_000, ExpiresAt: 1_700_000_009_000, QoS: 2, Retain: true, Dup: true, Sys: true, LogShard: 3, LogSeq: 1 << 40,
	}
}

func TestMessage(t *testing.T) {
	var d messageDecoder
	same := func(change func(*mqtt.Message)) {
		t.Helper()
		m := full()
		change(m)
		r := reader{fields.Reader{Left: appendMessage(nil, m)}}
		var got mqtt.Message
		if err := d.message(&r, &got); err != nil || !reflect.DeepEqual(&got, m) || len(r.Left) > 0 {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	}
	same(func(*mqtt.Message) {})
	same(func(m *mqtt.Message) { m.QoS, m.Retain = 1, false })
	same(func(m *mqtt.Message) { m.QoS, m.Dup, m.Sys = 0, false, false })
	same(func(m *mqtt.Message) { m.Props, m.ExpiresAt = nil, 0 })
	same(func(m *mqtt.Message) { m.SetAt(mqtt.At{}) })
	same(func(m *mqtt.Message) { m.SetPeer(netip.AddrPort{}) })
	same(func(m *mqtt.Message) { m.SetPeer(netip.MustParseAddrPort("10.1.2.3:65535")) })
	same(func(m *mqtt.Message) { m.From, m.Username, m.Payload = "", "", []byte{} })
	same(func(m *mqtt.Message) { m.Topic, m.Payload = strings.Repeat("x", 65535), make([]byte, 1<<20) })
}

func TestMessageRefused(t *testing.T) {
	refused := func(b []byte, want string) {
		t.Helper()
		var d messageDecoder
		var m mqtt.Message
		if err := d.message(&reader{fields.Reader{Left: b}}, &m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", b, err, want)
		}
	}
	whole := appendMessage(nil, full())
	for n := range whole {
		refused(whole[:n], "")
	}
	refused(append([]byte{whole[0] | 3}, whole[1:]...), "QoS 3")
	refused(appendMessage(nil, &mqtt.Message{}), "no topic")
	refused([]byte("\x00\x01a\x00\x00\x03abcde"), "neither 4 nor 16")
	refused([]byte("\x80\x01a\x00\x00\x00\x00\x00\x00"), "position in the log is 0")
	refused([]byte("\x40\x01a\x00\x00\x00\x00\xff\xff\xff\xff"), "a message's properties")
	refused([]byte("\x40\x01a\x00\x00\x00\x00\x02\x40\x00\x00"), "don't belong")
}

// TestMessageAllocations: encoding costs none, and decoding none for a publisher
// that goes on.
func TestMessageAllocations(t *testing.T) {
	m := full()
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = appendMessage(buf[:0], m) }); n != 0 {
		t.Errorf("encoding takes %v allocations", n)
	}
	m.Props = nil
	buf = appendMessage(buf[:0], m)
	var d messageDecoder
	var got mqtt.Message
	if n := testing.AllocsPerRun(100, func() {
		if err := d.message(&reader{fields.Reader{Left: buf}}, &got); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("decoding takes %v allocations", n)
	}
}

// FuzzMessage: what can be read is written the same way again, but for varints
// and lengths that were longer than need be.
func FuzzMessage(f *testing.F) {
	f.Add(appendMessage(nil, full()))
	f.Add(appendMessage(nil, &mqtt.Message{Topic: "t", QoS: 1, Payload: []byte{1}}))
	f.Add([]byte("\x40\x01a\x00\x00\x00\x00\x02\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d messageDecoder
		var m, again mqtt.Message
		if d.message(&reader{fields.Reader{Left: data}}, &m) != nil {
			return
		}
		if err := d.message(&reader{fields.Reader{Left: appendMessage(nil, &m)}}, &again); err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	m := full()
	m.Props, m.ExpiresAt, m.Payload = nil, 0, make([]byte, 128)
	buf := make([]byte, 0, 1024)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = appendMessage(buf[:0], m)
		}
	})
	buf = appendMessage(buf[:0], m)
	b.Run("decode", func(b *testing.B) {
		var d messageDecoder
		var got mqtt.Message
		b.ReportAllocs()
		for b.Loop() {
			if err := d.message(&reader{fields.Reader{Left: buf}}, &got); err != nil {
				b.Fatal(err)
			}
		}
	})
}
