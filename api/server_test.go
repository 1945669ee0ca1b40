package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer starts a server on a free port and a socket and returns the
// address of the former.
func startServer(t *testing.T, change ...func(*Options)) (*Server, *fakes, string) {
	t.Helper()
	change = append([]func(*Options){func(o *Options) {
		o.Config.HTTP.Addresses = Addresses{config.NewAddress("127.0.0.1", 0)}
		o.DataDir = t.TempDir()
	}}, change...)
	s, f := newServer(t, change...)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s, f, "http://" + s.Listeners()[0].Addr.String()
}

// get returns status and body of a GET with a login, if id isn't empty.
func get(t *testing.T, url, id, secret string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id != "" {
		r.SetBasicAuth(id, secret)
	}
	return do(t, http.DefaultClient, r)
}

func do(t *testing.T, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// overSocket is a client of the socket in a data directory.
func overSocket(t *testing.T, dataDir string) *http.Client {
	t.Helper()
	var d net.Dialer
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", Socket(dataDir))
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestBothVersionsOnEveryListener(t *testing.T) {
	s, _, url := startServer(t)
	for _, path := range []string{"/api/v3/brokers", "/api/v4/brokers"} {
		if status, body := get(t, url+path, "admin", secretOfAdmin); status != 200 || !strings.HasPrefix(body, `{"code":0,`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
		r, _ := http.NewRequest(http.MethodGet, "http://node"+path, nil)
		if status, body := do(t, overSocket(t, s.o.DataDir), r); status != 200 || !strings.HasPrefix(body, `{"code":0,`) {
			t.Errorf("%s over the socket: %d %s", path, status, body)
		}
	}
	if status, body := get(t, url+"/status", "", ""); status != 200 || body != "Node dunlin@host is started\nemqx is running" {
		t.Errorf("status: %d %q", status, body)
	}
}

func TestAliveAndReady(t *testing.T) {
	f := func(url, path string, status int, body string) {
		t.Helper()
		if got, text := get(t, url+path, "", ""); got != status || text != body {
			t.Errorf("%s: %d %q, want %d %q", path, got, text, status, body)
		}
	}
	_, _, url := startServer(t)
	f(url, "/livez", 200, "ok")
	f(url, "/readyz", 200, "ok")
	_, _, url = startServer(t, func(o *Options) { o.Degraded = func() string { return "no room" } })
	f(url, "/readyz", 200, "degraded: no room")
	_, _, url = startServer(t, func(o *Options) { o.MQTT = closedListeners{} })
	f(url, "/livez", 200, "ok")
	f(url, "/readyz", 503, "no MQTT listener is open")
}

// closedListeners are one that was stopped.
type closedListeners struct{}

func (closedListeners) StopListener(string, string) error { return server.ErrNoListener }

func (closedListeners) RestartListener(string, string) error { return server.ErrNoListener }

func (closedListeners) Listeners() []server.ListenerStatus {
	return []server.ListenerStatus{{Protocol: "tcp", Name: "external"}}
}

func TestPortThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	s, _ := newServer(t, func(o *Options) {
		o.Config.HTTP.Addresses = Addresses{config.NewAddress("127.0.0.1", 0), config.NewAddress("127.0.0.1", port)}
	})
	want := "management.listener.http = " + l.Addr().String() + ": the port is taken; choose another, or off"
	if err := s.Start(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if left := s.Listeners(); left != nil {
		t.Errorf("still open: %v", left)
	}
}

func TestNoMoreConnectionsThanConfigured(t *testing.T) {
	_, _, url := startServer(t, func(o *Options) { o.Config.HTTP.MaxClients = 1 })
	first, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(first, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := first.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Get(url + "/status")
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	select {
	case status := <-answered:
		t.Errorf("a second connection was served (%d) while the first is open", status)
	case <-timeAfter(t):
	}
	first.Close()
	if status := <-answered; status != 200 {
		t.Errorf("once the first is closed: %d", status)
	}
}

func TestSocket(t *testing.T) {
	s, _, _ := startServer(t)
	path := Socket(s.o.DataDir)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: others can get in", info.Mode())
	}
	other, _ := newServer(t, func(o *Options) { o.DataDir = s.o.DataDir })
	if err := other.Start(); err == nil || !strings.Contains(err.Error(), "another node is running in this data directory") {
		t.Errorf("a second node in the same directory: %v", err)
	}
	s.Stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after the stop: %v", err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	other.Stop()
}

func TestSocketThatAKilledNodeLeft(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	s, _ := newServer(t, func(o *Options) { o.DataDir = dir })
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
}

func TestGreeting(t *testing.T) {
	noSecret := func(o *Options) { o.Config.DefaultSecret = "" }
	s, f, url := startServer(t, noSecret)
	text := s.Greeting()
	_, secret, ok := strings.Cut(text, "curl -u admin:")
	secret, _, _ = strings.Cut(secret, " ")
	if !ok || len(secret) < 20 || !strings.Contains(text, url+"/api/v4/brokers") {
		t.Fatalf("the greeting is %q", text)
	}
	if status, body := get(t, url+"/api/v4/brokers", "admin", secret); status != 200 {
		t.Errorf("the login of the greeting: %d %s", status, body)
	}
	if strings.Contains(f.log.String(), secret) {
		t.Error("the secret is in the log")
	}
	for id, value := range f.keeper.Records() {
		if strings.Contains(value, secret) {
			t.Errorf("the secret is kept in clear: %s %s", id, value)
		}
	}

	again, _, url := startServer(t, noSecret, func(o *Options) { o.Apps = f.keeper })
	if text := again.Greeting(); text != "" {
		t.Errorf("the second start says %q", text)
	}
	if status, _ := get(t, url+"/api/v4/brokers", "admin", secret); status != 200 {
		t.Errorf("the login of the first start is gone: %d", status)
	}
}

func TestNoLoginIsMadeForNobody(t *testing.T) {
	s, f := newServer(t, func(o *Options) { o.Config.DefaultSecret = "" })
	if len(f.keeper.Records()) != 0 || s.Greeting() != "" {
		t.Errorf("without a listener there is a login: %v", f.keeper.Records())
	}
}
