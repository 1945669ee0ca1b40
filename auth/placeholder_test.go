package auth

import (
	"net/netip"
	"testing"

	"github.com/dunlin-mq/dunlin/hook"
)

func TestPlaceholder(t *testing.T) {
	full := &Request{
		Client: &Client{
			ClientID: "c1", Username: "u1", Mountpoint: "m/", Peer: netip.MustParseAddrPort("[::ffff:10.0.0.1]:99"),
			Listener: &hook.ListenerInfo{Addr: netip.MustParseAddrPort("127.0.0.1:1883")},
			Cert:     &hook.CertInfo{CommonName: "cn", Subject: "CN=cn,O=o"},
		},
		Password: []byte("secret"), Action: Publish, Topic: "t/1",
	}
	stands := func(r *Request, letter byte, want string) {
		t.Helper()
		if got, ok := r.Placeholder(letter); got != want || !ok {
			t.Errorf("%%%c is %q, %v, want %q", letter, got, ok, want)
		}
	}
	stands(full, 'u', "u1")
	stands(full, 'c', "c1")
	stands(full, 'a', "10.0.0.1")
	stands(full, 'P', "secret")
	stands(full, 'C', "cn")
	stands(full, 'd', "CN=cn,O=o")
	stands(full, 'r', "mqtt")
	stands(full, 'p', "1883")
	stands(full, 'l', "1883")
	stands(full, 'A', "2")
	stands(full, 't', "t/1")
	stands(full, 'm', "m/")
	bare := &Request{Client: &Client{}, Action: Subscribe}
	for _, letter := range []byte("ucaPCdpltm") {
		stands(bare, letter, "")
	}
	stands(bare, 'A', "1")
	for _, letter := range []byte("xU%\x00") {
		if got, ok := full.Placeholder(letter); got != "" || ok {
			t.Errorf("%%%c is %q, %v", letter, got, ok)
		}
	}
}
