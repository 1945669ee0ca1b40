package api

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/config"
)

// atDashboard lets the dashboard listen at a free port too, and no other HTTP.
func atDashboard(o *Options) {
	o.Config.HTTP.Addresses = nil
	o.Dashboard.HTTP.Addresses = Addresses{config.NewAddress("127.0.0.1", 0)}
}

// visit returns what a handler answers to a request without login.
func visit(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, from("192.0.2.1:1", method, path, ""))
	return w
}

func TestPages(t *testing.T) {
	s, _ := newServer(t)
	h := s.handler(dashboard)
	f := func(method, path string, status int, want string) {
		t.Helper()
		if w := visit(h, method, path); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, w.Code, w.Body, status, want)
		}
	}
	f("GET", "/", 200, `<a href="/api/v4/">`)
	f("HEAD", "/", 200, "")
	f("POST", "/", 405, "Method Not Allowed")
	f("GET", "/clients", 404, "Not found.")
	f("GET", "/../../etc/passwd", 404, "Not found.")
	f("GET", "/metrics", 404, "Not found.")
	f("GET", "/status", 200, "emqx is running")
	f("GET", "/api/v4/brokers", 401, "UNAUTHORIZED")
	f("GET", "/api", 400, "Not found.")
	f("GET", "/api/v9/brokers", 400, "Not found.")
}

// TestPagesOfTheDashboard is about those that are built in: all paths but the
// interface's are theirs, and what a browser may do with them is theirs to say.
func TestPagesOfTheDashboard(t *testing.T) {
	var asked []string
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		io.WriteString(w, "a page")
	})
	s, _ := newServer(t, func(o *Options) { o.Pages = pages })
	for _, path := range []string{"/", "/clients/c1", "/assets/main.js", "/apis"} {
		w := visit(s.handler(dashboard), "GET", path)
		if w.Code != 200 || w.Body.String() != "a page" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if h := w.Header(); h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "" || h.Get("Content-Security-Policy") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	n := len(asked)
	for _, path := range []string{"/api", "/api/", "/api/v4/brokers", "/status"} {
		visit(s.handler(dashboard), "GET", path)
	}
	for _, d := range []door{management, socket} {
		if w := visit(s.handler(d), "GET", "/"); w.Code != 400 {
			t.Errorf("elsewhere, %q: %d", d, w.Code)
		}
	}
	if len(asked) != n {
		t.Errorf("the pages were asked for %v", asked[n:])
	}
}

func TestDashboardListener(t *testing.T) {
	s, _, url := startServer(t, atDashboard)
	if l := s.Listeners()[0]; l.For != "dashboard" || l.Protocol != "http" {
		t.Errorf("listening is %+v", l)
	}
	if status, body := get(t, url+"/", "", ""); status != 200 || !strings.Contains(body, "Dunlin") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := get(t, url+"/api/v4/brokers", "admin", secretOfAdmin); status != 401 {
		t.Errorf("an app logs in to the dashboard: %d", status)
	}
	rows := ask(s.handler(socket), from("@", "GET", "/api/v4/nodes/dunlin@host/listeners", ""))
	// One connection, or two if the first was not free again in time.
	if !regexp.MustCompile(`"protocol":"http:dashboard".*"max_conns":512,"current_conns":[12],`).MatchString(rows) {
		t.Errorf("the listeners are %s", rows)
	}
}

func TestDashboardPortThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := newServer(t, atDashboard, func(o *Options) {
		o.Dashboard.HTTP.Addresses = Addresses{config.NewAddress("127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port))}
	})
	want := "dashboard.listener.http = " + l.Addr().String() + ": the port is taken; choose another, or off"
	if err := s.Start(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
