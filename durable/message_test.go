package durable

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

const now = 1_700_000_000_000

func plain() Message {
	return Message{Message: &mqtt.Message{
		Topic: "a/b", Payload: []byte("payload"), From: "publisher", Timestamp: now, QoS: 1,
		PeerAddr: netip.MustParseAddr("10.1.2.3"), PeerPort: 5555,
	}}
}

// rich has every field of a message.
func rich() Message {
	return Message{
		Message: &mqtt.Message{
			Topic: "a/b", Payload: []byte{0, 1, 255}, From: "pub", Username: "user", PeerAddr: netip.MustParseAddr("fe80::1%eth0"), PeerPort: 1883,
			Timestamp: now, ExpiresAt: now + 60_000, QoS: 2, Retain: true, Sys: true, LogShard: 3, LogSeq: 9,
			Props: &mqtt.Properties{
				Present: mqtt.ForwardedProps, MessageExpiry: 60, PayloadFormat: 1, ContentType: "x", ResponseTopic: "r",
				CorrelationData: []byte{9, 0}, UserProperties: []mqtt.UserProperty{{Key: "k", Value: "v"}, {Key: "k", Value: "\xff"}},
			},
		},
		Origin: Origin{PacketID: 65535, Flow: now << 20},
		To:     "member",
	}
}

func TestMessageSurvives(t *testing.T) {
	bare := Message{Message: &mqtt.Message{Topic: "t"}}
	old := Message{Message: &mqtt.Message{Topic: "t", Timestamp: now, ExpiresAt: now - 5, Payload: []byte("x")}}
	for _, m := range []Message{plain(), rich(), bare, old} {
		record := AppendMessage(nil, m)
		got, err := ParseMessage(m.At(), m.Topic, record)
		if err != nil {
			t.Fatal(err)
		}
		if got.Keep() != got.Message {
			t.Error("a message from the log would be copied once more")
		}
		m.Own()
		got.Message, m.Message = got.Copy(), m.Copy()
		if !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v %+v,\nwant %+v %+v", got, got.Message, m, m.Message)
		}
	}
}

// TestMessageHasEveryField fails when a field is added that the record loses.
func TestMessageHasEveryField(t *testing.T) {
	const notKept = "Dup kept Topic At"
	all := func(v reflect.Value) {
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if v.Field(i).IsZero() && !strings.Contains(notKept, name) {
				t.Errorf("the message of the test has no %s", name)
			}
		}
	}
	all(reflect.ValueOf(rich()))
	all(reflect.ValueOf(rich().Message).Elem())
}

func TestMessageBorrowsNothing(t *testing.T) {
	record := AppendMessage(nil, rich())
	m, err := ParseMessage(mqtt.At{}, "t", record)
	if err != nil {
		t.Fatal(err)
	}
	want := AppendMessage(nil, m)
	clear(record)
	if string(AppendMessage(nil, m)) != string(want) {
		t.Error("the message lives in the record's memory")
	}
}

func TestMessageSize(t *testing.T) {
	m := plain()
	ids := len(m.From) + 6 // an IPv4 address with its port
	if n := len(AppendMessage(nil, m)) - len(m.Payload) - ids; n > 12 {
		t.Errorf("a plain message takes %d bytes beside its payload and ids", n)
	}
}

func TestMessageAllocates(t *testing.T) {
	buf := make([]byte, 0, 1024)
	for _, m := range []Message{plain(), rich()} {
		if n := testing.AllocsPerRun(100, func() { AppendMessage(buf, m) }); n != 0 {
			t.Errorf("writing allocates %v times", n)
		}
	}
	record := AppendMessage(nil, plain())
	if n := testing.AllocsPerRun(100, func() { ParseMessage(mqtt.At{}, "t", record) }); n > 5 {
		t.Errorf("reading allocates %v times", n)
	}
}

func TestMessageRefuses(t *testing.T) {
	good := AppendMessage(nil, rich())
	for n := range len(good) - len(rich().Payload) {
		if _, err := ParseMessage(mqtt.At{}, "t", good[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken for a message", n, len(good))
		}
	}
	refused := func(want string, change func(b []byte)) {
		t.Helper()
		b := append([]byte(nil), good...)
		change(b)
		if _, err := ParseMessage(mqtt.At{}, "t", b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one about %q", err, want)
		}
	}
	refused("message record: it has version 2, this program knows version 1", func(b []byte) { b[0] = 2 })
	refused("flags", func(b []byte) { b[1] |= 0x80 })
	refused("flags", func(b []byte) { b[2] |= 3 })
}

func FuzzMessage(f *testing.F) {
	f.Add(AppendMessage(nil, plain()))
	f.Add(AppendMessage(nil, rich()))
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, record []byte) {
		m, err := ParseMessage(mqtt.At{}, "t", record)
		if err != nil {
			return
		}
		again, err := ParseMessage(mqtt.At{}, "t", AppendMessage(nil, m))
		if err != nil {
			t.Fatalf("its own record is refused: %v", err)
		}
		again.Message, m.Message = again.Copy(), m.Copy()
		if !reflect.DeepEqual(again, m) {
			t.Fatalf("got %+v, want %+v", again.Message, m.Message)
		}
	})
}

// FuzzMessageFields writes what it is given and reads it back.
func FuzzMessageFields(f *testing.F) {
	f.Add("from", "user", "to", []byte("payload"), int64(now), int64(now+1), uint16(5), uint64(6), byte(2), true)
	f.Add("", "", "", []byte(nil), int64(0), int64(0), uint16(0), uint64(0), byte(0), false)
	f.Fuzz(func(t *testing.T, from, user, to string, payload []byte, at, expires int64, id uint16, flow uint64, qos byte, retain bool) {
		if at < 0 || at >= 1<<47 || qos > 2 || len(payload) == 0 {
			return
		}
		m := Message{
			Message: &mqtt.Message{From: from, Username: user, Payload: payload, Timestamp: at, ExpiresAt: expires, QoS: mqtt.QoS(qos), Retain: retain},
			Origin:  Origin{id, flow}, To: to,
		}
		got, err := ParseMessage(mqtt.At{}, "", AppendMessage(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		if got.Message = got.Copy(); !reflect.DeepEqual(got, m) {
			t.Fatalf("got %+v, want %+v", got.Message, m.Message)
		}
	})
}

func BenchmarkAppendMessage(b *testing.B) {
	m, buf := plain(), make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendMessage(buf[:0], m)
	}
}

func BenchmarkParseMessage(b *testing.B) {
	record := AppendMessage(nil, plain())
	b.ReportAllocs()
	for b.Loop() {
		ParseMessage(mqtt.At{}, "t", record)
	}
}
