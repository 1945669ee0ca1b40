package mqtttest

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

func decodeHex(t testing.TB, version int, text string) (packet, error) {
	t.Helper()
	raw, err := parseRaw(text)
	if err != nil {
		t.Fatal(err)
	}
	f, err := readFrame(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return packet{}, err
	}
	return decode(f, version)
}

// TestDecode reads packets of a server and shows them the way scenarios write them.
func TestDecode(t *testing.T) {
	is := func(version int, raw, want string) {
		t.Helper()
		p, err := decodeHex(t, version, raw)
		if err != nil || p.String() != want {
			t.Errorf("v%d %s: got %s (%v), want %s", version, raw, p, err, want)
		}
	}
	is(4, "20 02 01 00", "CONNACK present=1")
	is(5, "20 [ 00 85 00 ]", "CONNACK code=0x85")
	is(5, `20 [ 00 00 [ 21 0005 12 <"id"> 29 01 ] ]`, "CONNACK props{receive-max=5 assigned-id=id subid-available=1}")
	is(4, `30 [ <"a"> "hi" ]`, "PUBLISH topic=a payload=hi")
	is(5, `3b [ <"a"> 0007 [ 02 0000000a 26 <"k"> <"v"> 0b c102 ] ]`, "PUBLISH dup=1 qos=1 retain=1 topic=a id=7 props{message-expiry=10 user=k:v sub-id=321}")
	is(5, "40 [ 0001 ]", "PUBACK id=1")
	is(5, "40 [ 0001 10 ]", "PUBACK id=1 code=0x10")
	is(5, `50 [ 0001 80 [ 1f <"no"> ] ]`, "PUBREC id=1 code=0x80 props{reason=no}")
	is(5, "62 [ 0001 92 00 ]", "PUBREL id=1 code=0x92")
	is(4, "90 [ 0001 00 80 ]", "SUBACK id=1 codes=0,128")
	is(4, "b0 [ 0001 ]", "UNSUBACK id=1")
	is(5, "b0 [ 0001 00 11 ]", "UNSUBACK id=1 codes=17")
	is(5, "d0 00", "PINGRESP")
	is(5, "e0 [ 8e ]", "DISCONNECT code=0x8e")
	is(5, `f0 [ 18 [ 15 <"M"> 16 <00ff> ] ]`, `AUTH code=0x18 props{auth-method=M auth-data="\x00\xff"}`)
}

// TestDecodeRefuses lists what no server may send.
func TestDecodeRefuses(t *testing.T) {
	refuses := func(version int, raw, want string) {
		t.Helper()
		p, err := decodeHex(t, version, raw)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("v%d %s: got %s (%v), want %q", version, raw, p, err, want)
		}
	}
	refuses(4, "21 02 00 00", "reserved flags")
	refuses(5, "60 [ 0001 ]", "reserved flags")
	refuses(5, "20 [ 02 00 00 ]", "CONNACK flags")
	refuses(4, "20 [ 00 06 ]", "return code 6")
	refuses(5, "20 [ 00 01 00 ]", "not for CONNACK")
	refuses(5, "20 [ 00 00 ]", "variable byte integer")
	refuses(4, "20 [ 00 00 00 ]", "left over")
	refuses(4, "20 [ 00 ]", "missing at the end")
	refuses(5, "20 [ 00 00 [ 23 0001 ] ]", "property 0x23")
	refuses(5, "20 [ 00 00 [ 7f 0001 ] ]", "property 0x7f")
	refuses(5, "20 [ 00 00 [ 21 0001 21 0001 ] ]", "comes twice")
	refuses(5, "20 [ 00 00 [ 21 00 ] ]", "properties: 1 bytes")
	refuses(5, "20 [ 00 00 8000 ]", "longer than needed")
	refuses(4, `36 [ <"a"> 0001 ]`, "QoS 3")
	refuses(4, "30 [ <> ]", "no topic")
	refuses(4, "30 [ <ff> ]", "no MQTT string")
	refuses(4, "30 [ <00> ]", "no MQTT string")
	refuses(4, "30 [ <eda080> ]", "no MQTT string")
	refuses(4, `32 [ <"a"> 0000 ]`, "packet identifier 0")
	refuses(5, "40 [ 0001 92 ]", "not for PUBACK")
	refuses(5, "70 [ 0001 10 ]", "not for PUBCOMP")
	refuses(4, "90 [ 0001 03 ]", "return code 0x03")
	refuses(5, "90 [ 0001 00 11 ]", "not for SUBACK")
	refuses(5, "90 [ 0001 00 ]", "without a code")
	refuses(5, "e0 [ 04 ]", "not for DISCONNECT")
	refuses(5, "e0 [ 8b [ 11 00000000 ] ]", "property 0x11")
	refuses(4, "e0 00", "before version 5")
	refuses(5, "f0 [ 01 ]", "not for AUTH")
	refuses(5, "c0 00", "may not send")
	refuses(5, "00 00", "may not send")
	refuses(5, "d0 01 00", "left over")
	refuses(5, "d0 80 00", "longer than needed")
	refuses(5, "d0 ff ff ff ff 01", "more than four bytes")
	refuses(5, "d0 05 00", "cut short")
	refuses(5, "d0", "remaining length")
}

func TestReadFrameEnds(t *testing.T) {
	if _, err := readFrame(bufio.NewReader(strings.NewReader(""))); err != io.EOF {
		t.Errorf("at the end: got %v, want io.EOF", err)
	}
	r := bufio.NewReader(bytes.NewReader([]byte{0xd0, 0, 0x40, 2, 0, 1}))
	if f, err := readFrame(r); err != nil || f.size != 2 {
		t.Errorf("first: %+v, %v", f, err)
	}
	if f, err := readFrame(r); err != nil || f.size != 4 || len(f.body) != 2 {
		t.Errorf("second: %+v, %v", f, err)
	}
}

// FuzzDecode: no bytes make the decoder panic, and what it accepts it can show.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"20 02 01 00", `20 [ 00 00 [ 21 0005 12 <"id"> ] ]`, `3b [ <"a"> 0007 [ 02 0000000a 26 <"k"> <"v"> ] "x" ]`,
		"40 [ 0001 10 ]", "90 [ 0001 00 80 ]", "b0 [ 0001 00 11 ]", "e0 [ 8e ]", `f0 [ 18 [ 15 <"M"> ] ]`} {
		raw, err := parseRaw(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, byte(5))
		f.Add(raw, byte(4))
	}
	f.Fuzz(func(t *testing.T, raw []byte, version byte) {
		if len(raw) > 4 {
			raw = append(raw[:1:1], append(varint(len(raw)-1), raw[1:]...)...) // a length that fits reaches deeper
		}
		frame, err := readFrame(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		if p, err := decode(frame, int(3+version%3)); err == nil && p.String() == "" {
			t.Error("a packet without a name")
		}
	})
}
