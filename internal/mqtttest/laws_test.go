package mqtttest

import (
	"strings"
	"testing"
)

// TestLaws plays packets past the laws: > is the client's, < the server's with a size of 10 bytes.
func TestLaws(t *testing.T) {
	play := func(lines ...string) string {
		t.Helper()
		l := newLaws()
		for _, line := range lines {
			p, err := parsePacket(line[1:])
			if err != nil {
				t.Fatal(err)
			}
			if line[0] == '>' {
				l.sent(p)
			} else if err := l.received(&p, 10); err != nil {
				return err.Error()
			}
		}
		return ""
	}
	keeps := func(lines ...string) {
		t.Helper()
		if got := play(lines...); got != "" {
			t.Errorf("%q: %s", lines, got)
		}
	}
	breaks := func(want string, lines ...string) {
		t.Helper()
		if got := play(lines...); !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", lines, got, want)
		}
	}
	const open, ok = ">CONNECT", "<CONNACK"
	keeps(open, "<AUTH code=0x18", ok, "<PINGRESP", "<DISCONNECT code=0x8b")
	breaks("before CONNACK", open, "<PINGRESP")
	breaks("before CONNACK", open, "<DISCONNECT code=0x81")
	breaks("second CONNACK", open, ok, ok)
	breaks("before CONNACK", open, "<CONNACK code=0x87", "<DISCONNECT code=0x87")
	breaks("although refused", open, "<CONNACK code=0x87 present=1")
	breaks("after DISCONNECT", open, ok, "<DISCONNECT code=0x8b", "<PINGRESP")

	keeps(">CONNECT props{max-packet=10}", ok)
	breaks("takes 9", ">CONNECT props{max-packet=9}", ok)

	keeps(">CONNECT props{request-problem=0}", ok, "<PUBLISH topic=a props{user=a:b}", "<DISCONNECT code=0x8b props{reason=x}")
	breaks("problem information", ">CONNECT props{request-problem=0}", ok, "<PUBACK id=1 props{reason=x}")
	keeps(open, ok, "<PUBACK id=1 props{reason=x}")

	keeps(">CONNECT props{alias-max=2}", ok, "<PUBLISH topic=a props{alias=2}", "<PUBLISH props{alias=2}")
	breaks("takes up to 0", open, ok, "<PUBLISH topic=a props{alias=1}")
	breaks("takes up to 2", ">CONNECT props{alias-max=2}", ok, "<PUBLISH topic=a props{alias=3}")
	breaks("takes up to 2", ">CONNECT props{alias-max=2}", ok, "<PUBLISH topic=a props{alias=0}")
	breaks("never set", ">CONNECT props{alias-max=2}", ok, "<PUBLISH props{alias=1}")
	breaks("neither topic nor alias", open, ok, "<PUBLISH payload=x")

	const one = ">CONNECT props{receive-max=1}"
	keeps(one, ok, "<PUBLISH topic=a qos=1 id=1", ">PUBACK id=1", "<PUBLISH topic=a qos=1 id=1")
	keeps(one, ok, "<PUBLISH topic=a qos=2 id=1", ">PUBREC id=1", ">PUBCOMP id=1", "<PUBLISH topic=a qos=1 id=2")
	keeps(one, ok, "<PUBLISH topic=a qos=2 id=1", ">PUBREC id=1 code=0x80", "<PUBLISH topic=a qos=1 id=2")
	keeps(one, ok, "<PUBLISH topic=a qos=1 id=1", "<PUBLISH topic=a", "<PUBLISH dup topic=a qos=1 id=1")
	breaks("takes 1", one, ok, "<PUBLISH topic=a qos=1 id=1", "<PUBLISH topic=a qos=1 id=2")
	breaks("takes 1", one, ok, "<PUBLISH topic=a qos=2 id=1", ">PUBREC id=1", "<PUBLISH topic=a qos=1 id=2")
	breaks("is in use", open, ok, "<PUBLISH topic=a qos=1 id=1", "<PUBLISH topic=a qos=1 id=1")
	breaks("QoS 0 with DUP", open, ok, "<PUBLISH dup topic=a")

	keeps(open, ok, ">SUBSCRIBE id=3 sub=a,0", "<SUBACK id=3 codes=0")
	breaks("no SUBSCRIBE used", open, ok, ">SUBSCRIBE id=3 sub=a,0", "<SUBACK id=4 codes=0")
	breaks("no UNSUBSCRIBE used", open, ok, ">SUBSCRIBE id=3 sub=a,0", "<UNSUBACK id=3 codes=0")
}
