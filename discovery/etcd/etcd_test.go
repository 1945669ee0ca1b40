package etcd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/internal/peers"
	"github.com/dunlin-mq/dunlin/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enough is more than any request takes that gets an answer.
const enough = 20 * time.Second

// node is one node's view of an etcd.
type node struct {
	*Nodes
	t   *testing.T
	log *testlog.Log
}

func connect(t *testing.T, name string, s *peers.Server, change func(*discovery.Etcd, *discovery.Self)) *node {
	t.Helper()
	log := new(testlog.Log)
	var c discovery.Etcd
	c.SetDefaults()
	c.Server = []string{"http://" + s.Addr()}
	self := discovery.Self{Name: name, Cluster: "emqxcl", Log: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&c, &self)
	}
	nodes, err := New(c, self)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nodes.Close(); err != nil {
			t.Error(err)
		}
	})
	return &node{nodes, t, log}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func (n *node) register() {
	n.t.Helper()
	if err := n.Register(within(n.t, enough)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) unregister() {
	n.t.Helper()
	if err := n.Unregister(within(n.t, enough)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) found() string {
	nodes, err := n.Discover(within(n.t, enough))
	if err != nil {
		return err.Error()
	}
	slices.Sort(nodes)
	return strings.Join(nodes, " ")
}

func (n *node) finds(want string) {
	n.t.Helper()
	if got := n.found(); got != want {
		n.t.Errorf("%s finds %q, want %q", n.self.Name, got, want)
	}
}

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after a minute: %s", what)
		}
	}
}

func shortTTL(c *discovery.Etcd, _ *discovery.Self) { c.NodeTTL = 2 * time.Second }

// TestEtcd has all that works against one server, which takes a second to
// start.
func TestEtcd(t *testing.T) {
	server := peers.Etcd(t, peers.EtcdOptions{})
	t.Run("find each other", func(t *testing.T) { testFind(t, server) })
	t.Run("expire", func(t *testing.T) { testExpire(t, server) })
	t.Run("repair", func(t *testing.T) { testRepair(t, server) })
	t.Run("lock", func(t *testing.T) { testLock(t, server) })
	t.Run("loop", func(t *testing.T) { testLoop(t, server) })
	t.Run("restart", func(t *testing.T) { testRestart(t, server) })
}

func testFind(t *testing.T, server *peers.Server) {
	a, b := connect(t, "emqx@a", server, nil), connect(t, "emqx@b", server, nil)
	other := connect(t, "emqx@c", server, func(_ *discovery.Etcd, s *discovery.Self) { s.Cluster = "emqxcl2" })
	far := connect(t, "emqx@d", server, func(c *discovery.Etcd, _ *discovery.Self) { c.Prefix = "/plants/emqcl/" })
	a.finds("")
	for _, n := range []*node{a, b, other, far} {
		n.register()
		n.register()
	}
	a.finds("emqx@a emqx@b")
	b.finds("emqx@a emqx@b")
	other.finds("emqx@c")
	far.finds("emqx@d")
	want := "emqcl/emqxcl/nodes/emqx@a emqcl/emqxcl/nodes/emqx@b emqcl/emqxcl2/nodes/emqx@c plants/emqcl/emqxcl/nodes/emqx@d"
	if got := strings.Join(strings.Fields(peers.EtcdCtl(t, server, "get", "", "--prefix", "--keys-only")), " "); got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
	a.unregister()
	a.unregister()
	b.finds("emqx@b")
	b.unregister()
	a.finds("")
	other.unregister()
	far.unregister()
}

// testExpire: the key of a node that has died ends, that of a living one does
// not.
func testExpire(t *testing.T, server *peers.Server) {
	a, b := connect(t, "emqx@a", server, shortTTL), connect(t, "emqx@b", server, shortTTL)
	a.register()
	b.register()
	if err := b.Close(); err != nil { // without Unregister, as if killed
		t.Error(err)
	}
	a.finds("emqx@a emqx@b")
	await(t, "the key of the dead node has ended", func() bool { return a.found() == "emqx@a" })
	a.unregister()
}

// testRepair: a key or lease that somebody deletes comes back.
func testRepair(t *testing.T, server *peers.Server) {
	a := connect(t, "emqx@a", server, shortTTL)
	a.register()
	peers.EtcdCtl(t, server, "del", a.key())
	a.finds("")
	a.register()
	a.finds("emqx@a")
	peers.EtcdCtl(t, server, "lease", "revoke", fmt.Sprintf("%x", int64(a.lease)))
	await(t, "the lease is taken anew", func() bool { return a.found() == "emqx@a" })
	a.unregister()
}

func testLock(t *testing.T, server *peers.Server) {
	a, b := connect(t, "emqx@a", server, nil), connect(t, "emqx@b", server, nil)
	unlock, err := a.Lock(within(t, enough))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Lock(within(t, time.Second)); err == nil || !strings.Contains(err.Error(), "etcd: lock emqcl/emqxcl/lock: emqx@a has it: ") {
		t.Errorf("locked twice: %v", err)
	}
	if err := unlock(t.Context()); err != nil {
		t.Error(err)
	}
	if got := peers.EtcdCtl(t, server, "get", "", "--prefix", "--keys-only"); got != "" {
		t.Errorf("unlocked there is %s", got)
	}

	var inside, most atomic.Int32
	var all sync.WaitGroup
	for _, n := range []*node{a, b, connect(t, "emqx@c", server, nil)} {
		all.Go(func() {
			unlock, err := n.Lock(within(t, time.Minute))
			if err != nil {
				t.Error(err)
				return
			}
			if now := inside.Add(1); now > most.Load() {
				most.Store(now)
			}
			time.Sleep(100 * time.Millisecond)
			inside.Add(-1)
			if err := unlock(within(t, enough)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d had the lock at once", most.Load())
	}
}

// testLoop: three nodes that start at once are one cluster, with the lock and
// the registrations of a real server.
func testLoop(t *testing.T, server *peers.Server) {
	var mu sync.Mutex
	clusters, since := map[string]*[]string{}, map[string]time.Time{}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	names := []string{"emqx@a", "emqx@b", "emqx@c"}
	for _, name := range names {
		clusters[name], since[name] = &[]string{name}, time.Now()
	}
	for _, name := range names {
		n := connect(t, name, server, nil)
		loop := discovery.Loop{
			Self: name, Since: since[name], Discoverer: n.Nodes, Log: slog.New(slog.DiscardHandler),
			Members: func() []string {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(*clusters[name])
			},
			Probe: func(_ context.Context, other string) (discovery.Peer, error) {
				mu.Lock()
				defer mu.Unlock()
				return discovery.Peer{Name: other, Since: since[other], Members: len(*clusters[other])}, nil
			},
			Join: func(_ context.Context, other string) error {
				mu.Lock()
				defer mu.Unlock()
				*clusters[other] = append(*clusters[other], name)
				clusters[name] = clusters[other]
				return nil
			},
		}
		running.Go(func() { loop.Run(ctx) })
	}
	await(t, "all are in one cluster", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(*clusters["emqx@a"]) == 3 && len(*clusters["emqx@b"]) == 3 && len(*clusters["emqx@c"]) == 3
	})
	end()
	running.Wait()
	if got := peers.EtcdCtl(t, server, "get", "", "--prefix", "--keys-only"); got != "" {
		t.Errorf("after their end there is %s", got)
	}
}

// testRestart: while the server is away everything is an error in time, and
// when it is back with its data, or after the lease has ended, all goes on.
func testRestart(t *testing.T, server *peers.Server) {
	a := connect(t, "emqx@a", server, shortTTL)
	a.register()
	server.Kill()
	for what, do := range map[string]func(ctx context.Context) error{
		"discover": func(ctx context.Context) error { _, err := a.Discover(ctx); return err },
		"register": a.Register,
		"lock":     func(ctx context.Context) error { _, err := a.Lock(ctx); return err },
	} {
		if err := do(within(t, enough)); err == nil || !strings.HasPrefix(err.Error(), "etcd: ") || !strings.Contains(err.Error(), "code = Unavailable") {
			t.Errorf("%s without a server: %v", what, err)
		}
	}
	await(t, "the log says so", func() bool { return strings.Contains(a.log.String(), "can't renew its key") })
	server.Start()
	await(t, "the key is back", func() bool { return a.found() == "emqx@a" })
	await(t, "the log says so", func() bool { return strings.Contains(a.log.String(), "has renewed its key") })
	unlock, err := a.Lock(within(t, enough))
	if err != nil {
		t.Fatal(err)
	}
	server.Pause()
	if err := unlock(within(t, time.Second/2)); err == nil {
		t.Error("a silent server has unlocked")
	}
	if err := a.Unregister(within(t, time.Second/2)); err == nil || !strings.HasPrefix(err.Error(), "etcd: delete emqcl/emqxcl/nodes/emqx@a: ") {
		t.Errorf("a silent server has deleted the key: %v", err)
	}
	server.Resume()
	await(t, "the key has ended by itself", func() bool { return a.found() == "" })
}

func TestTLS(t *testing.T) {
	certs := peers.NewCertificates(t)
	server := peers.Etcd(t, peers.EtcdOptions{TLS: certs, ClientCertificate: true})
	with := func(ssl discovery.EtcdSSL) *node {
		return connect(t, "emqx@a", server, func(c *discovery.Etcd, _ *discovery.Self) {
			c.Server, c.SSL = []string{"https://" + server.Addr()}, ssl
		})
	}
	a := with(discovery.EtcdSSL{CACertFile: certs.CA, CertFile: certs.ClientCert, KeyFile: certs.ClientKey})
	a.register()
	a.finds("emqx@a")
	unlock, err := a.Lock(within(t, enough))
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(within(t, enough)); err != nil {
		t.Error(err)
	}
	a.unregister()
	refused := func(what string, ssl discovery.EtcdSSL, why string) {
		t.Helper()
		nodes, err := with(ssl).Discover(within(t, enough))
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: found %v, %v", what, nodes, err)
		}
	}
	// The server's reason and its end of the connection race each other.
	refused("no certificate", discovery.EtcdSSL{CACertFile: certs.CA}, "etcd: read the nodes below ")
	refused("a server's certificate", discovery.EtcdSSL{CACertFile: certs.CA, CertFile: certs.ServerCert, KeyFile: certs.ServerKey}, "etcd: read the nodes below ")
	refused("an unknown authority", discovery.EtcdSSL{CACertFile: certs.OtherCA, CertFile: certs.ClientCert, KeyFile: certs.ClientKey}, "unknown authority")
	refused("those of the system", discovery.EtcdSSL{CertFile: certs.ClientCert, KeyFile: certs.ClientKey}, "unknown authority")
}

func TestFiles(t *testing.T) {
	certs := peers.NewCertificates(t)
	empty := t.TempDir() + "/empty.pem"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(ssl discovery.EtcdSSL, want string) {
		t.Helper()
		_, err := New(discovery.Etcd{Server: []string{"https://127.0.0.1:1"}, SSL: ssl}, discovery.Self{Name: "a@h"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(discovery.EtcdSSL{CACertFile: "/no/such"}, "ssl.cacertfile: open /no/such: no such file")
	f(discovery.EtcdSSL{CACertFile: empty}, "ssl.cacertfile: expected certificates in the form PEM in "+empty)
	f(discovery.EtcdSSL{CertFile: "/no/such", KeyFile: certs.ClientKey}, "ssl.certfile: open /no/such: no such file")
	f(discovery.EtcdSSL{CertFile: certs.ClientCert, KeyFile: certs.ServerKey}, "ssl.certfile: tls: private key does not match")
}
