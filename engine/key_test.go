package engine

import (
	"strings"
	"testing"
)

func TestKeyToken(t *testing.T) {
	token := func(key, want string) {
		t.Helper()
		if got, long := keyToken(key); got != want || long {
			t.Errorf("%q is %q, expected %q", key, got, want)
		}
	}
	token("device-1", "device-1")
	token("site/1/$x", "site/1/$x")
	token("a.b *>%\x00\xff", "a%2Eb%20%2A%3E%25%00%FF")
	a, _ := keyToken(strings.Repeat("x", 300))
	b, long := keyToken(strings.Repeat("x", 301))
	if a == b || !long || !strings.HasPrefix(a, "%=") || len(a) > maxToken {
		t.Error(a, b)
	}
	for _, bad := range []string{"%", "%4", "%zz", "%2e", "%=x"} {
		if key, err := tokenKey(bad); err == nil {
			t.Errorf("%q is the key %q", bad, key)
		}
	}
}

// FuzzKey: what is stored for a key gives the key back, and can stand in a subject.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"a", "a.b", "%", "%=", " ", "\x00", "ä/+/#", strings.Repeat("x", 300), strings.Repeat(".", 90)} {
		f.Add(seed, []byte("v"))
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		token, long := keyToken(key)
		if strings.ContainsAny(token, ". *>\r\n\t\x00") || len(token) > maxToken {
			t.Fatalf("%q: the token %q", key, token)
		}
		c, err := parseKeyed(token, appendKeyed(isValue, key, long, value))
		if err != nil || c.Key != key || string(c.Value) != string(value) || c.Deleted {
			t.Fatalf("%q came back as %+v, %v", key, c, err)
		}
	})
}

func FuzzParseKeyed(f *testing.F) {
	f.Add("token", []byte("vx"))
	f.Add("%=hash", appendKeyed(isDeleted, strings.Repeat("k", 300), true, nil))
	f.Fuzz(func(t *testing.T, token string, data []byte) {
		if c, err := parseKeyed(token, data); err == nil && len(c.Value) > len(data) {
			t.Fatal("a value out of nothing")
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	f.Add(makeEntry("a/b", 1700000000000, []byte("record")))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEntry(data)
		if err == nil && string(makeEntry(e.Topic, e.Time, e.Record)) != string(data) {
			t.Fatalf("%x came back as %+v", data, e)
		}
	})
}
