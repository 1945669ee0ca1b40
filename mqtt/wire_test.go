package mqtt

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// wire turns a readable form into bytes: hexadecimal bytes and 'text', apart
// by spaces. A text stands for itself; its length is written out before it.
func wire(t testing.TB, text string) []byte {
	t.Helper()
	out := []byte{}
	for _, word := range strings.Fields(text) {
		if raw, is := strings.CutPrefix(word, "'"); is {
			out = append(out, strings.TrimSuffix(raw, "'")...)
			continue
		}
		b, err := strconv.ParseUint(word, 16, 8)
		if err != nil {
			t.Fatalf("wire %q: %v", text, err)
		}
		out = append(out, byte(b))
	}
	return out
}

// streamFor is the receiving end of a packet in the given version.
func streamFor(p Packet, v Version) Stream {
	s := Stream{Version: v}
	switch p.Type() {
	case TypeConnect:
		s.Version = 0
	case TypeConnack, TypeSuback, TypeUnsuback, TypePingresp:
		s.Client = true
	case TypePublish:
		s.Client = p.(*Publish).Props.Has(PropSubscriptionID)
	case TypeDisconnect:
		s.Client = p.(*Disconnect).Props.Has(PropServerReference)
	}
	return s
}

// same compares two packets; a payload that is empty may be nil.
func same(a, b Packet) bool {
	pa, isPublish := a.(*Publish)
	pb, _ := b.(*Publish)
	if !isPublish || pb == nil || len(pa.Payload)+len(pb.Payload) > 0 {
		return reflect.DeepEqual(a, b)
	}
	ca, cb := *pa, *pb
	ca.Payload, cb.Payload = nil, nil
	return reflect.DeepEqual(ca, cb)
}

// TestWire pins the bytes of every packet, in both directions: the packet
// encodes to the bytes and the bytes decode to the packet.
func TestWire(t *testing.T) {
	row := func(v Version, p Packet, text string) {
		t.Helper()
		want := wire(t, text)
		if got := Append([]byte{}, p, v); !reflect.DeepEqual(got, want) {
			t.Errorf("%v in version %d encodes to\n% X, want\n% X", p, v, got, want)
		}
		s := streamFor(p, v)
		got, n, err := new(Decoder).Next(&s, append(want, 0xFF))
		if err != nil || n != len(want) || !same(got, p) {
			t.Errorf("version %d, % X:\ngot  %v, %d, %v\nwant %v, %d", v, want, got, n, err, p, len(want))
		}
		if s.Version != v {
			t.Errorf("%v: the stream has version %d, want %d", p, s.Version, v)
		}
	}
	name, empty := "u", ""
	ack := func(kind Type, code ReasonCode, p *Properties) *Ack {
		return &Ack{Kind: kind, PacketID: 0x1234, Code: code, Props: p}
	}
	reason := &Properties{Present: PropReasonString, ReasonString: "no"}

	// CONNECT
	row(V31, &Connect{Version: V31, ClientID: "c"}, "10 0F 00 06 'MQIsdp' 03 00 00 00 00 01 'c'")
	row(V311, &Connect{Version: V311, CleanStart: true, KeepAlive: 60}, "10 0C 00 04 'MQTT' 04 02 00 3C 00 00")
	row(V311, &Connect{Version: V311, Bridge: true, ClientID: "c"}, "10 0D 00 04 'MQTT' 84 00 00 00 00 01 'c'")
	row(V311, &Connect{Version: V311, Username: &name, Password: []byte{0, 1}},
		"10 13 00 04 'MQTT' 04 C0 00 00 00 00 00 01 'u' 00 02 00 01")
	row(V311, &Connect{Version: V311, Username: &empty, Password: []byte{}},
		"10 10 00 04 'MQTT' 04 C0 00 00 00 00 00 00 00 00")
	row(V311, &Connect{Version: V311, Will: &Will{QoS: 2, Retain: true, Topic: "w", Payload: []byte("bye")}},
		"10 14 00 04 'MQTT' 04 34 00 00 00 00 00 01 'w' 00 03 'bye'")
	row(V5, &Connect{Version: V5}, "10 0D 00 04 'MQTT' 05 00 00 00 00 00 00")
	row(V5, &Connect{Version: V5, Password: []byte("pw")}, "10 11 00 04 'MQTT' 05 40 00 00 00 00 00 00 02 'pw'")
	row(V5, &Connect{Version: V5, Will: &Will{Topic: "w", Payload: []byte{},
		Props: &Properties{Present: PropWillDelay, WillDelay: 10}}},
		"10 18 00 04 'MQTT' 05 04 00 00 00 00 00 05 18 00 00 00 0A 00 01 'w' 00 00")
	row(V5, &Connect{Version: V5, Props: &Properties{
		Present: connectProps &^ PropUserProperty, SessionExpiry: 1, ReceiveMaximum: 2, MaximumPacketSize: 3, TopicAliasMaximum: 4, RequestResponseInfo: 1,
		AuthMethod: "m", AuthData: []byte{9}}},
		"10 29 00 04 'MQTT' 05 00 00 00 1C 11 00 00 00 01 15 00 01 'm' 16 00 01 09 17 00 19 01 21 00 02 22 00 04 27 00 00 00 03 00 00")

	// CONNACK
	row(V311, &Connack{SessionPresent: true}, "20 02 01 00")
	row(V311, &Connack{Code: NotAuthorized}, "20 02 00 05")
	row(V31, &Connack{Code: ClientIdentifierNotValid}, "20 02 00 02")
	row(V5, &Connack{}, "20 03 00 00 00")
	row(V5, &Connack{Code: Banned}, "20 03 00 8A 00")
	row(V5, &Connack{SessionPresent: true, Props: &Properties{
		Present: PropAssignedClientID | PropServerKeepAlive | PropMaximumQoS | PropRetainAvailable |
			PropWildcardSubAvailable | PropSubscriptionIDAvailable | PropSharedSubAvailable,
		AssignedClientID: "x", ServerKeepAlive: 5, MaximumQoS: 1, RetainAvailable: 1, WildcardSubAvailable: 1, SharedSubAvailable: 1}},
		"20 14 01 00 11 12 00 01 'x' 13 00 05 24 01 25 01 28 01 29 00 2A 01")
	row(V5, &Connack{Code: UseAnotherServer, Props: &Properties{Present: PropResponseInfo | PropServerReference,
		ResponseInfo: "r", ServerReference: "s"}}, "20 0B 00 9C 08 1A 00 01 'r' 1C 00 01 's'")

	// PUBLISH
	row(V311, &Publish{Topic: "a/b", Payload: []byte("hi")}, "30 07 00 03 'a/b' 'hi'")
	row(V311, &Publish{Topic: "a", Retain: true}, "31 03 00 01 'a'")
	row(V311, &Publish{Topic: "a", QoS: 1, PacketID: 7}, "32 05 00 01 'a' 00 07")
	row(V31, &Publish{Topic: "a", QoS: 2, Dup: true, PacketID: 7}, "3C 05 00 01 'a' 00 07")
	row(V5, &Publish{Topic: "a", Payload: []byte("x")}, "30 05 00 01 'a' 00 'x'")
	row(V5, &Publish{QoS: 1, PacketID: 7, Props: &Properties{Present: PropTopicAlias, TopicAlias: 3}},
		"32 08 00 00 00 07 03 23 00 03")
	row(V5, &Publish{Topic: "a", Props: &Properties{Present: ForwardedProps, PayloadFormat: 1, MessageExpiry: 2,
		ContentType: "t", ResponseTopic: "r", CorrelationData: []byte{1}, UserProperties: []UserProperty{{"k", "v"}, {"k", ""}}}},
		"30 24 00 01 'a' 20 01 01 02 00 00 00 02 03 00 01 't' 08 00 01 'r' 09 00 01 01 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 00")
	row(V5, &Publish{Topic: "a", Props: &Properties{Present: PropSubscriptionID, SubscriptionIDs: []uint32{1, 268435455}}},
		"30 0B 00 01 'a' 07 0B 01 0B FF FF FF 7F")

	// PUBACK, PUBREC, PUBREL, PUBCOMP
	row(V31, ack(TypePuback, Success, nil), "40 02 12 34")
	row(V311, ack(TypePubrec, Success, nil), "50 02 12 34")
	row(V311, ack(TypePubrel, Success, nil), "62 02 12 34")
	row(V311, ack(TypePubcomp, Success, nil), "70 02 12 34")
	row(V5, ack(TypePuback, Success, nil), "40 02 12 34")
	row(V5, ack(TypePuback, NoMatchingSubscribers, nil), "40 03 12 34 10")
	row(V5, ack(TypePubrel, PacketIdentifierNotFound, nil), "62 03 12 34 92")
	row(V5, ack(TypePubrec, QuotaExceeded, reason), "50 09 12 34 97 05 1F 00 02 'no'")
	row(V5, ack(TypePubcomp, Success, reason), "70 09 12 34 00 05 1F 00 02 'no'")

	// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK
	row(V311, &Subscribe{PacketID: 1, Filters: []SubscribeFilter{{Filter: "a"}, {"#", SubscribeOptions{QoS: 2}}}},
		"82 0A 00 01 00 01 'a' 00 00 01 '#' 02")
	row(V5, &Subscribe{PacketID: 1, Filters: []SubscribeFilter{{"a", SubscribeOptions{1, true, true, 2}}},
		Props: &Properties{Present: PropSubscriptionID, SubscriptionIDs: []uint32{200}}},
		"82 0A 00 01 03 0B C8 01 00 01 'a' 2D")
	row(V311, &Suback{PacketID: 1, Codes: []ReasonCode{0, 1, 2, 0x80}}, "90 06 00 01 00 01 02 80")
	row(V5, &Suback{PacketID: 1, Codes: []ReasonCode{NotAuthorized}}, "90 04 00 01 00 87")
	row(V311, &Unsubscribe{PacketID: 1, Filters: []string{"a", "b"}}, "A2 08 00 01 00 01 'a' 00 01 'b'")
	row(V5, &Unsubscribe{PacketID: 1, Filters: []string{"a"}}, "A2 06 00 01 00 00 01 'a'")
	row(V311, &Unsuback{PacketID: 1}, "B0 02 00 01")
	row(V5, &Unsuback{PacketID: 1, Codes: []ReasonCode{0, NoSubscriptionExisted}}, "B0 05 00 01 00 00 11")

	// PINGREQ, PINGRESP, DISCONNECT, AUTH
	row(V311, &Pingreq{}, "C0 00")
	row(V5, &Pingresp{}, "D0 00")
	row(V311, &Disconnect{}, "E0 00")
	row(V5, &Disconnect{}, "E0 00")
	row(V5, &Disconnect{Code: SessionTakenOver}, "E0 01 8E")
	row(V5, &Disconnect{Props: &Properties{Present: PropSessionExpiry, SessionExpiry: 0xFFFFFFFF}},
		"E0 07 00 05 11 FF FF FF FF")
	row(V5, &Disconnect{Code: ServerMoved, Props: &Properties{Present: PropServerReference, ServerReference: "s"}},
		"E0 06 9D 04 1C 00 01 's'")
	row(V5, &Auth{}, "F0 00")
	row(V5, &Auth{Code: ContinueAuthentication, Props: &Properties{Present: PropAuthMethod, AuthMethod: "m"}},
		"F0 06 18 04 15 00 01 'm'")
}

// TestAppendForOlder pins what is left out for peers that could not read it.
func TestAppendForOlder(t *testing.T) {
	row := func(v Version, p Packet, text string) {
		t.Helper()
		if got, want := Append(nil, p, v), wire(t, text); string(got) != string(want) {
			t.Errorf("%v for version %d:\n% X, want\n% X", p, v, got, want)
		}
	}
	props := &Properties{Present: PropReasonString | PropUserProperty, ReasonString: "why",
		UserProperties: []UserProperty{{"k", "v"}}}
	row(V31, &Connack{SessionPresent: true}, "20 02 00 00") // 3.1 has no such flag
	row(V311, &Connack{Code: Banned, Props: props}, "20 02 00 05")
	row(V311, &Connack{Code: QuotaExceeded}, "20 02 00 03")
	row(V311, &Publish{Topic: "a", Props: props, Payload: []byte("x")}, "30 04 00 01 'a' 'x'")
	row(V5, &Publish{Topic: "a", Dup: true}, "30 04 00 01 'a' 00") // [MQTT-3.3.1-2]
	row(V311, &Ack{Kind: TypePuback, PacketID: 1, Code: NoMatchingSubscribers, Props: props}, "40 02 00 01")
	row(V311, &Ack{Kind: TypePubrec, PacketID: 1, Code: QuotaExceeded}, "50 02 00 01")
	row(V311, &Suback{PacketID: 1, Codes: []ReasonCode{GrantedQoS1, NotAuthorized}, Props: props}, "90 04 00 01 01 80")
	row(V311, &Unsuback{PacketID: 1, Codes: []ReasonCode{NoSubscriptionExisted}, Props: props}, "B0 02 00 01")
	row(V311, &Subscribe{PacketID: 1, Filters: []SubscribeFilter{{"a", SubscribeOptions{1, true, true, 2}}}},
		"82 06 00 01 00 01 'a' 01")
	row(V311, &Unsubscribe{PacketID: 1, Filters: []string{"a"}, Props: props}, "A2 05 00 01 00 01 'a'")
	row(V311, &Disconnect{Code: ServerBusy, Props: props}, "E0 00")
	row(V311, &Auth{Code: ContinueAuthentication}, "")
	row(V311, &Connect{Version: V311, Password: []byte("p"), Props: props}, "10 0C 00 04 'MQTT' 04 00 00 00 00 00")
	row(V5, &Unsubscribe{PacketID: 1, Filters: []string{"a"}, Props: &Properties{Present: PropReasonString}},
		"A2 06 00 01 00 00 01 'a'") // a property that UNSUBSCRIBE may not carry
}

// TestLengths crosses the borders of the variable byte integer, both for the
// remaining length and for the property length.
func TestLengths(t *testing.T) {
	for _, n := range []int{0, 1, 100, 120, 121, 122, 123, 124, 125, 126, 127, 128, 200, 16370, 16380, 16384, 65535, 70000, 2097152} {
		for _, v := range []Version{V311, V5} {
			text := strings.Repeat("x", min(n, 65535))
			p := &Publish{Topic: "t", Payload: make([]byte, n)}
			if v == V5 {
				p.Props = &Properties{Present: PropContentType, ContentType: text}
			}
			buf := Append(nil, p, v)
			if size, ok := PacketSize(buf); !ok || size != len(buf) {
				t.Errorf("payload of %d: PacketSize is %d, %t, want %d", n, size, ok, len(buf))
			}
			s := Stream{Version: v}
			got, size, err := new(Decoder).Next(&s, buf)
			if err != nil || size != len(buf) || !same(got, p) {
				t.Errorf("payload of %d in version %d does not come back: %d of %d bytes, %v", n, v, size, len(buf), err)
			}
		}
	}
}

func TestAppendUnknown(t *testing.T) {
	if got := Append([]byte("x"), nil, V5); string(got) != "x" {
		t.Errorf("no packet appends % X", got[1:])
	}
}

func TestAppendCutsWhatIsTooLong(t *testing.T) {
	buf := Append(nil, &Publish{Topic: strings.Repeat("x", 70000)}, V311)
	s := Stream{Version: V311}
	p, _, err := new(Decoder).Next(&s, buf)
	if err != nil || len(p.(*Publish).Topic) != 65535 {
		t.Errorf("got %v, %v, want a topic of 65,535 bytes", p, err)
	}
}
