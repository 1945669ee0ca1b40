package mqtt

import (
	"math"
	"reflect"
	"testing"
)

func TestSetPublish(t *testing.T) {
	m := Message{From: "gone", Sys: true, ExpiresAt: 5}
	m.Keep()
	m.SetPublish(&Publish{Topic: "a", QoS: 2, Retain: true, Dup: true, PacketID: 4, Payload: []byte("x")}, 1000)
	want := Message{Topic: "a", QoS: 2, Retain: true, Dup: true, Payload: []byte("x"), Timestamp: 1000}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, want %+v", m, want)
	}

	props := func(present Prop, expiry uint32) *Properties {
		return &Properties{Present: present, MessageExpiry: expiry, TopicAlias: 7}
	}
	row := func(p *Properties, present Prop, expires int64) {
		t.Helper()
		var m Message
		m.SetPublish(&Publish{Topic: "a", Props: p}, 1000)
		if m.ExpiresAt != expires {
			t.Errorf("expires at %d, want %d", m.ExpiresAt, expires)
		}
		if has := m.Props != nil; has != (present != 0) || has && m.Props.Present != present {
			t.Errorf("properties are %v, want bits %b", m.Props, present)
		}
	}
	row(nil, 0, 0)
	row(props(PropTopicAlias, 0), 0, 0) // the alias is the packet's
	row(props(PropTopicAlias|PropContentType, 0), PropContentType, 0)
	row(props(PropMessageExpiry, 2), PropMessageExpiry, 3000)
	row(props(PropMessageExpiry, 0), PropMessageExpiry, 0)
	row(props(PropMessageExpiry, math.MaxUint32), PropMessageExpiry, 1000+1000*math.MaxUint32)
}

// TestKeep: after Keep nothing points to the buffer or to the decoder.
func TestKeep(t *testing.T) {
	var d Decoder
	s := Stream{Version: V5}
	buf := wire(t, "30 10 00 01 'a' 0B 23 00 01 26 00 01 'k' 00 02 'vv' 'x'")
	read := func(buf []byte) (m Message) {
		p, _, err := d.Next(&s, buf)
		if err != nil {
			t.Fatal(err)
		}
		m.SetPublish(p.(*Publish), 1000)
		return m
	}
	m := read(buf)
	kept := m.Keep()
	if m.Keep() != kept || kept.Keep() != kept {
		t.Error("Keep makes more than one copy")
	}
	copy(buf, wire(t, "30 10 00 01 'b' 0B 23 00 01 26 00 01 'K' 00 02 'VV' 'X'"))
	read(buf)
	want := &Properties{Present: PropUserProperty, UserProperties: []UserProperty{{"k", "vv"}}}
	if kept.Topic != "a" || string(kept.Payload) != "x" || kept.Props.String() != want.String() {
		t.Errorf("kept %q %q %v, want a x %v", kept.Topic, kept.Payload, kept.Props, want)
	}
}

// TestCopyMessage: a copy may be changed and is kept apart from its model.
func TestCopyMessage(t *testing.T) {
	m := &Message{Topic: "a", Payload: []byte("x")}
	kept := m.Keep()
	c := m.Copy()
	c.Topic = "b"
	if m.Topic != "a" || &c.Payload[0] != &m.Payload[0] || c.Keep() == kept || c.Keep().Topic != "b" {
		t.Errorf("the copy is %+v, its model %+v", c, m)
	}
}

func TestExpired(t *testing.T) {
	row := func(at, now int64, expired bool) {
		t.Helper()
		if got := (&Message{ExpiresAt: at}).Expired(now); got != expired {
			t.Errorf("expires at %d, now %d: %t", at, now, got)
		}
	}
	row(0, 5, false)
	row(6, 5, false)
	row(5, 5, true)
	row(4, 5, true)
}

func TestCopyProperties(t *testing.T) {
	var none *Properties
	p := &Properties{Present: PropContentType | PropTopicAlias, ContentType: "t", TopicAlias: 1}
	if none.Copy(^Prop(0)) != nil || p.Copy(PropReasonString) != nil {
		t.Error("a copy of nothing is not nil")
	}
	c := p.Copy(ForwardedProps)
	if c == p || c.Present != PropContentType || c.ContentType != "t" || p.Present != PropContentType|PropTopicAlias {
		t.Errorf("the copy of %v is %v", p, c)
	}
}
