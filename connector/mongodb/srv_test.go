package mongodb

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dunlin-mq/dunlin/connector"
)

// names is a DNS server on the loopback interface that knows these records.
type names struct {
	srv map[string][]string // targets, all of port 27017
	txt map[string]string
}

// serve returns a resolver that asks n.
func (n *names) serve(t *testing.T) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			size, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := n.answer(buf[:size]); reply != nil {
				pc.WriteTo(reply, from) // if that fails the resolver asks again
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func (n *names) answer(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) == 0 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RCode, m.Additionals = true, dnsmessage.RCodeNameError, nil
	add := func(body dnsmessage.ResourceBody) {
		m.RCode = dnsmessage.RCodeSuccess
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}, Body: body})
	}
	switch name := strings.TrimSuffix(q.Name.String(), "."); q.Type {
	case dnsmessage.TypeSRV:
		for _, target := range n.srv[name] {
			add(&dnsmessage.SRVResource{Port: 27017, Target: dnsmessage.MustNewName(target + ".")})
		}
	case dnsmessage.TypeTXT:
		if text, ok := n.txt[name]; ok {
			add(&dnsmessage.TXTResource{TXT: []string{text}})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func TestLookup(t *testing.T) {
	dns := (&names{
		srv: map[string][]string{
			"_mongodb._tcp.db.example.com":   {"n1.example.com", "n2.example.com"},
			"_mongodb._tcp.bare.example.com": {"n1.example.com"},
			"_mongodb._tcp.evil.example.com": {"n1.example.com", "example.com.evil.org"},
			"_mongodb._tcp.up.example.com":   {"example.com"},
			"_mongodb._tcp.bad.example.com":  {"n1.example.com"},
		},
		txt: map[string]string{"db.example.com": "authSource=people&replicaSet=rs9", "bad.example.com": "%zz"},
	}).serve(t)
	ask := func(name, source, set string) (seeds, error) {
		c := Config{Servers: []connector.Address{{Host: name}}, AuthSource: source, ReplicaSet: set}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return c.lookup(ctx, dns)
	}
	good := func(name, source, set string, want seeds) {
		t.Helper()
		got, err := ask(name, source, set)
		slices.Sort(got.hosts)
		if err != nil || !slices.Equal(got.hosts, want.hosts) || got.authSource != want.authSource || got.replicaSet != want.replicaSet {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	bad := func(name, want string) {
		t.Helper()
		if _, err := ask(name, "", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
	both := []string{"n1.example.com:27017", "n2.example.com:27017"}
	good("db.example.com", "", "", seeds{both, "people", "rs9"})
	good("db.example.com.", "admin", "rs1", seeds{both, "admin", "rs1"})
	good("bare.example.com", "", "", seeds{both[:1], "", ""})
	bad("evil.example.com", "names example.com.evil.org, which is of another domain")
	bad("up.example.com", "of another domain")
	bad("bad.example.com", "the TXT record of bad.example.com")
	bad("nowhere.example.com", "no such host")
}

// A name that doesn't resolve must neither stop the start nor stay that way.
func TestLookupAgain(t *testing.T) {
	n := &names{}
	c, err := New(Config{Type: "single", SRVRecord: true, Servers: []connector.Address{{Host: "db.example.com"}}, Database: "mqtt"})
	if err != nil {
		t.Fatal(err)
	}
	c.dns = n.serve(t)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := c.Ping(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("asked for a name nobody knows: %v", err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestSingleOfMany(t *testing.T) {
	n := &names{srv: map[string][]string{"_mongodb._tcp.db.example.com": {"a.example.com", "b.example.com"}}}
	c, err := New(Config{Type: "single", SRVRecord: true, Servers: []connector.Address{{Host: "db.example.com"}}, Database: "mqtt"})
	if err != nil {
		t.Fatal(err)
	}
	c.dns = n.serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := c.Ping(ctx); err == nil || !strings.Contains(err.Error(), "the SRV record names 2 servers") {
		t.Errorf("one of two servers: %v", err)
	}
}
