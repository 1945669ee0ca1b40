package mqtttest

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestEncode pins the bytes of one packet of each kind, taken from the tables of the standards by hand.
func TestEncode(t *testing.T) {
	is := func(version int, text, want string) {
		t.Helper()
		p, err := parsePacket(text)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := encode(p, version)
		if err != nil {
			t.Errorf("v%d %s: %v", version, text, err)
		}
		if got := hex.EncodeToString(raw); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("v%d %s:\n got %s\nwant %s", version, text, got, want)
		}
	}
	is(3, "CONNECT id=a clean=1 keepalive=10", "10 0f 0006 4d5149736470 03 02 000a 0001 61")
	is(4, "CONNECT id=a clean=1 keepalive=10", "10 0d 0004 4d515454 04 02 000a 0001 61")
	is(5, "CONNECT id=a clean=1 keepalive=10", "10 0e 0004 4d515454 05 02 000a 00 0001 61")
	is(4, "CONNECT id=a bridge=1", "10 0d 0004 4d515454 84 00 0000 0001 61")
	is(4, "CONNECT id=a user=u pass=p will{topic=w payload=x qos=1 retain=1}",
		"10 19 0004 4d515454 04 ec 0000 0001 61 0001 77 0001 78 0001 75 0001 70")
	is(5, "CONNECT id=a props{receive-max=5} will{topic=w props{will-delay=2}}",
		"10 1c 0004 4d515454 05 04 0000 03 21 0005 0001 61 05 18 00000002 0001 77 0000")
	is(4, "CONNACK present=1 code=2", "20 02 01 02")
	is(5, "CONNACK code=0x85 props{reason=no}", "20 08 00 85 05 1f 0002 6e6f")
	is(4, "PUBLISH topic=a/b payload=x", "30 06 0003 612f62 78")
	is(5, "PUBLISH retain dup topic=a qos=2 id=258 payload=x props{alias=3}", "3d 0a 0001 61 0102 03 23 0003 78")
	is(5, "PUBACK id=1", "40 02 0001")
	is(5, "PUBACK id=1 code=0x10", "40 03 0001 10")
	is(5, "PUBREL id=1 props{user=a:b}", "62 0b 0001 00 07 26 0001 61 0001 62")
	is(4, "PUBREC id=1 code=0x10", "50 02 0001")
	is(4, "SUBSCRIBE id=10 sub=a/b,1 sub=c,2", "82 0c 000a 0003 612f62 01 0001 63 02")
	is(5, "SUBSCRIBE id=10 sub=a,1,nl,rap,rh=2 props{sub-id=321}", "82 0a 000a 03 0b c102 0001 61 2d")
	is(5, "SUBSCRIBE id=1 sub=a,opts=0xff", "82 07 0001 00 0001 61 ff")
	is(4, "SUBACK id=1 codes=0,0x80", "90 04 0001 00 80")
	is(5, "UNSUBSCRIBE id=1 unsub=a", "a2 06 0001 00 0001 61")
	is(5, "UNSUBACK id=1 codes=0x11", "b0 04 0001 00 11")
	is(4, "UNSUBACK id=1", "b0 02 0001")
	is(5, "PINGREQ", "c0 00")
	is(5, "DISCONNECT", "e0 00")
	is(5, "DISCONNECT code=0x04", "e0 01 04")
	is(5, "DISCONNECT props{session-expiry=1}", "e0 07 00 05 11 00000001")
	is(4, "DISCONNECT code=0x04", "e0 00")
	is(5, "AUTH code=0x18 props{auth-method=M auth-data=hex(00ff)}", "f0 0b 18 09 15 0001 4d 16 0002 00ff")
	is(4, "PUBLISH topic=a payload=rep(x,125)", "30 8001 0001 61 "+strings.Repeat("78", 125))
}

func TestEncodeRefuses(t *testing.T) {
	refuses := func(version int, text, want string) {
		t.Helper()
		p, err := parsePacket(text)
		if err == nil {
			_, err = encode(p, version)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	refuses(5, "HELLO", "unknown packet")
	refuses(4, "PUBLISH topic=a props{alias=1}", "has no properties")
	refuses(5, "SUBSCRIBE id=1 sub=a,loud", "no subscription option")
	refuses(5, "CONNECT will{topic=w props{delay=1}}", "unknown property")
	refuses(5, "PUBLISH topic=rep(x,65536)", "does not fit")
}

// TestCodecsAgree reads what this package writes with the project's codec and has it write that again: two codecs made
// apart must give the same bytes.
func TestCodecsAgree(t *testing.T) {
	agree := func(version int, client bool, text string) {
		t.Helper()
		p, err := parsePacket(text)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := encode(p, version)
		if err != nil {
			t.Fatal(err)
		}
		stream := mqtt.Stream{Version: mqtt.Version(version), Client: client}
		if p.kind == "CONNECT" {
			stream.Version = 0
		}
		var d mqtt.Decoder
		packet, n, err := d.Next(&stream, raw)
		if err != nil || n != len(raw) {
			t.Errorf("v%d %s: the project's codec takes %d of %d bytes: %v", version, text, n, len(raw), err)
			return
		}
		if again := mqtt.Append(nil, packet, mqtt.Version(version)); !bytes.Equal(again, raw) {
			t.Errorf("v%d %s:\nthis package  %x\nthe project's %x", version, text, raw, again)
		}
	}
	const fromClient, fromServer = false, true
	for _, v := range []int{3, 4, 5} {
		agree(v, fromClient, "CONNECT id=a clean=1 keepalive=10 user=u pass=p will{topic=w payload=x qos=1 retain=1}")
		agree(v, fromServer, "CONNACK")
		agree(v, fromClient, "PUBLISH dup topic=a/b qos=1 id=7 retain payload=x")
		agree(v, fromClient, "SUBSCRIBE id=10 sub=a/b,1 sub=c,2")
		agree(v, fromServer, "SUBACK id=10 codes=1,0x80")
		agree(v, fromClient, "UNSUBSCRIBE id=10 unsub=a unsub=b")
		agree(v, fromClient, "PINGREQ")
		agree(v, fromClient, "DISCONNECT")
		for _, kind := range []string{"PUBACK", "PUBREC", "PUBREL", "PUBCOMP"} {
			agree(v, fromServer, kind+" id=65535")
		}
	}
	// The project's codec writes properties in the order of their identifiers; here they are written so too.
	agree(5, fromClient, "CONNECT id=a props{session-expiry=1 auth-method=m auth-data=d request-problem=0 request-response=1 receive-max=2 alias-max=3 user=k:v max-packet=4}")
	agree(5, fromClient, "CONNECT id=a will{topic=w props{payload-format=1 message-expiry=2 content-type=c response-topic=r correlation=x will-delay=3 user=k:v}}")
	agree(5, fromServer, "CONNACK props{session-expiry=1 assigned-id=i server-keepalive=2 response-info=r server-reference=s reason=w receive-max=3 alias-max=4 max-qos=1 retain-available=0 user=k:v max-packet=5 wildcard-available=0 subid-available=0 shared-available=0}")
	agree(5, fromServer, "PUBLISH topic=t payload=x props{payload-format=1 message-expiry=2 content-type=c response-topic=r correlation=x sub-id=1 sub-id=268435455 alias=9 user=k:v user=k:v}")
	agree(5, fromClient, "SUBSCRIBE id=1 sub=a,2,nl,rap,rh=1 props{sub-id=128 user=k:v}")
	agree(5, fromServer, "PUBREC id=1 code=0x97 props{reason=no}")
	agree(5, fromServer, "UNSUBACK id=1 codes=0,0x11 props{reason=no}")
	agree(5, fromServer, "DISCONNECT code=0x9d props{server-reference=s reason=no}")
	agree(5, fromClient, "AUTH code=0x18 props{auth-method=m auth-data=d}")
}
