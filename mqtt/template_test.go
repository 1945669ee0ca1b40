package mqtt

import (
	"reflect"
	"testing"
)

func TestTemplate(t *testing.T) {
	var tpl Template
	row := func(m *Message, v Version, o PublishOptions, text string) {
		t.Helper()
		tpl.Reset(m)
		want := wire(t, text)
		for range 2 { // what is kept from the first is used by the second
			got := tpl.Append([]byte{0xAA}, v, &o)
			if !reflect.DeepEqual(got[1:], want) || got[0] != 0xAA {
				t.Errorf("%+v in version %d:\n% X, want\n% X", o, v, got[1:], want)
			}
			if size := tpl.Size(v, &o); size != len(want) {
				t.Errorf("%+v in version %d: size is %d, want %d", o, v, size, len(want))
			}
		}
	}
	m := &Message{Topic: "a/b", Payload: []byte("hi")}
	row(m, V311, PublishOptions{}, "30 07 00 03 'a/b' 'hi'")
	row(m, V31, PublishOptions{Retain: true}, "31 07 00 03 'a/b' 'hi'")
	row(m, V311, PublishOptions{PacketID: 9, Dup: true}, "30 07 00 03 'a/b' 'hi'") // neither exists at QoS 0
	row(m, V311, PublishOptions{QoS: 1, PacketID: 0x1234}, "32 09 00 03 'a/b' 12 34 'hi'")
	row(m, V311, PublishOptions{QoS: 2, PacketID: 1, Dup: true}, "3C 09 00 03 'a/b' 00 01 'hi'")
	row(m, V5, PublishOptions{}, "30 08 00 03 'a/b' 00 'hi'")
	row(m, V5, PublishOptions{QoS: 1, PacketID: 1}, "32 0A 00 03 'a/b' 00 01 00 'hi'")
	row(m, V5, PublishOptions{SubscriptionID: 200}, "30 0B 00 03 'a/b' 03 0B C8 01 'hi'")
	row(m, V5, PublishOptions{Alias: 2}, "30 0B 00 03 'a/b' 03 23 00 02 'hi'")
	row(m, V5, PublishOptions{Alias: 2, OmitTopic: true}, "30 08 00 00 03 23 00 02 'hi'")
	row(m, V5, PublishOptions{OmitTopic: true}, "30 08 00 03 'a/b' 00 'hi'") // no alias, so the topic stays
	row(m, V311, PublishOptions{Alias: 2, OmitTopic: true, SubscriptionID: 3}, "30 07 00 03 'a/b' 'hi'")
	row(&Message{Topic: "a"}, V311, PublishOptions{}, "30 03 00 01 'a'")

	// The expiry that is left counts, not the one that came; other properties of
	// the packet that brought the message stay behind.
	m = &Message{Topic: "a", ExpiresAt: 20_000, Props: &Properties{
		Present:     PropMessageExpiry | PropContentType | PropTopicAlias,
		ContentType: "t", MessageExpiry: 99, TopicAlias: 7}}
	row(m, V5, PublishOptions{Now: 10_000}, "30 0D 00 01 'a' 09 02 00 00 00 0A 03 00 01 't'")
	row(m, V5, PublishOptions{Now: 19_999}, "30 0D 00 01 'a' 09 02 00 00 00 01 03 00 01 't'")
	row(m, V5, PublishOptions{Now: 30_000}, "30 0D 00 01 'a' 09 02 00 00 00 00 03 00 01 't'")
	row(m, V5, PublishOptions{Now: 10_000, SubscriptionID: 1, Alias: 2, OmitTopic: true, QoS: 1, PacketID: 5},
		"32 13 00 00 00 05 0E 02 00 00 00 0A 0B 01 23 00 02 03 00 01 't'")
	row(m, V311, PublishOptions{Now: 10_000}, "30 03 00 01 'a'")
	m.ExpiresAt = 0
	row(m, V5, PublishOptions{}, "30 08 00 01 'a' 04 03 00 01 't'")
}

// TestTemplateAgainstAppend: a Template writes what Append would write for the
// same PUBLISH, whatever the message and the receiver.
func TestTemplateAgainstAppend(t *testing.T) {
	var tpl Template
	eachRandom(300, func(p Packet, v Version) {
		pub, is := p.(*Publish)
		if !is {
			return
		}
		o := PublishOptions{QoS: pub.QoS, Retain: pub.Retain, Dup: pub.Dup, PacketID: pub.PacketID}
		if pub.Props.Has(PropSubscriptionID) {
			o.SubscriptionID = pub.Props.SubscriptionIDs[0]
		}
		if pub.Props.Has(PropTopicAlias) {
			o.Alias = pub.Props.TopicAlias
		}
		carrier := *pub
		carrier.Props = pub.Props.Copy(^Prop(0))
		var m Message
		m.SetPublish(&carrier, 0)
		tpl.Reset(&m)
		buf := tpl.Append(nil, v, &o)

		if pub.Props.Has(PropSubscriptionID) {
			pub.Props.SubscriptionIDs = pub.Props.SubscriptionIDs[:1]
		}
		s := streamFor(pub, v)
		got, n, err := new(Decoder).Next(&s, buf)
		if err != nil || n != len(buf) || !same(got, pub) {
			t.Fatalf("got %v, %v\nwant %v", got, err, pub)
		}
		if size := tpl.Size(v, &o); size != len(buf) || len(Append(nil, pub, v)) != size {
			t.Fatalf("%v: size %d, appended %d, want %d", pub, size, len(buf), len(Append(nil, pub, v)))
		}
		head := tpl.AppendHead(nil, v, &o)
		if string(head)+string(pub.Payload) != string(buf) {
			t.Fatalf("%v: head % X and payload are not % X", pub, head, buf)
		}
	})
}

func TestTemplateReset(t *testing.T) {
	var tpl Template
	tpl.Reset(&Message{Topic: "a", Props: &Properties{Present: PropContentType, ContentType: "long content type"}})
	tpl.Append(nil, V5, &PublishOptions{})
	tpl.Reset(&Message{Topic: "b"})
	if got, want := tpl.Append(nil, V5, &PublishOptions{}), wire(t, "30 04 00 01 'b' 00"); !reflect.DeepEqual(got, want) {
		t.Errorf("after Reset: % X, want % X", got, want)
	}
}
