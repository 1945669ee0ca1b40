package mqtt

import (
	"reflect"
	"testing"
	"unsafe"
)

// TestAllocations pins what the hot path may allocate.
func TestAllocations(t *testing.T) {
	row := func(what string, want float64, do func()) {
		t.Helper()
		if got := testing.AllocsPerRun(200, do); got != want {
			t.Errorf("%s: %v allocations, want %v", what, got, want)
		}
	}
	var d Decoder
	decode := func(what string, want float64, v Version, packets ...Packet) {
		t.Helper()
		s := Stream{Version: v}
		var bufs [][]byte
		for _, p := range packets {
			bufs = append(bufs, Append(nil, p, v))
		}
		i := 0
		row(what, want, func() {
			if _, n, err := d.Next(&s, bufs[i%len(bufs)]); n == 0 || err != nil {
				t.Fatal(n, err)
			}
			i++
		})
	}
	payload := make([]byte, 1000)
	decode("PUBLISH at QoS 0", 0, V311, &Publish{Topic: "site/1", Payload: payload})
	decode("PUBLISH at QoS 1", 0, V311, &Publish{Topic: "site/1", QoS: 1, PacketID: 1, Payload: payload})
	decode("PUBLISH at QoS 2", 0, V5, &Publish{Topic: "site/1", QoS: 2, PacketID: 1, Payload: payload})
	decode("PUBLISH by alias", 0, V5, &Publish{Props: &Properties{Present: PropTopicAlias, TopicAlias: 1}})
	decode("PUBLISH with expiry", 0, V5, &Publish{Topic: "a", Props: &Properties{Present: PropMessageExpiry, MessageExpiry: 1}})
	decode("PUBLISH with another topic", 1, V311, &Publish{Topic: "site/1"}, &Publish{Topic: "site/2"})
	decode("PUBLISH with two texts", 1, V5, &Publish{Topic: "a",
		Props: &Properties{Present: PropContentType | PropResponseTopic, ContentType: "text", ResponseTopic: "b"}})
	decode("PUBACK", 0, V311, &Ack{Kind: TypePuback, PacketID: 1})
	decode("PUBREC with a code", 0, V5, &Ack{Kind: TypePubrec, PacketID: 1, Code: QuotaExceeded})
	decode("PUBREL", 0, V311, &Ack{Kind: TypePubrel, PacketID: 1})
	decode("PINGREQ", 0, V311, &Pingreq{})

	out := make([]byte, 0, 4096)
	row("AppendAck", 0, func() { out = AppendAck(out[:0], TypePuback, 1, NoMatchingSubscribers, V5) })
	row("Append of a Connack", 0, func() { out = Append(out[:0], &Connack{Code: Banned}, V5) })
	publish := &Publish{Topic: "a", Payload: payload, Props: &Properties{Present: PropContentType, ContentType: "t"}}
	row("Append of a Publish", 0, func() { out = Append(out[:0], publish, V5) })

	var tpl Template
	m := &Message{Topic: "site/1", Payload: payload, ExpiresAt: 1, Props: publish.Props}
	options := []PublishOptions{{}, {QoS: 1, PacketID: 1}, {SubscriptionID: 9, Alias: 3, Now: 1}}
	tpl.Reset(m)
	tpl.Size(V5, &options[0])
	row("Template", 0, func() {
		tpl.Reset(m)
		for i := range options {
			out = tpl.Append(out[:0], V311, &options[i])
			out = tpl.Append(out[:0], V5, &options[i])
		}
	})
	row("SetPublish", 0, func() { m.SetPublish(publish, 1) })

	large := []byte{0x10, 0xFF, 0xFF, 0xFF, 0x7F} // refused: only the error itself
	s := Stream{MaxPacketSize: 1 << 20}
	if got := testing.AllocsPerRun(10, func() { d.Next(&s, large) }); got > 10 {
		t.Errorf("a packet that is too large: %v allocations", got)
	}
}

// TestMessageSize: a Message is what each delivery in a queue or in flight may
// keep. With one byte more it would take 160.
func TestMessageSize(t *testing.T) {
	if size := reflect.TypeFor[Message]().Size(); size != 144 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a Message takes %d bytes, want 144", size)
	}
}

// TestStreamSize: a Stream is part of what an idle connection costs.
func TestStreamSize(t *testing.T) {
	if size := reflect.TypeFor[Stream]().Size(); size > 24 {
		t.Errorf("a Stream takes %d bytes, want at most 24", size)
	}
}
