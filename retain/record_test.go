package retain

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// allProps has every property that a message can carry.
func allProps() *mqtt.Properties {
	return &mqtt.Properties{
		Present: mqtt.ForwardedProps, PayloadFormat: 1, MessageExpiry: math.MaxUint32, ContentType: "text/plain",
		ResponseTopic: "reply/to", CorrelationData: []byte{0, 255},
		UserProperties: []mqtt.UserProperty{{Key: "k", Value: "v"}, {Key: "k", Value: ""}, {Key: "", Value: strings.Repeat("long", 100)}},
	}
}

// roundTrip makes m a record and that a message again.
func roundTrip(m *mqtt.Message, lifeEnds int64) (got mqtt.Message, r record) {
	r = newRecord(m, lifeEnds)
	got = mqtt.Message{Topic: "of", Props: allProps(), ExpiresAt: 7} // must not shine through
	r.fill(&got)
	return got, r
}

func TestRecordKeepsTheMessage(t *testing.T) {
	row := func(m mqtt.Message) {
		t.Helper()
		got, r := roundTrip(&m, 0)
		m.Retain, m.Dup = true, false
		if !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, want %+v", got, m)
		}
		if r.topic() != m.Topic || r.timestamp() != m.Timestamp || r.expires() != m.ExpiresAt {
			t.Errorf("the record says %q, %d, %d of %+v", r.topic(), r.timestamp(), r.expires(), m)
		}
	}
	payload := []byte("x")
	row(mqtt.Message{Topic: "t", Payload: payload})
	row(mqtt.Message{Topic: "t", Payload: payload, QoS: 2, Dup: true, Sys: true, From: "c"})
	row(mqtt.Message{Topic: "t", Payload: payload, Timestamp: 1_800_000_000_000, ExpiresAt: 1_800_000_000_001})
	row(mqtt.Message{Topic: "t", Payload: payload, Timestamp: -1, ExpiresAt: math.MaxInt64})
	row(mqtt.Message{Topic: "t", Payload: payload, From: "c", Username: "u", Props: allProps()})
	row(mqtt.Message{Topic: "t", Payload: payload, Props: &mqtt.Properties{Present: mqtt.PropMessageExpiry}})
	row(mqtt.Message{Topic: "t", Payload: payload, Props: &mqtt.Properties{Present: mqtt.PropContentType}})
	row(mqtt.Message{Topic: strings.Repeat("t", 65535), Payload: make([]byte, 1<<20), From: strings.Repeat("c", 65535)})
}

// TestRecordKnowsAllProps fails when a message gets a new kind of property.
func TestRecordKnowsAllProps(t *testing.T) {
	for p := mqtt.Prop(1); p != 0; p <<= 1 {
		if p&mqtt.ForwardedProps == 0 {
			continue
		}
		m := mqtt.Message{Topic: "t", Payload: []byte("x"), Props: allProps().Copy(p)}
		if got, _ := roundTrip(&m, 0); got.Props.String() != m.Props.String() || got.Props.String() == "" {
			t.Errorf("property %b: got %v, want %v", p, got.Props, m.Props)
		}
	}
}

// TestRecordExpiry: what the store adds is the store's alone.
func TestRecordExpiry(t *testing.T) {
	row := func(own, lifeEnds, expires, told int64) {
		t.Helper()
		m, r := roundTrip(&mqtt.Message{Topic: "t", Payload: []byte("x"), ExpiresAt: own}, lifeEnds)
		if r.expires() != expires || m.ExpiresAt != told {
			t.Errorf("expiry %d and %d: record %d, message %d, want %d, %d", own, lifeEnds, r.expires(), m.ExpiresAt, expires, told)
		}
		if expires != 0 && (r.expired(expires-1) || !r.expired(expires)) || expires == 0 && r.expired(math.MaxInt64) {
			t.Errorf("expiry %d and %d: expired at the wrong time", own, lifeEnds)
		}
	}
	row(0, 0, 0, 0)
	row(5, 0, 5, 5)
	row(0, 6, 6, 0)
	row(5, 6, 5, 5)
}

// TestRecordOwnsItsMemory: a record of a borrowed message doesn't follow it.
func TestRecordOwnsItsMemory(t *testing.T) {
	m := &mqtt.Message{Topic: "t", Payload: []byte("before")}
	got, _ := roundTrip(m, 0)
	copy(m.Payload, "after!")
	if string(got.Payload) != "before" {
		t.Errorf("the payload became %q", got.Payload)
	}
}

func FuzzRecord(f *testing.F) {
	f.Fuzz(func(t *testing.T, topic, from, user, key, value string, payload, data []byte, stamp, expires int64, present uint32, bits byte) {
		if len(topic) > math.MaxUint16 {
			return
		}
		m := mqtt.Message{
			Topic: topic, Payload: payload, From: from, Username: user, Timestamp: stamp, ExpiresAt: expires,
			QoS: mqtt.QoS(bits & 3), Sys: bits&4 != 0, Retain: true,
		}
		p := &mqtt.Properties{
			PayloadFormat: bits, MessageExpiry: present, ContentType: key, ResponseTopic: value, CorrelationData: data,
			UserProperties: []mqtt.UserProperty{{Key: key, Value: value}, {Key: value, Value: user}},
		}
		if p.Present = mqtt.Prop(present) & mqtt.ForwardedProps; p.Present != 0 {
			m.Props = p
		}
		got, _ := roundTrip(&m, 0)
		if got.Props.String() != m.Props.String() || string(got.Payload) != string(payload) {
			t.Errorf("got %v %q, want %v %q", got.Props, got.Payload, m.Props, payload)
		}
		got.Props, got.Payload, m.Props, m.Payload = nil, nil, nil, nil
		if !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, want %+v", got, m)
		}
	})
}
