package server

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/internal/testlog"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
)

// testServer is a server with its broker in this process, its listeners on
// free ports of the loopback.
type testServer struct {
	*Server
	t     testing.TB
	hooks *hook.Points
	log   *testlog.Log

	registry *metrics.Registry
	zone     broker.Zone
	dir      string
}

// newTestServer is a server that isn't started yet, of listeners given as
// `key = value` lines below "listener"; set may change what its broker is made
// of. It stops when the test ends.
func newTestServer(t testing.TB, listeners string, set ...func(*broker.Options)) *testServer {
	t.Helper()
	ls, err := bindListeners(listeners)
	if err != nil {
		t.Fatal(err)
	}
	ts := &testServer{t: t, hooks: new(hook.Points), log: new(testlog.Log), dir: t.TempDir()}
	var cfg broker.Config
	var keep retain.Config
	var rules auth.Config
	for _, c := range []any{&ts.zone, &cfg, &keep, &rules} {
		if _, err := config.Bind(c, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	ts.zone.AllowAnonymous = auth.AnonymousAllowed
	log := slog.New(slog.NewTextHandler(ts.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	registry := new(metrics.Registry)
	access := auth.New(auth.Options{Config: rules, Metrics: registry, Log: log})
	o := broker.Options{
		Node: "test@127.0.0.1", Config: cfg, Hooks: ts.hooks, Metrics: registry, Retained: retain.New(keep), Access: access, Log: log,
	}
	for _, f := range set {
		f(&o)
	}
	br := broker.New(o)
	ts.registry = registry
	ts.Server, err = New(Options{
		Broker: br, Hooks: ts.hooks, Metrics: registry, Log: log, Listeners: ls.All(), DataDir: ts.dir,
		Zone: func(*Named) (string, *broker.Zone) { return "external", &ts.zone },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ts.Stop()
		br.Close()
		access.Close()
	})
	return ts
}

// startTestServer is newTestServer, started.
func startTestServer(t testing.TB, listeners string) *testServer {
	t.Helper()
	ts := newTestServer(t, listeners)
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	return ts
}

// addr is where a kind of listener listens.
func (ts *testServer) addr(kind string) string {
	ts.t.Helper()
	return ts.status(kind).Addr.String()
}

func (ts *testServer) port(kind string) string {
	_, port, _ := net.SplitHostPort(ts.addr(kind))
	return port
}

func (ts *testServer) status(kind string) ListenerStatus {
	ts.t.Helper()
	for _, l := range ts.Listeners() {
		if l.Protocol == kind {
			return l
		}
	}
	ts.t.Fatalf("no listener of kind %s", kind)
	return ListenerStatus{}
}

// metric is the value of one metric.
func (ts *testServer) metric(name string) int64 {
	ts.t.Helper()
	s, ok := ts.registry.Get(name)
	if !ok {
		ts.t.Errorf("there is no metric %s", name)
	}
	return s.Value
}

// wantEnded waits until a listener has counted an end for this reason.
func (ts *testServer) wantEnded(kind, word string) {
	ts.t.Helper()
	if !eventually(func() bool { return ts.status(kind).Ended[word] > 0 }) {
		ts.t.Errorf("%s: got ends %v, want one of %s", kind, ts.status(kind).Ended, word)
	}
}

// clients records the identity of every client that has connected.
func (ts *testServer) clients() func() []hook.ClientInfo {
	var mu sync.Mutex
	var all []hook.ClientInfo
	err := ts.hooks.ClientConnected.Add("test", 0, func(e *hook.ConnInfo) hook.Verdict {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, *e.Client)
		return hook.Continue
	})
	if err != nil {
		ts.t.Fatal(err)
	}
	return func() []hook.ClientInfo {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// eventually asks for a minute whether something has come true.
func eventually(f func() bool) bool {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		if f() {
			return true
		}
	}
	return false
}

// need skips a test whose peer is missing, or fails it where peers are required.
func need(t testing.TB, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if _, err := exec.LookPath(c); err == nil {
			continue
		}
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatalf("%s is missing, and DUNLIN_REQUIRE_PEERS=1 asks for it", c)
		}
		t.Skipf("%s is not installed", c)
	}
}

// run runs a command to its end and returns what it printed.
func run(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustRun(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := run(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Packets of a client, as bytes.

func connectPacket(id string) []byte {
	return mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V311, ClientID: id, CleanStart: true, KeepAlive: 60}, mqtt.V311)
}

var (
	connack = []byte{0x20, 2, 0, 0}
	ping    = []byte{0xc0, 0}
	pong311 = []byte{0xd0, 0}
)

// talk writes to a connection and expects these bytes back.
func talk(t testing.TB, nc io.ReadWriter, write, want []byte) {
	t.Helper()
	if _, err := nc.Write(write); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got % x, %v, want % x", got, err, want)
	}
}

// dial opens a TCP connection that ends with the test, and no later than a
// minute from now.
func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

// wantEnd expects the server to end the connection, with nothing said.
func wantEnd(t testing.TB, nc io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 {
		t.Errorf("got % x, %v, want the end of the connection", rest, err)
	}
}

// freePorts are ports of the loopback that nobody listens on now.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() //nolint:revive // all are held until all are known
		ports[i] = ln.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// start runs a server until the test ends, and waits until it listens.
func start(t testing.TB, cmd *exec.Cmd, addr string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if !eventually(func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
		}
		return err == nil
	}) {
		t.Fatalf("%s doesn't listen on %s", cmd.Path, addr)
	}
}
