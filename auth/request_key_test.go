package auth

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/dunlin-mq/dunlin/hook"
)

func sample() *Request {
	return &Request{
		Client: &Client{
			ClientID: "c", Username: "u", Peer: netip.MustParseAddrPort("10.0.0.1:99"),
			Listener: &hook.ListenerInfo{Name: "external"}, Cert: &hook.CertInfo{CommonName: "cn"},
		},
		Password: []byte("p"), Topic: "t",
	}
}

// TestRequestKeyCoversEverything changes each field there is: one that is added
// to the client and forgotten here would have strangers share an answer.
func TestRequestKeyCoversEverything(t *testing.T) {
	d := newDigester()
	base, _ := d.of(false, sample())
	seen := map[requestKey]string{base: "nothing changed"}
	differs := func(what string, r *Request) {
		t.Helper()
		key, ok := d.of(false, r)
		if other, there := seen[key]; there || !ok {
			t.Errorf("%s: the same key as with %s", what, other)
		}
		seen[key] = what
	}
	each := func(what string, at func(*Request) reflect.Value) {
		for i := range at(sample()).NumField() {
			r := sample()
			f := at(r).Field(i)
			name := at(r).Type().Field(i).Name
			switch v := f.Addr().Interface().(type) {
			case *netip.AddrPort:
				*v = netip.MustParseAddrPort("10.0.0.2:99")
			case *any: // Rights, see below
				continue
			default:
				change(t, what+"."+name, f)
			}
			differs(what+"."+name, r)
		}
	}
	each("client", func(r *Request) reflect.Value { return reflect.ValueOf(r.Client).Elem() })
	each("listener", func(r *Request) reflect.Value { return reflect.ValueOf(r.Client.Listener).Elem() })
	each("cert", func(r *Request) reflect.Value { return reflect.ValueOf(r.Client.Cert).Elem() })
	each("request", func(r *Request) reflect.Value {
		type visible struct { // Client is covered above
			Password *[]byte
			Action   *Action
			Topic    *string
		}
		return reflect.ValueOf(&visible{&r.Password, &r.Action, &r.Topic}).Elem()
	})
	if acl, _ := d.of(true, sample()); seen[acl] != "" {
		t.Error("an ACL check has the key of a CONNECT")
	}
}

func change(t *testing.T, what string, f reflect.Value) {
	t.Helper()
	switch f.Kind() {
	case reflect.String:
		f.SetString(f.String() + "x")
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Uint8:
		f.SetUint(f.Uint() + 1)
	case reflect.Int64:
		f.SetInt(f.Int() + 1)
	case reflect.Slice:
		f.SetBytes(nil)
	case reflect.Pointer:
		if f.Type().Elem().Kind() == reflect.Struct {
			f.SetZero()
		} else {
			change(t, what, f.Elem())
		}
	default:
		t.Fatalf("%s is new: have digester.of cover it, and say here how it is changed", what)
	}
}

func TestRequestKeyIgnoresThePort(t *testing.T) {
	d := newDigester()
	a, _ := d.of(false, sample())
	again := sample()
	again.Client.Peer = netip.MustParseAddrPort("10.0.0.1:100")
	if b, _ := d.of(false, again); a != b {
		t.Error("a client that comes again is a stranger")
	}
}

func TestRequestKeyKeepsFieldsApart(t *testing.T) {
	d := newDigester()
	a, b := sample(), sample()
	a.Client.ClientID, a.Client.Username = "ab", "c"
	b.Client.ClientID, b.Client.Username = "a", "bc"
	x, _ := d.of(false, a)
	y, _ := d.of(false, b)
	if x == y {
		t.Error("ab+c is a+bc")
	}
	b.Password = []byte{}
	y, _ = d.of(false, b)
	b.Password = nil
	if x, _ = d.of(false, b); x == y {
		t.Error("no password is an empty one")
	}
}

func TestRequestKeyIsSecret(t *testing.T) {
	a, _ := newDigester().of(false, sample())
	b, _ := newDigester().of(false, sample())
	if a == b {
		t.Error("another process has the same key")
	}
}

func TestNoRequestKeyWithRights(t *testing.T) {
	r := sample()
	r.Client.Rights = 1
	if _, ok := newDigester().of(true, r); ok {
		t.Error("there is one")
	}
}
