package redis

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strconv"
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

func connect(t *testing.T, c Config) *Client {
	t.Helper()
	if c.Type == "" {
		c.Type = "single"
	}
	if c.Pool == 0 {
		c.Pool = 8
	}
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

// at are servers as the configuration has them.
func at(t *testing.T, servers ...string) []connector.Address {
	t.Helper()
	list := make([]connector.Address, len(servers))
	for i, s := range servers {
		if err := list[i].UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// do sends a command, its words divided by blanks, that has to succeed.
func do(t *testing.T, c *Client, command string) any {
	t.Helper()
	reply, err := c.Do(within(t, enough), strings.Fields(command)...)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return reply
}

// refused asks for a PING that must fail, and returns how.
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
	return err
}

// eventually asks until an answer comes.
func eventually(t *testing.T, c *Client, command string) any {
	t.Helper()
	for deadline := time.Now().Add(enough); ; time.Sleep(20 * time.Millisecond) {
		reply, err := c.Do(within(t, time.Second), strings.Fields(command)...)
		if err == nil {
			return reply
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no answer in %v: %v", command, enough, err)
		}
	}
}

func TestReplies(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	c := connect(t, Config{Servers: at(t, s.Addr())})
	reply := func(command string, want any) {
		t.Helper()
		if got := do(t, c, command); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", command, got, want)
		}
	}
	reply("GET nobody", nil)
	reply("SET k v", "OK")
	reply("GET k", "v")
	reply("HSET h password p salt s", int64(2))
	reply("HMGET h password salt x", []any{"p", "s", nil})
	reply("HGET h x", nil)
	reply("HGETALL nobody", []any{})
	reply("HGETALL h", []any{"password", "p", "salt", "s"})
}

func TestWordsStayWords(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	c := connect(t, Config{Servers: at(t, s.Addr())})
	for _, key := range []string{"a b", "a\r\nFLUSHALL\r\n", `"`, "*", "", "ü\x00"} {
		if _, err := c.Do(within(t, enough), "SET", key, "v:"+key); err != nil {
			t.Fatal(err)
		}
	}
	if n := do(t, c, "DBSIZE"); n != int64(6) {
		t.Errorf("%v keys, want 6", n)
	}
}

func TestRefusals(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	c := connect(t, Config{Servers: at(t, s.Addr())})
	do(t, c, "SET k v")
	for _, command := range []string{"HGET k f", "NOSUCH k", "GET"} {
		_, err := c.Do(within(t, enough), strings.Fields(command)...)
		if !connector.IsPermanent(err) || !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("%s: %v, want a permanent error that names the server", command, err)
		}
	}
}

func TestDatabase(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	do(t, connect(t, Config{Servers: at(t, s.Addr())}), "SET k v")
	if got := do(t, connect(t, Config{Servers: at(t, s.Addr()), Database: 3}), "GET k"); got != nil {
		t.Errorf("database 3 has %v of database 0", got)
	}
}

func TestPassword(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{Password: "secret"})
	admin := connect(t, Config{Servers: at(t, s.Addr()), Password: "secret"})
	do(t, admin, "ACL SETUSER reader on >other ~* +ping +get")
	do(t, connect(t, Config{Servers: at(t, s.Addr()), Username: "reader", Password: "other"}), "GET k")
	for _, c := range []Config{{}, {Password: "wrong-one"}, {Username: "reader", Password: "wrong-one"}, {Username: "nobody", Password: "secret"}} {
		c.Servers = at(t, s.Addr())
		err := refused(t, connect(t, c), enough)
		if !errors.Is(err, connector.ErrNotConnected) || strings.Contains(err.Error(), "wrong-one") {
			t.Errorf("%s with %s: %v", c.Username, c.Password, err)
		}
	}
}

func TestTLS(t *testing.T) {
	files := peers.NewCertificates(t)
	s := peers.Redis(t, peers.RedisOptions{TLS: files})
	mutual := peers.Redis(t, peers.RedisOptions{TLS: files, ClientCertificate: true})
	verified := connector.TLS{Enable: true, Verify: true, CACertFile: files.CA}
	own := verified
	own.CertFile, own.KeyFile = files.ClientCert, files.ClientKey
	stranger := connector.TLS{Enable: true, Verify: true, CACertFile: files.OtherCA}
	misnamed := verified
	misnamed.ServerName = "redis.example.com"

	do(t, connect(t, Config{Servers: at(t, s.Addr()), TLS: verified}), "PING")
	do(t, connect(t, Config{Servers: at(t, s.Addr()), TLS: connector.TLS{Enable: true}}), "PING")
	do(t, connect(t, Config{Servers: at(t, s.Addr()), TLS: connector.TLS{Enable: true, Verify: true}, CAFile: files.CA}), "PING")
	do(t, connect(t, Config{Servers: at(t, mutual.Addr()), TLS: own}), "PING")
	for name, c := range map[string]Config{
		"without TLS":             {Servers: at(t, s.Addr())},
		"unknown authority":       {Servers: at(t, s.Addr()), TLS: stranger},
		"another name":            {Servers: at(t, s.Addr()), TLS: misnamed},
		"no certificate of ours":  {Servers: at(t, mutual.Addr()), TLS: verified},
		"TLS to one without":      {Servers: at(t, peers.Redis(t, peers.RedisOptions{}).Addr()), TLS: verified},
		"a server that is silent": {Servers: at(t, silent(t)), TLS: verified},
	} {
		if err := refused(t, connect(t, c), 700*time.Millisecond); !errors.Is(err, connector.ErrNotConnected) {
			t.Errorf("%s: %v, want ErrNotConnected", name, err)
		}
	}
}

// silent accepts connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestLostAndFound(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	c := connect(t, Config{Servers: at(t, s.Addr())})
	do(t, c, "PING")
	s.Kill()
	for range 3 {
		if err := refused(t, c, 2*time.Second); !errors.Is(err, connector.ErrNotConnected) || !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("killed: %v, want ErrNotConnected and where", err)
		}
	}
	s.Start()
	eventually(t, c, "PING")

	s.Pause()
	if err := refused(t, c, 300*time.Millisecond); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("stalled: %v", err)
	}
	s.Resume()
	eventually(t, c, "PING")
}

func TestNotThereAtStart(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	s.Kill()
	c := connect(t, Config{Servers: at(t, s.Addr())})
	refused(t, c, 2*time.Second)
	s.Start()
	eventually(t, c, "PING")
}

func TestQueryTimeout(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	c := connect(t, Config{Servers: at(t, s.Addr()), QueryTimeout: 200 * time.Millisecond})
	eventually(t, c, "PING") // a busy machine takes longer now and then
	s.Pause()
	defer s.Resume()
	start := time.Now()
	if err := c.Ping(t.Context()); err == nil || time.Since(start) > enough {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	c := connect(t, Config{Servers: at(t, s.Addr()), Pool: 8})
	parallel(t, c)
	clients := do(t, c, "CLIENT LIST").(string)
	if n := strings.Count(clients, "\n"); n > 8 {
		t.Errorf("%d connections with a pool of 8", n)
	}
}

// parallel runs 200 commands at once, each about a key of its own.
func parallel(t *testing.T, c *Client) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			k := strconv.Itoa(i)
			_, err1 := c.Do(within(t, enough), "SET", k, "v"+k)
			got, err2 := c.Do(within(t, enough), "GET", k)
			if err1 != nil || err2 != nil || got != "v"+k {
				t.Errorf("key %s: %v, %v, %v", k, got, err1, err2)
			}
		})
	}
	wg.Wait()
}

func TestSentinel(t *testing.T) {
	s := peers.RedisSentinel(t, "secret")
	c := connect(t, Config{Type: "sentinel", Servers: at(t, "127.0.0.1:1", s.Sentinel.Addr()), Sentinel: s.Name, Password: "secret"})
	do(t, c, "SET k v")
	if n := do(t, c, "WAIT 1 5000"); n != int64(1) {
		t.Fatal("the replica has not got the key")
	}
	s.Master.Kill()
	refused(t, c, 2*time.Second)
	if got := eventually(t, c, "GET k"); got != "v" {
		t.Errorf("the successor has %v", got)
	}
	eventually(t, c, "SET k w")

	behind := connect(t, Config{Type: "sentinel", Servers: at(t, silent(t), s.Sentinel.Addr()), Sentinel: s.Name, Password: "secret"})
	if got := eventually(t, behind, "GET k"); got != "w" {
		t.Errorf("behind a sentinel that is silent: %v", got)
	}
	unknown := connect(t, Config{Type: "sentinel", Servers: at(t, s.Sentinel.Addr()), Sentinel: "nobody", Password: "secret"})
	refused(t, unknown, 2*time.Second)
}

func TestCluster(t *testing.T) {
	nodes := peers.RedisCluster(t, peers.RedisOptions{Password: "secret"})
	c := connect(t, Config{Type: "cluster", Servers: at(t, nodes[0].Addr()), Password: "secret"})
	parallel(t, c)
	for _, n := range nodes {
		single := connect(t, Config{Servers: at(t, n.Addr()), Password: "secret"})
		if keys := do(t, single, "DBSIZE").(int64); keys < 20 {
			t.Errorf("%s has %d of 200 keys", n.Addr(), keys)
		}
	}
	moveSlot(t, c, nodes)

	nodes[2].Pause()
	defer nodes[2].Resume()
	start := time.Now()
	failed := 0
	for i := range 30 {
		if _, err := c.Do(within(t, 300*time.Millisecond), "GET", strconv.Itoa(i)); err != nil {
			failed++
		}
	}
	if took := time.Since(start); failed == 0 || failed == 30 || took > 9*time.Second+enough {
		t.Errorf("one of three nodes stalled: %d of 30 failed in %v", failed, took)
	}
}

// moveSlot moves the slot of a key to another node, and looks for the key.
func moveSlot(t *testing.T, c *Client, nodes []*peers.Server) {
	t.Helper()
	do(t, c, "SET moving v")
	slot := strconv.FormatInt(do(t, c, "CLUSTER KEYSLOT moving").(int64), 10)
	var from, to *Client
	for _, n := range nodes {
		single := connect(t, Config{Servers: at(t, n.Addr()), Password: "secret"})
		if _, err := single.Do(within(t, enough), "GET", "moving"); err == nil {
			from = single
		} else {
			to = single
		}
	}
	fromID, toID := do(t, from, "CLUSTER MYID").(string), do(t, to, "CLUSTER MYID").(string)
	do(t, to, "CLUSTER SETSLOT "+slot+" IMPORTING "+fromID)
	do(t, from, "CLUSTER SETSLOT "+slot+" MIGRATING "+toID)
	do(t, from, "DEL moving") // from now on it answers ASK
	if got := do(t, c, "GET moving"); got != nil {
		t.Errorf("while its slot moves, a key that is gone is %v", got)
	}
	for _, n := range []*Client{to, from} {
		do(t, n, "CLUSTER SETSLOT "+slot+" NODE "+toID)
	}
	do(t, c, "SET moving w") // MOVED
	if got := do(t, to, "GET moving"); got != "w" {
		t.Errorf("after the move it is %v", got)
	}
}

func TestClose(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{})
	c, err := New(Config{Type: "single", Servers: at(t, s.Addr()), Pool: 2})
	if err != nil {
		t.Fatal(err)
	}
	do(t, c, "PING")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, c, enough)
}
