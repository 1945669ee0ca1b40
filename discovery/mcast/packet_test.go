package mcast

import (
	"errors"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/discovery"
)

var cookie = []byte("emqxsecretcookie")

func sample(kind byte) packet {
	return packet{kind, nonce{1, 2, 3}, "emqxcl", "emqx@10.0.0.1"}
}

func TestPacket(t *testing.T) {
	long := strings.Repeat("n", discovery.MaxName)
	for _, p := range []packet{sample(ping), sample(pong), {kind: ping}, {pong, nonce{0xFF}, long, long}} {
		b := p.seal(cookie)
		if got, err := open(b, cookie); err != nil || got != p {
			t.Errorf("%+v was read as %+v, %v", p, got, err)
		}
		if len(b) > longest {
			t.Errorf("%d bytes, more than %d", len(b), longest)
		}
	}
	if ping, pong := sample(ping).seal(cookie), sample(pong).seal(cookie); len(ping) != len(pong) {
		t.Errorf("a ping of %d bytes is answered with %d", len(ping), len(pong))
	}
	if b := sample(ping).seal(cookie); strings.Contains(string(b), string(cookie)) {
		t.Error("the packet shows the cookie")
	}
}

// TestForged: no byte can be changed, added or left out by who doesn't know
// the cookie.
func TestForged(t *testing.T) {
	sealed := sample(pong).seal(cookie)
	refuse := func(what string, b, cookie []byte, want error) {
		t.Helper()
		if p, err := open(b, cookie); !errors.Is(err, want) {
			t.Errorf("%s: read as %+v, %v", what, p, err)
		}
	}
	for i := range sealed {
		b := append([]byte(nil), sealed...)
		b[i] ^= 0x40
		want := errCookie
		if i < len(magic) {
			want = errForeign
		}
		refuse("a changed byte", b, cookie, want)
	}
	for i := range sealed {
		if _, err := open(sealed[:i], cookie); err == nil {
			t.Errorf("the first %d bytes are taken", i)
		}
	}
	refuse("a byte more", append(sealed, 0), cookie, errCookie)
	refuse("another cookie", sealed, []byte("emqxsecretcookiE"), errCookie)
	refuse("no cookie", sealed, nil, errCookie)
	refuse("nothing", nil, cookie, errForeign)
	refuse("a ping of EMQ X", []byte("\x83h\x05d\x00\x04pingd\x00\x0eemqx@127.0.0.1d\x00\x06emqxcla\x01 and as much again as any mac has"), cookie, errForeign)
}

// TestMalformed: who knows the cookie may still be of another version.
func TestMalformed(t *testing.T) {
	whole := sample(ping).seal(cookie)
	body := whole[len(magic) : len(whole)-32]
	for i := range body {
		if p, err := parse(body[:i]); !errors.Is(err, errForeign) {
			t.Errorf("the first %d bytes are read as %+v, %v", i, p, err)
		}
	}
	for _, b := range [][]byte{append(body[:len(body):len(body)], 0), append([]byte{3}, body[1:]...), append([]byte{0}, body[1:]...)} {
		if p, err := parse(b); !errors.Is(err, errForeign) {
			t.Errorf("%q is read as %+v, %v", b, p, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parse(b)
		if err != nil {
			if p != (packet{}) {
				t.Errorf("an error, and %+v", p)
			}
			return
		}
		sealed := p.seal(cookie)
		if got := sealed[len(magic) : len(sealed)-32]; string(got) != string(b) {
			t.Errorf("%q is written %q", b, got)
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := open(b, cookie); err == nil && string(p.seal(cookie)) != string(b) {
			t.Errorf("%q is taken as %+v", b, p)
		}
	})
}
