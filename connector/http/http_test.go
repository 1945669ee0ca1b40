package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t testing.TB, change func(*Config)) *Client {
	t.Helper()
	var c Config
	c.SetDefaults()
	if change != nil {
		change(&c)
	}
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func serve(t testing.TB, h nethttp.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// short is a context that ends before the test does.
func short(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestDo(t *testing.T) {
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/x-test")
		w.WriteHeader(nethttp.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %s %s %d %q", r.Proto, r.Method, r.Host, r.URL, r.Header.Get("X-A"), r.ContentLength, body)
	})
	c := newClient(t, nil)
	f := func(method, path, body string, header nethttp.Header, want string) {
		t.Helper()
		status, contentType, answer, err := c.Do(t.Context(), method, url+path, header, []byte(body))
		want = strings.Replace(want, "HOST", strings.TrimPrefix(url, "http://"), 1)
		if status != nethttp.StatusTeapot || contentType != "text/x-test" || string(answer) != want || err != nil {
			t.Errorf("%s %s: got %d %s %q %v, want %q", method, path, status, contentType, answer, err, want)
		}
	}
	f("GET", "/a?b=c%20d", "", nil, `HTTP/1.1 GET HOST /a?b=c%20d  0 ""`)
	f("POST", "/", "x=1", nethttp.Header{"X-A": {"1"}}, `HTTP/1.1 POST HOST / 1 3 "x=1"`)
	f("POST", "/", "", nil, `HTTP/1.1 POST HOST /  0 ""`)
	f("GET", "/", "", nethttp.Header{"Host": {"plant.example"}, "X-A": {"2"}}, `HTTP/1.1 GET plant.example / 2 0 ""`)
}

func TestErrorsSayWhereAndKeepSecrets(t *testing.T) {
	slow := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		<-r.Context().Done()
		panic(nethttp.ErrAbortHandler) // never an answer, however late the client looks
	})
	long := serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, strings.Repeat("a", 65<<10)) })
	c := newClient(t, nil)
	f := func(url string, lost bool, want string) {
		t.Helper()
		patience := time.Minute
		if strings.Contains(url, slow[len("http://"):]) {
			patience = 50 * time.Millisecond
		}
		_, _, _, err := c.Do(short(t, patience), "GET", url, nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, connector.ErrNotConnected) != lost {
			t.Errorf("%s: got %v, want it to have %q, not connected: %v", url, err, want, lost)
			return
		}
		if strings.Contains(err.Error(), "hidden") {
			t.Errorf("a secret is in the error: %v", err)
		}
	}
	with := func(url string) string {
		return strings.Replace(url, "//", "//me:hidden@", 1) + "/auth?password=hidden"
	}
	f(with(slow), true, "GET "+slow+"/auth: not connected: context deadline exceeded")
	f(with("http://127.0.0.1:1"), true, "connection refused")
	f(with(long), false, "GET "+long+"/auth: the answer is longer than 65536 bytes")
	f("http://me:hidden@%zz/", false, "a URL that can't be read")
	f("gopher://hidden:1@host/?hidden", true, "unsupported protocol scheme")
}

// TestAnswers has servers that net/http would not write itself.
func TestAnswers(t *testing.T) {
	f := func(name, answer string, status int, body, failure string) {
		t.Helper()
		l := rawServer(t, answer)
		got, _, text, err := newClient(t, nil).Do(short(t, 5*time.Second), "GET", "http://"+l, nil, nil)
		if failure != "" {
			if err == nil || !strings.Contains(err.Error(), failure) {
				t.Errorf("%s: got %v, want it to have %q", name, err, failure)
			}
		} else if got != status || string(text) != body || err != nil {
			t.Errorf("%s: got %d %.50q %v", name, got, text, err)
		}
	}
	f("1.0", "HTTP/1.0 200 OK\r\n\r\nyes", 200, "yes", "")
	f("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n", 200, "yes", "")
	f("no reason phrase", "HTTP/1.1 401\r\nContent-Length: 0\r\n\r\n", 401, "", "")
	f("early hints", "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", "")
	f("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 0, "", "malformed HTTP")
	f("cut short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nyes", 0, "", "reading the answer")
	f("nothing", "", 0, "", "not connected")
	f("long header", "HTTP/1.1 200 OK\r\nA: "+strings.Repeat("a", 80<<10)+"\r\n\r\n", 0, "", "exceeded")
	f("long refusal", "HTTP/1.1 403 No\r\n\r\n"+strings.Repeat("a", 70<<10), 403, strings.Repeat("a", 64<<10), "")
	f("endless", "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("a", 1<<20), 0, "", "longer than")
}

// rawServer answers everything that looks like a request and closes.
func rawServer(t *testing.T, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				if _, err := nethttp.ReadRequest(bufio.NewReader(conn)); err == nil {
					io.WriteString(conn, answer)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

func TestNoRedirects(t *testing.T) {
	var asked atomic.Int32
	elsewhere := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { asked.Add(1) })
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Redirect(w, r, elsewhere, nethttp.StatusTemporaryRedirect)
	})
	status, _, _, err := newClient(t, nil).Do(t.Context(), "POST", url, nil, []byte("password=1"))
	if status != nethttp.StatusTemporaryRedirect || err != nil || asked.Load() != 0 {
		t.Errorf("got %d %v, and %d requests went elsewhere", status, err, asked.Load())
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { t.Error("a proxy was asked") })
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("http_proxy", proxy)
	// Not a loopback address: those never go to a proxy.
	_, _, _, err := newClient(t, nil).Do(short(t, 50*time.Millisecond), "GET", "http://192.0.2.1/", nil, nil)
	if err == nil {
		t.Error("192.0.2.1 answered")
	}
}

func TestPool(t *testing.T) {
	const size, requests = 4, 100
	var conns sync.Map
	var now, most, count atomic.Int32
	url := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, seen := conns.LoadOrStore(r.RemoteAddr, true); !seen {
			count.Add(1)
		}
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(time.Millisecond)
		now.Add(-1)
		fmt.Fprint(w, "ok")
	})
	c := newClient(t, func(c *Config) { c.PoolSize = size })
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			if _, _, _, err := c.Do(t.Context(), "POST", url, nil, []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() > size || count.Load() > size {
		t.Errorf("%d requests at once over %d connections, want at most %d", most.Load(), count.Load(), size)
	}
}

// TestWaitingEnds has the one connection taken: who waits for it gives up in time.
func TestWaitingEnds(t *testing.T) {
	busy, release := make(chan bool), make(chan bool)
	url := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) {
		busy <- true
		<-release
	})
	c := newClient(t, func(c *Config) { c.PoolSize = 1 })
	var all sync.WaitGroup
	all.Go(func() {
		if _, _, _, err := c.Do(t.Context(), "GET", url, nil, nil); err != nil {
			t.Error(err)
		}
	})
	<-busy
	if _, _, _, err := c.Do(short(t, 20*time.Millisecond), "GET", url, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	close(release)
	all.Wait()
}

// TestClosedWhileIdle has a service that closes kept connections just when the
// next request comes: one that may be repeated doesn't fail.
func TestClosedWhileIdle(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns atomic.Int32
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			all.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				r, err := nethttp.ReadRequest(in)
				if err != nil {
					return
				}
				io.Copy(io.Discard, r.Body)
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				in.ReadByte() // the next request begins, and is not answered
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	c := newClient(t, nil)
	mayRepeat := nethttp.Header{"Idempotency-Key": nil}
	for i := range 3 {
		if _, _, _, err := c.Do(short(t, 5*time.Second), "POST", "http://"+l.Addr().String(), mayRepeat, []byte("x")); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if _, _, _, err := c.Do(short(t, 5*time.Second), "POST", "http://"+l.Addr().String(), nil, []byte("x")); err == nil {
		t.Error("a request that may not be repeated was")
	}
	c.Close()
	if conns.Load() < 3 {
		t.Errorf("%d connections: the test has shown nothing", conns.Load())
	}
}

func TestPing(t *testing.T) {
	var asked atomic.Int32
	url := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { asked.Add(1) })
	c := newClient(t, nil)
	if err := c.Ping(t.Context(), url+"/auth"); err != nil || asked.Load() != 0 {
		t.Errorf("got %v and %d requests", err, asked.Load())
	}
	for _, bad := range []string{"http://127.0.0.1:1/?hidden", "http://[::1/hidden", "https" + strings.TrimPrefix(url, "http")} {
		if err := c.Ping(short(t, 100*time.Millisecond), bad); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestConfig(t *testing.T) {
	type keys struct {
		HTTP Config `conf:"auth.http"`
	}
	f := func(text, want string, ok func(c *Config) bool) {
		t.Helper()
		file, err := config.Parse(strings.NewReader(text), "test.conf")
		if err != nil {
			t.Fatal(err)
		}
		var k keys
		_, err = config.Bind(&k, file.Settings, nil)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", text, err, want)
		case want == "" && (err != nil || !ok(&k.HTTP)):
			t.Errorf("%q: got %+v, %v", text, k.HTTP, err)
		}
	}
	timeout := func(d time.Duration) func(*Config) bool {
		return func(c *Config) bool { return c.ConnectTimeout == d }
	}
	f("", "", func(c *Config) bool {
		return c.PoolSize == 32 && c.ConnectTimeout == 5*time.Second && !bool(c.TLS.Verify)
	})
	f("auth.http.connect_timeout = 3s", "", timeout(3*time.Second))
	f("auth.http.request.connect_timeout = 3s", "", timeout(3*time.Second))
	f("auth.http.request.connect_timout = 1500", "", timeout(1500*time.Millisecond))
	f("auth.http.request.connect_timout = 0", "", timeout(0))
	f("auth.http.pool_size = 8", "", func(c *Config) bool { return c.PoolSize == 8 })
	f("auth.http.pool_size = 0", "auth.http.pool_size: expected a value of at least 1", nil)
	f("auth.http.ssl.cafile = ca.pem", "", func(c *Config) bool { return c.TLS.CACertFile == "ca.pem" })
	f("auth.http.ssl.certfile = a.pem", "test.conf:1: auth.http.ssl.certfile: needs a keyfile as well", nil)
	f("auth.http.ssl = on\nauth.http.ssl.certfile = a.pem", "test.conf:2: auth.http.ssl.certfile: needs a keyfile as well", nil)

	bad := Config{TLS: connector.TLS{CACertFile: "/nowhere.pem"}}
	if _, err := New(bad); err == nil || !strings.Contains(err.Error(), "cacertfile") {
		t.Errorf("a file that isn't there: %v", err)
	}
}

func BenchmarkDo(b *testing.B) {
	url := serve(b, func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "ok") })
	c := newClient(b, nil)
	body := []byte("clientid=c&username=u&password=p")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := c.Do(b.Context(), "POST", url, nil, body); err != nil {
			b.Fatal(err)
		}
	}
}
