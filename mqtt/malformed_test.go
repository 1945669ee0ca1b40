package mqtt

import (
	"errors"
	"strings"
	"testing"
)

// decode feeds one packet in the readable form to a fresh decoder.
func decode(t testing.TB, s *Stream, text string) (Packet, int, error) {
	t.Helper()
	return new(Decoder).Next(s, wire(t, text))
}

// TestMalformed pins, for everything that is no packet, the code that the peer
// is told, the word that is counted and a piece of the sentence.
func TestMalformed(t *testing.T) {
	row := func(s Stream, text string, code ReasonCode, word, says string) {
		t.Helper()
		p, n, err := decode(t, &s, text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, %d, %v, want an *Error", text, p, n, err)
			return
		}
		if e.Code != code || e.Word != word || !strings.Contains(e.Msg, says) {
			t.Errorf("%s:\ngot  %v %s %q\nwant %v %s %q", text, e.Code, e.Word, e.Msg, code, word, says)
		}
		if p != nil || n != 0 {
			t.Errorf("%s: got %v, %d beside the error", text, p, n)
		}
		if err.Error() != e.Msg || !errors.Is(err, code) {
			t.Errorf("%s: the error is %q and should be %v", text, err, code)
		}
	}
	var fresh Stream
	v31, v3, v5 := Stream{Version: V31}, Stream{Version: V311}, Stream{Version: V5}
	client3, client5 := Stream{Version: V311, Client: true}, Stream{Version: V5, Client: true}
	bad := func(s Stream, text, says string) {
		t.Helper()
		row(s, text, MalformedPacket, "malformed_packet", says)
	}
	short := func(s Stream, text, says string) {
		t.Helper()
		row(s, text, MalformedPacket, "function_clause", says)
	}
	protocol := func(s Stream, text, says string) {
		t.Helper()
		row(s, text, ProtocolError, "protocol_error", says)
	}

	// The fixed header; often the first byte is enough.
	bad(fresh, "00", "packet type 0 is reserved")
	bad(v3, "F0", "packet type 15 is reserved")
	protocol(fresh, "'GET'", "PUBACK before CONNECT")
	protocol(fresh, "30", "PUBLISH before CONNECT")
	protocol(fresh, "F0", "AUTH before CONNECT")
	protocol(v3, "20", "CONNACK comes from the wrong side")
	protocol(v5, "D0", "PINGRESP comes from the wrong side")
	protocol(client3, "10", "CONNECT comes from the wrong side")
	protocol(client5, "82", "SUBSCRIBE comes from the wrong side")
	header := func(s Stream, text, says string) {
		t.Helper()
		row(s, text, MalformedPacket, "bad_frame_header", says)
	}
	header(fresh, "11", "CONNECT: flags are 0001, expected 0000")
	header(v3, "41", "PUBACK: flags are 0001")
	header(v3, "60", "PUBREL: flags are 0000, expected 0010")
	header(v5, "80", "SUBSCRIBE: flags are 0000, expected 0010")
	header(v5, "AA", "UNSUBSCRIBE: flags are 1010, expected 0010")
	header(v3, "C8", "PINGREQ: flags are 1000")
	header(v3, "36", "PUBLISH: QoS is 3")
	header(v31, "36", "PUBLISH: QoS is 3")
	header(v5, "38", "DUP is set at QoS 0")
	varint := func(s Stream, text, says string) {
		t.Helper()
		row(s, text, MalformedPacket, "malformed_variable_byte_integer", says)
	}
	varint(v3, "30 80 80 80 80", "PUBLISH: remaining length takes more than four bytes")
	varint(fresh, "10 FF FF FF FF 01", "CONNECT: remaining length takes more than four bytes")
	varint(v5, "30 84 00 00 01 'a' 00", "remaining length takes 2 bytes, expected 1")
	varint(Stream{Version: V311, Strict: true}, "C0 80 00", "remaining length takes 2 bytes")
	row(Stream{Version: V311, MaxPacketSize: 127}, "30 80 01", PacketTooLarge, "frame_too_large",
		"PUBLISH: remaining length is 128, the limit is 127")
	row(Stream{MaxPacketSize: 1 << 20}, "10 FF FF FF 7F", PacketTooLarge, "frame_too_large",
		"CONNECT: remaining length is 268435455")

	// CONNECT
	unsupported := func(text string) {
		t.Helper()
		row(fresh, text, UnsupportedProtocolVersion, "unsupported_protocol_version", "expected MQIsdp 3, MQTT 4 or MQTT 5")
	}
	unsupported("10 0C 00 04 'MQTT' 03 02 00 00 00 00")
	unsupported("10 0C 00 04 'MQTT' 06 02 00 00 00 00")
	bad(fresh, "10 0C 00 04 'mqtt' 04 02 00 00 00 00", "expected MQTT or MQIsdp")
	unsupported("10 0E 00 06 'MQIsdp' 04 02 00 00 00 00")
	unsupported("10 07 00 04 'MQTT' 00")
	short(fresh, "10 00", "CONNECT ends inside its protocol name")
	short(fresh, "10 06 00 04 'MQTT'", "protocol level")
	short(fresh, "10 07 00 04 'MQTT' 04", "flags")
	short(fresh, "10 09 00 04 'MQTT' 04 02 00", "keep alive")
	short(fresh, "10 0A 00 04 'MQTT' 04 02 00 3C", "client id")
	short(fresh, "10 0D 00 04 'MQTT' 04 02 00 3C 00 02 'x'", "client id")
	short(fresh, "10 0A 00 04 'MQTT' 05 02 00 3C", "property length")
	short(fresh, "10 0B 00 04 'MQTT' 05 02 00 3C 05", "properties")
	short(fresh, "10 0C 00 04 'MQTT' 04 04 00 00 00 00", "will topic")
	short(fresh, "10 0F 00 04 'MQTT' 04 04 00 00 00 00 00 01 'w'", "will payload")
	short(fresh, "10 0C 00 04 'MQTT' 04 80 00 00 00 00", "user name")
	short(fresh, "10 0F 00 04 'MQTT' 04 C0 00 00 00 00 00 01 'u'", "password")
	bad(fresh, "10 0C 00 04 'MQTT' 04 03 00 00 00 00", "the reserved flag is set")
	bad(fresh, "10 0C 00 04 'MQTT' 04 08 00 00 00 00", "will QoS or will retain is set without a will")
	bad(fresh, "10 0D 00 04 'MQTT' 05 20 00 00 00 00 00", "will QoS or will retain is set without a will")
	bad(fresh, "10 11 00 04 'MQTT' 04 1C 00 00 00 00 00 01 'w' 00 00", "will QoS is 3")
	bad(fresh, "10 13 00 06 'MQIsdp' 03 1C 00 00 00 00 00 01 'w' 00 00", "will QoS is 3")
	bad(fresh, "10 0F 00 04 'MQTT' 04 40 00 00 00 00 00 01 'p'", "a password without a user name")
	bad(fresh, "10 0D 00 04 'MQTT' 04 02 00 00 00 00 FF", "CONNECT: length exceeds its fields by 1")
	short(fresh, "10 10 00 04 'MQTT' 05 02 00 00 03 23 00 01 00 00", "CONNECT may not carry Topic-Alias")
	short(fresh, "10 18 00 04 'MQTT' 05 04 00 00 00 00 00 05 11 00 00 00 01 00 01 'w' 00 00", "Session-Expiry-Interval")

	// CONNACK
	bad(client3, "20 02 02 00", "CONNACK: flags are 00000010")
	protocol(client3, "20 02 01 05", "a refusal with a session present")
	protocol(client3, "20 02 00 06", "return code is 6, expected 0 to 5")
	short(client3, "20 01 00", "reason code")
	short(client5, "20 02 00 00", "property length")
	bad(client3, "20 03 00 00 00", "length exceeds its fields by 1")

	// PUBLISH
	short(v3, "30 00", "PUBLISH ends inside its topic name")
	short(v3, "30 03 00 02 'a'", "topic name")
	short(v3, "32 04 00 01 'a' 00", "packet id")
	short(v5, "30 03 00 01 'a'", "property length")
	row(v3, "32 05 00 01 'a' 00 00", MalformedPacket, "bad_packet_id", "PUBLISH: packet id is 0")
	row(v5, "34 06 00 01 'a' 00 00 00", MalformedPacket, "bad_packet_id", "PUBLISH: packet id is 0")
	row(v5, "30 07 00 01 'a' 03 23 00 00", TopicAliasInvalid, "topic_alias_invalid", "Topic-Alias is 0")
	protocol(v5, "30 06 00 01 'a' 02 0B 01", "a client may not send Subscription-Identifier")
	protocol(client5, "30 06 00 01 'a' 02 0B 00", "Subscription-Identifier is 0")

	// The properties, by way of PUBLISH
	short(v5, "30 06 00 01 'a' 02 7F 00", "property 0x7F does not exist")
	short(v5, "30 07 00 01 'a' 03 21 00 01", "PUBLISH may not carry Receive-Maximum")
	short(v5, "30 05 00 01 'a' 01 01", "PUBLISH ends inside its Payload-Format-Indicator")
	short(v5, "30 07 00 01 'a' 03 02 00 00", "Message-Expiry-Interval")
	short(v5, "30 07 00 01 'a' 03 26 00 00", "User-Property")
	short(v5, "30 05 00 01 'a' 01 8B", "property identifier")
	varint(v5, "30 06 00 01 'a' 02 81 00", "property identifier takes 2 bytes, expected 1")
	varint(v5, "30 07 00 01 'a' 80 80 80 80", "property length takes more than four bytes")
	varint(client5, "30 09 00 01 'a' 05 0B FF FF FF FF", "Subscription-Identifier takes more than four bytes")
	short(client5, "30 06 00 01 'a' 02 0B 80", "Subscription-Identifier")
	protocol(v5, "30 06 00 01 'a' 02 01 02", "Payload-Format-Indicator is 2, expected 0 or 1")
	protocol(v5, "30 08 00 01 'a' 04 01 00 01 01", "PUBLISH carries Payload-Format-Indicator twice")
	protocol(client5, "20 07 00 00 04 13 00 01 13", "CONNACK carries Server-Keep-Alive twice")
	protocol(fresh, "10 10 00 04 'MQTT' 05 02 00 00 03 21 00 00 00 00", "Receive-Maximum is 0")
	protocol(fresh, "10 12 00 04 'MQTT' 05 02 00 00 05 27 00 00 00 00 00 00", "Maximum-Packet-Size is 0")
	protocol(fresh, "10 0F 00 04 'MQTT' 05 02 00 00 02 19 02 00 00", "Request-Response-Information is 2")
	protocol(fresh, "10 11 00 04 'MQTT' 05 02 00 00 04 16 00 01 01 00 00", "Authentication-Data without Authentication-Method")
	protocol(client5, "20 05 00 00 02 24 02", "Maximum-QoS is 2")

	// PUBACK, PUBREC, PUBREL, PUBCOMP
	short(v3, "40 01 00", "PUBACK ends inside its packet id")
	row(v3, "50 02 00 00", MalformedPacket, "bad_packet_id", "PUBREC: packet id is 0")
	row(v31, "62 02 00 00", MalformedPacket, "bad_packet_id", "PUBREL: packet id is 0")
	bad(v3, "62 03 00 01 00", "PUBREL: length exceeds its fields by 1")
	bad(v5, "70 05 00 01 00 00 FF", "PUBCOMP: length exceeds its fields by 1")
	short(v5, "40 04 00 01 00 03", "PUBACK ends inside its properties")
	short(v5, "40 06 00 01 00 02 24 01", "PUBACK may not carry Maximum-QoS")

	// SUBSCRIBE, SUBACK
	protocol(v3, "82 02 00 01", "SUBSCRIBE without a topic filter")
	protocol(v5, "82 03 00 01 00", "SUBSCRIBE without a topic filter")
	row(v3, "82 06 00 00 00 01 'a' 00", MalformedPacket, "bad_packet_id", "SUBSCRIBE: packet id is 0")
	row(v3, "82 06 00 01 00 01 'a' 03", MalformedPacket, "bad_subqos", "SUBSCRIBE: QoS is 3")
	row(v31, "82 06 00 01 00 01 'a' 03", MalformedPacket, "bad_subqos", "SUBSCRIBE: QoS is 3")
	row(v5, "82 07 00 01 00 00 01 'a' 03", MalformedPacket, "bad_subqos", "SUBSCRIBE: QoS is 3")
	protocol(v5, "82 07 00 01 00 00 01 'a' 30", "retain handling is 3")
	bad(v5, "82 07 00 01 00 00 01 'a' 40", "reserved bits of the options 01000000")
	bad(v3, "82 06 00 01 00 01 'a' 04", "reserved bits of the options 00000100")
	short(v3, "82 05 00 01 00 01 'a'", "subscription options")
	short(v3, "82 03 00 01 00", "topic filter")
	protocol(v5, "82 0B 00 01 04 0B 01 0B 02 00 01 'a' 00", "SUBSCRIBE carries Subscription-Identifier twice")
	protocol(v5, "82 09 00 01 02 0B 00 00 01 'a' 00", "Subscription-Identifier is 0")
	short(client3, "90 02 00 01", "SUBACK ends before its first reason code")
	protocol(client3, "90 05 00 01 00 87 83", "return code is 0x87, expected 0 to 2 or 0x80")
	row(client3, "90 03 00 00 00", MalformedPacket, "bad_packet_id", "SUBACK: packet id is 0")

	// UNSUBSCRIBE, UNSUBACK
	protocol(v3, "A2 02 00 01", "UNSUBSCRIBE without a topic filter")
	row(v5, "A2 06 00 00 00 00 01 'a'", MalformedPacket, "bad_packet_id", "UNSUBSCRIBE: packet id is 0")
	short(v3, "A2 05 00 01 00 02 'a'", "topic filter")
	short(v5, "A2 08 00 01 02 0B 01 00 01 'a'", "UNSUBSCRIBE may not carry Subscription-Identifier")
	bad(client3, "B0 03 00 01 00", "UNSUBACK: length exceeds its fields by 1")
	short(client5, "B0 03 00 01 00", "UNSUBACK ends before its first reason code")

	// PINGREQ, PINGRESP, DISCONNECT, AUTH
	bad(v3, "C0 01 00", "PINGREQ: length exceeds its fields by 1")
	bad(client3, "D0 01 00", "PINGRESP: length exceeds its fields by 1")
	bad(v3, "E0 01 00", "DISCONNECT: length exceeds its fields by 1")
	bad(v5, "E0 03 00 00 00", "DISCONNECT: length exceeds its fields by 1")
	protocol(v5, "E0 06 9D 04 1C 00 01 's'", "a client may not send Server-Reference")
	protocol(client5, "E0 07 00 05 11 00 00 00 00", "a server may not send Session-Expiry-Interval")
	protocol(v5, "F0 01 80", "AUTH: reason code is 0x80")
	protocol(v5, "F0 06 18 04 16 00 01 01", "Authentication-Data without Authentication-Method")
}

// TestText pins what no string may hold, and what only strict streams refuse.
func TestText(t *testing.T) {
	publish := func(s Stream, topic string) error {
		_, _, err := new(Decoder).Next(&s, Append(nil, &Publish{Topic: topic}, V311))
		return err
	}
	refused := func(topic string, strict bool) {
		t.Helper()
		err := publish(Stream{Version: V311, Strict: strict}, topic)
		var e *Error
		if !errors.As(err, &e) || e.Code != MalformedPacket || e.Word != "utf8_string_invalid" || !strings.Contains(e.Msg, "topic name") {
			t.Errorf("%q, strict %t: got %v", topic, strict, err)
		}
	}
	taken := func(topic string, strict bool) {
		t.Helper()
		if err := publish(Stream{Version: V311, Strict: strict}, topic); err != nil {
			t.Errorf("%q, strict %t: got %v", topic, strict, err)
		}
	}
	always := []bool{false, true}
	for _, strict := range always {
		refused("a\x00b", strict)            // [MQTT-1.5.4-2]
		refused("\xED\xA0\x80", strict)      // a surrogate [MQTT-1.5.4-1]
		refused("\xC0\x80", strict)          // overlong
		refused("\xFF", strict)              // no such byte
		refused("a\xE2\x82", strict)         // cut short
		refused("\xF4\x90\x80\x80", strict)  // beyond U+10FFFF
		taken("a/ä/€/😀", strict)             //
		taken("\uFEFFa", strict)             // not a mark to be stripped [MQTT-1.5.4-3]
		taken("\u0020~\u00A0\uFFFD", strict) // beside what is discouraged
	}
	for _, c := range []rune{0x01, 0x1F, 0x7F, 0x9F, 0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF} {
		taken("a/"+string(c), false)
		refused("a/"+string(c), true)
	}
}

// TestTextEverywhere: each string of each packet is checked.
func TestTextEverywhere(t *testing.T) {
	row := func(s Stream, text, field string) {
		t.Helper()
		_, _, err := decode(t, &s, text)
		var e *Error
		if !errors.As(err, &e) || e.Word != "utf8_string_invalid" || !strings.Contains(e.Msg, field) {
			t.Errorf("%s: got %v, want %s to be refused", text, err, field)
		}
	}
	v3, v5 := Stream{Version: V311}, Stream{Version: V5}
	row(Stream{}, "10 0D 00 04 'MQTT' 04 02 00 00 00 01 FF", "client id")
	row(Stream{}, "10 11 00 04 'MQTT' 04 04 00 00 00 00 00 01 FF 00 00", "will topic")
	row(Stream{}, "10 0F 00 04 'MQTT' 04 80 00 00 00 00 00 01 FF", "user name")
	row(v3, "82 06 00 01 00 01 FF 00", "topic filter")
	row(v3, "A2 05 00 01 00 01 00", "topic filter")
	row(v5, "30 08 00 01 'a' 04 03 00 01 FF", "Content-Type")
	row(v5, "30 0B 00 01 'a' 07 26 00 01 FF 00 01 'v'", "User-Property")
	row(v5, "30 0B 00 01 'a' 07 26 00 01 'k' 00 01 00", "User-Property")
}

// TestTolerated pins what is let through although some standard frowns on it.
func TestTolerated(t *testing.T) {
	row := func(s Stream, text string, want Packet) {
		t.Helper()
		got, _, err := decode(t, &s, text)
		if err != nil || !same(got, want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	name := "u"
	v31, v3, v5 := Stream{Version: V31}, Stream{Version: V311}, Stream{Version: V5}
	// 3.1 leaves the header flags open, and repeats SUBSCRIBE and PUBREL with DUP.
	row(v31, "8A 06 00 01 00 01 'a' 01", &Subscribe{PacketID: 1, Filters: []SubscribeFilter{{"a", SubscribeOptions{QoS: 1}}}})
	row(v31, "6A 02 00 01", &Ack{Kind: TypePubrel, PacketID: 1})
	row(v31, "38 03 00 01 'a'", &Publish{Topic: "a"})
	row(v31, "82 06 00 01 00 01 'a' FD", &Subscribe{PacketID: 1, Filters: []SubscribeFilter{{"a", SubscribeOptions{QoS: 1}}}})
	row(Stream{Version: V31, Client: true}, "20 02 01 00", &Connack{})
	// Its flags may promise what is not there, and the will's count only with a will.
	row(Stream{}, "10 0E 00 06 'MQIsdp' 03 C0 00 00 00 00", &Connect{Version: V31})
	row(Stream{}, "10 11 00 06 'MQIsdp' 03 C0 00 00 00 00 00 01 'u'", &Connect{Version: V31, Username: &name})
	row(Stream{}, "10 0E 00 06 'MQIsdp' 03 39 00 00 00 00", &Connect{Version: V31})
	// Lengths that are longer than need be, before version 5.
	row(v3, "C0 80 00", &Pingreq{})
	// Codes that the standard gives to other packets, unless strict.
	row(v5, "40 03 00 01 95", &Ack{Kind: TypePuback, PacketID: 1, Code: PacketTooLarge})
	row(v5, "E0 01 8A", &Disconnect{Code: Banned})
	// Longer forms than need be.
	row(v5, "40 03 00 01 00", &Ack{Kind: TypePuback, PacketID: 1})
	row(v5, "40 04 00 01 00 00", &Ack{Kind: TypePuback, PacketID: 1})
	row(v5, "E0 02 00 00", &Disconnect{})
}

func TestStrictReasonCodes(t *testing.T) {
	row := func(client bool, text string, ok bool) {
		t.Helper()
		s := Stream{Version: V5, Strict: true, Client: client}
		_, _, err := decode(t, &s, text)
		if ok != (err == nil) || !ok && !errors.Is(err, ProtocolError) {
			t.Errorf("%s: got %v, want it taken: %t", text, err, ok)
		}
	}
	row(false, "40 03 00 01 10", true)
	row(false, "40 03 00 01 92", false)
	row(false, "62 03 00 01 92", true)
	row(false, "62 03 00 01 10", false)
	row(false, "E0 01 04", true)
	row(false, "E0 01 8A", false)
	row(false, "E0 01 A3", false)
	row(true, "90 04 00 01 00 02", true)
	row(true, "90 04 00 01 00 11", false)
	row(true, "B0 04 00 01 00 11", true)
	row(true, "B0 04 00 01 00 01", false)
}

// TestErrorInVersion: what is wrong with a CONNECT can be answered in the
// version that it asked for.
func TestErrorInVersion(t *testing.T) {
	var s Stream
	if _, _, err := decode(t, &s, "10 0D 00 04 'MQTT' 05 01 00 00 00 00 00"); err == nil || s.Version != V5 {
		t.Errorf("got version %d, %v, want 5 and an error", s.Version, err)
	}
	s = Stream{Version: V311}
	if _, _, err := decode(t, &s, "10 0D 00 04 'MQTT' 05 00 00 00 00 00 00"); err != nil || s.Version != V311 {
		t.Errorf("a second CONNECT made the version %d, %v, want 4 to stay", s.Version, err)
	}
}
