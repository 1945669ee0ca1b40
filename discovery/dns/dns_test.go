package dns

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enough is more than any answer takes.
const enough = 20 * time.Second

// asking returns a resolver that asks one server only.
func asking(s *peers.Server) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}}
}

func TestDNS(t *testing.T) {
	records := []string{
		"--host-record=nodes.example.org,10.0.0.2", "--host-record=nodes.example.org,10.0.0.1",
		"--host-record=nodes.example.org,fd00::2", "--host-record=six.example.org,fd00::1",
		"--srv-host=_emqx._tcp.example.org,n2.example.org,4370",
		"--srv-host=_emqx._tcp.example.org,n1.example.org,4371,10,20",
		"--srv-host=_emqx._tcp.example.org,n1.example.org,4372",
		"--srv-host=mixed.example.org,n1.example.org,4370", "--srv-host=mixed.example.org,not_a host,4370",
		"--srv-host=none.example.org",
		"--txt-record=text.example.org,hello",
	}
	for i := range 120 { // more than fits into a packet: the answer comes over TCP
		records = append(records, fmt.Sprintf("--host-record=many.example.org,10.0.1.%d", i+1))
	}
	server := peers.DNS(t, records...)
	f := func(typ, name, app, want string) {
		t.Helper()
		c := discovery.DNS{Name: name + ".example.org", App: app, Type: typ}
		d := New(c, discovery.Self{Name: "dunlin@10.0.0.1"}, asking(server))
		ctx, cancel := context.WithTimeout(t.Context(), enough)
		defer cancel()
		nodes, err := d.Discover(ctx)
		got := strings.Join(nodes, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s of %s:\ngot  %s\nwant %s", typ, name, got, want)
		}
	}
	f("a", "nodes", "emqx", "emqx@10.0.0.1 emqx@10.0.0.2")
	f("a", "nodes", "", "dunlin@10.0.0.1 dunlin@10.0.0.2")
	f("aaaa", "nodes", "emqx", "emqx@fd00::2")
	f("aaaa", "six", "emqx", "emqx@fd00::1")
	f("srv", "_emqx._tcp", "emqx", "emqx@n1.example.org emqx@n2.example.org")
	f("srv", "mixed", "emqx", "emqx@n1.example.org")
	f("a", "six", "emqx", "DNS has no A record of six.example.org")
	f("aaaa", "text", "emqx", "DNS has no AAAA record of text.example.org")
	f("srv", "nodes", "emqx", "DNS has no SRV record of nodes.example.org")
	f("a", "missing", "emqx", "DNS has no A record of missing.example.org")
	f("srv", "missing", "emqx", "DNS has no SRV record of missing.example.org")

	many, err := New(discovery.DNS{Name: "many.example.org", Type: "a"}, discovery.Self{Name: "e@h"}, asking(server)).Discover(t.Context())
	if err != nil || len(many) != 120 {
		t.Errorf("%d of 120 nodes, %v", len(many), err)
	}
}

// TestServerAway: a dead server is an error at once, a silent one when ctx
// ends, and neither is in the way when it is back.
func TestServerAway(t *testing.T) {
	server := peers.DNS(t, "--host-record=nodes.example.org,10.0.0.1", "--srv-host=srv.example.org,n1.example.org,4370")
	for typ, name := range map[string]string{"a": "nodes.example.org", "srv": "srv.example.org"} {
		d := New(discovery.DNS{Name: name, Type: typ}, discovery.Self{Name: "emqx@h"}, asking(server))
		ask := func(patience time.Duration) ([]string, error) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return d.Discover(ctx)
		}
		fails := func(what string, patience time.Duration) {
			t.Helper()
			nodes, err := ask(patience)
			if err == nil || !strings.HasPrefix(err.Error(), "ask DNS for the "+strings.ToUpper(typ)+" records of "+name+": ") {
				t.Errorf("%s, %s: %v, %v", typ, what, nodes, err)
			}
		}
		server.Kill()
		fails("dead", enough)
		server.Start()
		server.Pause()
		fails("silent", 200*time.Millisecond)
		server.Resume()
		if nodes, err := ask(enough); err != nil || len(nodes) != 1 {
			t.Errorf("%s, back again: %v, %v", typ, nodes, err)
		}
	}
}

// TestUsualResolver: a name that is no one's comes from the operating system.
func TestUsualResolver(t *testing.T) {
	nodes, err := New(discovery.DNS{Name: "127.0.0.1", Type: "a"}, discovery.Self{Name: "emqx@h"}, nil).Discover(t.Context())
	if err != nil || fmt.Sprint(nodes) != "[emqx@127.0.0.1]" {
		t.Errorf("%v, %v", nodes, err)
	}
}
