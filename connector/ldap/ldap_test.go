package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enough is more than any call takes that gets an answer.
const enough = 20 * time.Second

const people = `dn: ou=device,dc=emqx,dc=io
objectClass: organizationalUnit
ou: device

dn: uid=a,ou=device,dc=emqx,dc=io
objectClass: mqttDevice
objectClass: mqttUser
objectClass: mqttSecurity
uid: a
isEnabled: TRUE
userPassword: secret
mqttPublishTopic: p/1
mqttPublishTopic: p/2

dn: uid=b,ou=device,dc=emqx,dc=io
objectClass: mqttDevice
objectClass: mqttSecurity
uid: b

`

// at is a configuration for these servers.
func at(servers ...*peers.Server) Config {
	var c Config
	c.SetDefaults()
	c.Servers = nil
	for _, s := range servers {
		c.Servers = append(c.Servers, connector.Address{Host: s.Host, Port: uint16(s.Port)})
	}
	return c
}

func connect(t *testing.T, c Config) *Client {
	t.Helper()
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// refused asks for a Ping that must fail, and returns how.
func refused(t *testing.T, c *Client, patience time.Duration) error {
	t.Helper()
	start := time.Now()
	err := c.Ping(within(t, patience))
	if err == nil {
		t.Fatal("expected an error, got an answer")
	}
	if took := time.Since(start); took > patience+enough {
		t.Errorf("with %v to answer, the error took %v: %v", patience, took, err)
	}
	if !errors.Is(err, connector.ErrNotConnected) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, want ErrNotConnected in one line", err)
	}
	return err
}

// eventually asks until an answer comes.
func eventually(t *testing.T, c *Client) {
	t.Helper()
	for deadline := time.Now().Add(enough); ; time.Sleep(20 * time.Millisecond) {
		err := c.Ping(within(t, time.Second))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer in %v: %v", enough, err)
		}
	}
}

// count is how many entries a search finds.
func count(t *testing.T, c *Client, base, filter string) int {
	t.Helper()
	found, err := c.Search(within(t, enough), base, filter, []string{"uid"})
	if err != nil {
		t.Fatalf("%s below %s: %v", filter, base, err)
	}
	return len(found)
}

func TestSearch(t *testing.T) {
	c := connect(t, at(peers.LDAP(t, peers.LDAPOptions{LDIF: people})))
	found, err := c.Search(within(t, enough), "uid=a,ou=device,dc=emqx,dc=io", "(objectClass=mqttUser)",
		[]string{"ISENABLED", "userPassword", "mqttPublishTopic", "mqttPubSubTopic"})
	if err != nil {
		t.Fatal(err)
	}
	want := []map[string][]string{{
		"dn": {"uid=a,ou=device,dc=emqx,dc=io"}, "ISENABLED": {"TRUE"}, "userPassword": {"secret"}, "mqttPublishTopic": {"p/1", "p/2"},
	}}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	for _, tc := range []struct {
		base, filter string
		want         int
	}{
		{"ou=device,dc=emqx,dc=io", "(uid=*)", 2},
		{"ou=device,dc=emqx,dc=io", "(uid=c)", 0},
		{`ou=device,dc=emqx,dc=io`, `(uid=\2a)`, 0},
		{"uid=nobody,ou=device,dc=emqx,dc=io", "(objectClass=*)", 0},
		{"uid=b,ou=device,dc=emqx,dc=io", "(objectClass=mqttUser)", 0},
	} {
		if got := count(t, c, tc.base, tc.filter); got != tc.want {
			t.Errorf("%s below %s finds %d, want %d", tc.filter, tc.base, got, tc.want)
		}
	}
}

func TestSearchMistakes(t *testing.T) {
	c := connect(t, at(peers.LDAP(t, peers.LDAPOptions{LDIF: people})))
	for _, q := range [][2]string{{"dc=emqx,dc=io", "(uid=a"}, {"no name", "(uid=a)"}} {
		if found, err := c.Search(within(t, enough), q[0], q[1], nil); !connector.IsPermanent(err) {
			t.Errorf("%s below %s: %v, %v, want a permanent error", q[1], q[0], found, err)
		}
	}
	if count(t, c, "dc=emqx,dc=io", "(uid=a)") != 1 {
		t.Error("it finds nothing any more")
	}
}

func TestSearchTooMany(t *testing.T) {
	var ldif strings.Builder
	ldif.WriteString(people)
	for i := range maxEntries {
		fmt.Fprintf(&ldif, "dn: uid=n%d,ou=device,dc=emqx,dc=io\nobjectClass: mqttDevice\nuid: n%d\n\n", i, i)
	}
	c := connect(t, at(peers.LDAP(t, peers.LDAPOptions{LDIF: ldif.String()})))
	if found, err := c.Search(within(t, enough), "dc=emqx,dc=io", "(uid=*)", nil); !connector.IsPermanent(err) {
		t.Errorf("%d entries, %v, want a permanent error", len(found), err)
	}
}

func TestBind(t *testing.T) {
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: people})
	with := at(s)
	with.Pool = 1
	c := connect(t, with)
	bind := func(dn, password string, want bool) {
		t.Helper()
		got, err := c.Bind(within(t, enough), dn, password)
		if err != nil || got != want {
			t.Errorf("%s with %q: %v, %v, want %v", dn, password, got, err, want)
		}
	}
	const a = "uid=a,ou=device,dc=emqx,dc=io"
	for range 3 {
		bind(a, "secret", true)
		bind(a, "", false) // a directory says yes to that
		bind(a, "wrong", false)
	}
	bind("", "secret", false)
	bind("", "", false)
	bind("uid=b,ou=device,dc=emqx,dc=io", "secret", false) // has no password
	bind("uid=c,ou=device,dc=emqx,dc=io", "secret", false)
	bind("no name", "secret", false)
	bind(peers.LDAPRoot, peers.LDAPPassword, true)
}

// Who has logged in must not lend rights to searches, nor take them away.
func TestBindLeavesSearchesAlone(t *testing.T) {
	with := at(peers.LDAP(t, peers.LDAPOptions{LDIF: people}))
	with.Pool = 1
	service := connect(t, with)
	with.BindDN, with.BindPassword = "", ""
	nobody := connect(t, with)
	for _, c := range []*Client{service, nobody} {
		for _, login := range [][2]string{{peers.LDAPRoot, peers.LDAPPassword}, {"uid=a,ou=device,dc=emqx,dc=io", "secret"}, {"x=y", "z"}} {
			if _, err := c.Bind(within(t, enough), login[0], login[1]); err != nil {
				t.Error(err)
			}
			found, err := c.Search(within(t, enough), "uid=a,ou=device,dc=emqx,dc=io", "(uid=a)", []string{"userPassword"})
			if err != nil || len(found) != 1 {
				t.Fatalf("found %v, %v", found, err)
			}
			if sees := len(found[0]["userPassword"]) > 0; sees != (c == service) {
				t.Errorf("after the login of %s: sees passwords %v", login[0], sees)
			}
		}
	}
}

func TestServiceLogin(t *testing.T) {
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: people})
	for _, change := range []func(*Config){
		func(c *Config) { c.BindPassword = "wrong-one" },
		func(c *Config) { c.BindDN = "cn=nobody,dc=emqx,dc=io" },
		func(c *Config) { c.BindDN = "no name" },
	} {
		with := at(s)
		change(&with)
		c := connect(t, with)
		if err := refused(t, c, enough); strings.Contains(err.Error(), with.BindPassword) || !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("the error holds the password, or not the server: %v", err)
		}
		// Whatever the directory answers to our login: it isn't "no such entry".
		if found, err := c.Search(within(t, enough), "dc=emqx,dc=io", "(uid=a)", nil); err == nil {
			t.Errorf("found %v", found)
		}
	}
}

func TestTLS(t *testing.T) {
	files := peers.NewCertificates(t)
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: people, TLS: files})
	mutual := peers.LDAP(t, peers.LDAPOptions{LDIF: people, TLS: files, ClientCertificate: true})
	with := func(s *peers.Server, tls connector.TLS) *Client {
		c := at(s)
		c.TLS = tls
		return connect(t, c)
	}
	verified := connector.TLS{Enable: true, Verify: true, CACertFile: files.CA}
	own, stranger, misnamed := verified, verified, verified
	own.CertFile, own.KeyFile = files.ClientCert, files.ClientKey
	stranger.CACertFile = files.OtherCA
	misnamed.ServerName = "ldap.example.com"
	for _, c := range []*Client{with(s, verified), with(s, connector.TLS{Enable: true}), with(mutual, own)} {
		if n := count(t, c, "dc=emqx,dc=io", "(uid=a)"); n != 1 {
			t.Errorf("found %d", n)
		}
		if ok, err := c.Bind(within(t, enough), "uid=a,ou=device,dc=emqx,dc=io", "secret"); !ok || err != nil {
			t.Errorf("login: %v, %v", ok, err)
		}
	}
	plain := peers.LDAP(t, peers.LDAPOptions{})
	for _, c := range []*Client{with(s, stranger), with(s, misnamed), with(mutual, verified), with(s, connector.TLS{}), with(plain, verified)} {
		refused(t, c, time.Second)
	}
}

func TestLostAndFound(t *testing.T) {
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: people})
	c := connect(t, at(s))
	eventually(t, c)
	s.Kill()
	for range 3 {
		if err := refused(t, c, time.Second); !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("%v doesn't say where", err)
		}
	}
	if _, err := c.Bind(within(t, time.Second), "uid=a,ou=device,dc=emqx,dc=io", "secret"); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("login: %v", err)
	}
	s.Start()
	eventually(t, c)

	s.Pause()
	refused(t, c, 300*time.Millisecond)
	refused(t, c, 300*time.Millisecond) // now it is the login of a new connection that gets no answer
	s.Resume()
	eventually(t, c)
}

func TestTimeout(t *testing.T) {
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: people})
	with := at(s)
	with.Timeout = 200 * time.Millisecond
	c := connect(t, with)
	eventually(t, c)
	s.Pause()
	defer s.Resume()
	start := time.Now()
	if err := c.Ping(t.Context()); err == nil || time.Since(start) > enough {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestFailover(t *testing.T) {
	a, b := peers.LDAP(t, peers.LDAPOptions{LDIF: people}), peers.LDAP(t, peers.LDAPOptions{LDIF: people})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	with := at(a, b)
	mute := connector.Address{Host: "127.0.0.1", Port: uint16(silent.Addr().(*net.TCPAddr).Port)}
	with.Servers = append([]connector.Address{{Host: "127.0.0.1", Port: 1}, mute}, with.Servers...)
	with.Pool = 1
	c := connect(t, with)
	ping := func(patience time.Duration) {
		t.Helper()
		if err := c.Ping(within(t, patience)); err != nil {
			t.Error(err)
		}
	}
	ping(3 * time.Second) // past one that is down and one that says nothing
	if at := c.searches.dialer.last.Load(); at != 2 {
		t.Errorf("it went to server %d, want 2", at)
	}
	ping(enough)
	a.Kill()
	eventually(t, c)
	if at := c.searches.dialer.last.Load(); at != 3 {
		t.Errorf("it went to server %d, want 3", at)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: people})
	with := at(s)
	with.Pool = 4
	c := connect(t, with)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			uid, password := string(rune('a'+i%2)), []string{"secret", "wrong"}[i/2%2]
			found, err := c.Search(within(t, enough), "ou=device,dc=emqx,dc=io", "(uid="+uid+")", []string{"uid"})
			if err != nil || len(found) != 1 || found[0]["uid"][0] != uid {
				t.Errorf("%s: %v, %v", uid, found, err)
			}
			ok, err := c.Bind(within(t, enough), "uid=a,ou=device,dc=emqx,dc=io", password)
			if err != nil || ok != (password == "secret") {
				t.Errorf("login with %s: %v, %v", password, ok, err)
			}
		})
	}
	wg.Wait()
}

func TestClose(t *testing.T) {
	c, err := New(at(peers.LDAP(t, peers.LDAPOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	refused(t, c, enough)
}
