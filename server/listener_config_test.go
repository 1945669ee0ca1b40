package server

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// bindListeners reads `key = value` lines as keys below `listener`.
func bindListeners(text string) (*Listeners, error) {
	f, err := config.Parse(strings.NewReader(text), "l")
	if err != nil {
		return nil, err
	}
	ls := &Listeners{}
	_, err = config.Bind(ls, f.Settings, nil)
	return ls, err
}

func TestListenerKeys(t *testing.T) {
	f := func(text string, get func(l *Named) any, want any) {
		t.Helper()
		ls, err := bindListeners(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if got := get(&ls.All()[0]); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	f("tcp.a = 1883", func(l *Named) any { return l.Key() + " " + l.Address.String() }, "listener.tcp.a :1883")
	f(`tcp.a\.b = 1883`, func(l *Named) any { return l.Key() }, `listener.tcp.a\.b`)
	f("tcp.a = 1", func(l *Named) any { return l.TLS == nil && l.WS == nil }, true)
	f("ssl.a = 1", func(l *Named) any { return l.TLS != nil && l.WS == nil }, true)
	f("ws.a = 1", func(l *Named) any { return l.TLS == nil && l.WS != nil }, true)
	f("wss.a = 1", func(l *Named) any { return l.TLS != nil && l.WS != nil }, true)
	f("quic.a = 1", func(l *Named) any { return l.TLS != nil && l.WS == nil }, true)
	f("tcp.a = 1", func(l *Named) any { return l.MaxConnections }, 1024000)
	f("wss.a = 1", func(l *Named) any { return l.Backlog }, 1024)
	f("tcp.a = 1\ntcp.a.rate_limit = 1024,4096", func(l *Named) any { return l.RateLimit }, config.Rate{Limit: 1024, Window: time.Second, Burst: 4096})
	f("ssl.a = 1", func(l *Named) any { return l.TLS.ReuseSessions }, true)
	f("ssl.a = 1\nssl.a.tls_versions = tlsv1.3,tlsv1.2", func(l *Named) any { return len(l.TLS.Versions) }, 2)
	f("ws.a = 1", func(l *Named) any { return l.WS.Path }, "/mqtt")
	f("ws.a = 1", func(l *Named) any { return l.WS.FailIfNoSubprotocol }, true)
	f("ws.a = 1\nws.a.verify_protocol_header = off", func(l *Named) any { return l.WS.FailIfNoSubprotocol }, false)
	f("wss.a = 1\nwss.a.fail_if_no_subprotocol = false", func(l *Named) any { return l.WS.FailIfNoSubprotocol }, false)
	f("wss.a = 1\nwss.a.sni.x.certfile = c\nwss.a.sni.x.keyfile = k", func(l *Named) any { return l.TLS.SNI["x"] }, Certificate{"k", "c"})
}

func TestListenersInOrder(t *testing.T) {
	ls, err := bindListeners("quic.q = 1\nws.b = 2\nws.a = 3\nssl.s = 4\ntcp.2 = 5\ntcp.10 = 6\nwss.w = 7\ntcp.gone = off")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range ls.All() {
		got = append(got, l.Kind+"."+l.Name)
	}
	if want := "tcp.2 tcp.10 ssl.s ws.a ws.b wss.w quic.q"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestListenerErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := bindListeners(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	f("tcp.a = x", "l:1: tcp.a: expected an address such as 1883")
	f("tcp.a = 1\ntcp.a.certfile = c", "tcp.a.certfile: unknown key")
	f("ssl.a = 1\nssl.a.mqtt_path = /", "ssl.a.mqtt_path: unknown key")
	f("ssl.a = 1\nssl.a.certfile = c", "l:2: ssl.a.certfile: needs a keyfile as well")
	f("wss.a = 1\nwss.a.keyfile = c", "l:2: wss.a.keyfile: needs a certfile as well")
	f("quic.a = 1\nquic.a.verify = verify_peer", "l:2: quic.a.verify: verify_peer needs a cacertfile")
	f("ssl.a = 1\nssl.a.fail_if_no_peer_cert = true", "ssl.a.fail_if_no_peer_cert: needs verify = verify_peer")
	f("ssl.a = 1\nssl.a.enable_crl_check = true", "ssl.a.enable_crl_check: needs crl_cache_urls")
	f("ssl.a = 1\nssl.a.tls_versions = tlsv1.1,tlsv1", "ssl.a.tls_versions: expected tlsv1.2 or tlsv1.3 among them")
	f("ssl.a = 1\nssl.a.tls_versions = sslv3", "ssl.a.tls_versions: expected one of tlsv1.3, tlsv1.2")
	f(`ssl.a = 1`+"\n"+`ssl.a.sni.b\.c.keyfile = k`, `l:2: ssl.a.sni.b\.c.keyfile: needs a certfile as well`)
	f("ws.a = 1\nws.a.mqtt_path = mqtt", "ws.a.mqtt_path: expected a path that begins with /")
	f("ws.a = 1\nws.a.check_origin_enable = true", "ws.a.check_origin_enable: needs check_origins")
	f("tcp.a = 1\ntcp.a.peer_cert_as_username = sn", "expected one of cn, dn, crt, pem, md5")
	f("tcp.a = 1\ntcp.a.max_connections = 0", "of at least 1")
}

func TestAccessRule(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var r AccessRule
		got := ""
		if err := r.UnmarshalText([]byte(text)); err == nil {
			got = r.String()
		} else if !strings.Contains(err.Error(), "expected allow or deny, then all or a network") {
			t.Errorf("%q: %v", text, err)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	f("allow all", "allow all")
	f("deny  all", "deny all")
	f("allow 192.0.2.0/24", "allow 192.0.2.0/24")
	f("deny 192.0.2.1", "deny 192.0.2.1/32")
	f("deny 2001:db8::/32", "deny 2001:db8::/32")
	f("", "")
	f("allow", "")
	f("permit all", "")
	f("allow none", "")
	f("allow 192.0.2.0/33", "")
}

func TestAccessRules(t *testing.T) {
	ls, err := bindListeners("tcp.a = 1\ntcp.a.access.10 = deny all\ntcp.a.access.9 = allow 192.0.2.0/24\ntcp.a.access.1 = deny 192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	rules := ls.All()[0].Rules()
	f := func(rules AccessRules, addr string, want bool) {
		t.Helper()
		if got := rules.Allow(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
	f(rules, "192.0.2.8", true)
	f(rules, "192.0.2.7", false)
	f(rules, "::ffff:192.0.2.8", true)
	f(rules, "198.51.100.1", false)
	f(nil, "198.51.100.1", true)
	f(AccessRules{{Net: netip.MustParsePrefix("fe80::/10")}}, "fe80::1%eth0", false)
}

// No rule text panics, and what is accepted is written back to the same rule.
func FuzzAccessRule(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		var r, again AccessRule
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%q: read %v, written as %q, read again as %v, %v", text, r, r.String(), again, err)
		}
	})
}
