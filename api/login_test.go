package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/keep/keeptest"

	"github.com/dunlin-mq/dunlin/api/login"
)

// from makes a request of somebody at an address.
func from(remote, method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = remote
	return r
}

// TestNoRouteWithoutLogin asks for every route of every version, and for some
// that don't exist, by every door that wants a login.
func TestNoRouteWithoutLogin(t *testing.T) {
	s, f := newServer(t, withUsers)
	body := `{"username":"u","clientid":"c","password":"p","who":"c","as":"clientid","topic":"t","action":"pub","access":"allow","app_id":"x"}`
	for _, d := range []door{management, dashboard} {
		h := s.handler(d)
		refused := func(r *http.Request, challenge bool) {
			t.Helper()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			want := ""
			if challenge {
				want = `Basic Realm="minirest-server"`
			}
			if w.Code != 401 || w.Body.String() != "UNAUTHORIZED" || w.Header().Get("WWW-Authenticate") != want || w.Header().Get("Set-Cookie") != "" {
				t.Errorf("%s: %s %s: %d %s %v", d, r.Method, r.URL, w.Code, w.Body, w.Header())
			}
		}
		for i := range s.routes {
			route := &s.routes[i]
			if route.open && route.private == (d == dashboard) {
				continue
			}
			for _, v := range strings.Fields(route.Versions.String()) {
				refused(from("192.0.2.1:1", route.Method, "/api/"+v+route.Path, body), d == management || !route.own)
			}
		}
		refused(from("192.0.2.1:1", "GET", "/api/v4/nothing", ""), true)
		refused(from("192.0.2.1:1", "OPTIONS", "/api/v4/brokers", ""), true)
		refused(from("192.0.2.1:1", "GET", "/api-docs", ""), true)
		for header, value := range map[string]string{"Authorization": "Bearer x", "authorization": "Basic !!!", "Cookie": "dunlin_session="} {
			r := from("192.0.2.1:1", "GET", "/api/v4/brokers", "")
			r.Header.Set(header, value)
			refused(r, header != "Cookie" || d == management)
		}
		// The logins of the other door.
		for name, secret := range map[string]string{"admin": secretOfAdmin, "root": passwordOfRoot} {
			r := from("192.0.2.1:1", "GET", "/api/v4/brokers", "")
			if r.SetBasicAuth(name, secret); (name == "root") == (d == management) {
				refused(r, true)
			}
		}
	}
	if len(f.all)+len(f.rules)+len(f.control.Bans().All()) > 0 || len(s.apps.All()) != 1 || len(s.users.All()) != 2 {
		t.Error("something was changed all the same")
	}
}

// logIn returns the status that a login by Basic at an address gets.
func logIn(h http.Handler, remote, id, secret string) (int, http.Header) {
	r := from(remote, "GET", "/api/v4/brokers", "")
	r.SetBasicAuth(id, secret)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header()
}

func TestLogin(t *testing.T) {
	s, _ := newServer(t)
	for _, a := range []login.App{
		{ID: "off"}, {ID: "over", Enabled: true, Expires: time.Now().Add(-time.Hour)},
		{ID: "soon", Enabled: true, Expires: time.Now().Add(time.Hour)},
	} {
		if _, err := s.apps.Add(t.Context(), a, secretOfAdmin); err != nil {
			t.Fatal(err)
		}
	}
	h := s.handler(management)
	f := func(id, secret string, want int) {
		t.Helper()
		if got, _ := logIn(h, "192.0.2.1:1", id, secret); got != want {
			t.Errorf("%s with %q: %d, want %d", id, secret, got, want)
		}
	}
	f("admin", secretOfAdmin, 200)
	f("soon", secretOfAdmin, 200)
	f("off", secretOfAdmin, 401)
	f("over", secretOfAdmin, 401)
	f("Admin", secretOfAdmin, 401)
	f("admin", "", 401)
	f("admin", secretOfAdmin+"x", 401)
	f("", "", 401)
	f("admin", "public", 401)
}

// TestGuessingIsLimited at both kinds of port.
func TestGuessingIsLimited(t *testing.T) {
	f := func(d door, name, secret string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s, f := newServer(t, withUsers)
			h := s.handler(d)
			if status, _ := logIn(h, "192.0.2.9:1", name, secret); status != 200 {
				t.Fatal(status)
			}
			last, guesses := http.Header{}, 0
			for ; last.Get("Retry-After") == "" && guesses < 100; guesses++ {
				var status int
				status, last = logIn(h, fmt.Sprintf("192.0.2.1:%d", guesses+1), name, fmt.Sprint("guess", guesses))
				if want := map[bool]int{true: 429, false: 401}[last.Get("Retry-After") != ""]; status != want {
					t.Fatalf("guess %d: %d, want %d", guesses+1, status, want)
				}
			}
			if guesses != 11 {
				t.Errorf("after %d guesses one has to wait", guesses)
			}
			if n := strings.Count(f.log.String(), "wrong too often"); n != 1 || strings.Contains(f.log.String(), "guess") {
				t.Errorf("the log says: %s", f.log.String())
			}
			// The guesser isn't told when he is right; others can still log in.
			if status, _ := logIn(h, "192.0.2.1:99", name, secret); status != 429 {
				t.Errorf("a right guess from the same address: %d", status)
			}
			if status, _ := logIn(h, "192.0.2.9:1", name, secret); status != 200 {
				t.Errorf("who is in: %d", status)
			}
			if status, _ := logIn(h, "192.0.2.2:1", name, "wrong"); status != 401 {
				t.Errorf("another address: %d", status)
			}
		})
	}
	f(management, "admin", secretOfAdmin)
	f(dashboard, "root", passwordOfRoot)
}

func TestManyAtOnceMayLogIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t)
		h := s.handler(management)
		codes := make(chan int)
		for range 40 {
			go func() {
				status, _ := logIn(h, "192.0.2.1:1", "admin", secretOfAdmin)
				codes <- status
			}()
		}
		for range 40 {
			if status := <-codes; status != 200 {
				t.Fatalf("one of 40 first logins at once: %d", status)
			}
		}
	})
}

func TestAppsOfTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "apps.txt")
	if err := os.WriteFile(file, []byte("one:first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(path string) (*Server, error) {
		o := Options{hash: fastHash}
		o.Config.SetDefaults()
		o.Config.BootstrapFile = path
		return New(o)
	}
	s, err := start(file)
	if err != nil {
		t.Fatal(err)
	}
	if !s.apps.Check(t.Context(), "one", "first") || len(s.apps.All()) != 1 || s.firstApp.secret != "" {
		t.Errorf("the file's apps are %+v; there is a first login beside them: %v", s.apps.All(), s.firstApp.secret != "")
	}
	if _, err := start(file + ".none"); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "management.bootstrap_apps_file: ") {
		t.Errorf("no such file: %v", err)
	}
	keeper := keeptest.Of(map[string]string{"c": "{"})
	for _, o := range []Options{{Apps: keeper}, {Users: keeper}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), `"c" can't be read`) {
			t.Errorf("a damaged record: %v", err)
		}
	}
}

func TestSecretsEverybodyKnows(t *testing.T) {
	_, f := newServer(t, func(o *Options) { o.Config.DefaultSecret, o.Dashboard.DefaultPassword = "public", "public" })
	for _, want := range []string{"management.default_application.secret is the one EMQ X is delivered with", "a user of the dashboard has the password EMQ X is delivered with"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("%s: the log says: %s", want, f.log.String())
		}
	}
	// Once it has been changed it is nobody's.
	keeper := keeptest.New()
	s, _ := newServer(t, func(o *Options) { o.Dashboard.DefaultPassword, o.Users = "public", keeper })
	if err := s.users.SetPassword(t.Context(), "admin", "another one", false); err != nil {
		t.Fatal(err)
	}
	s, f = newServer(t, func(o *Options) { o.Dashboard.DefaultPassword, o.Users = "public", keeper })
	if _, ok := s.users.Check(t.Context(), "admin", "another one"); !ok || strings.Contains(f.log.String(), "everybody knows") {
		t.Errorf("the next start knows him: %v, and says: %s", ok, f.log.String())
	}
}

// TestSecretsAreKeptByBcrypt where nothing else is asked for.
func TestSecretsAreKeptByBcrypt(t *testing.T) {
	keeper := keeptest.New()
	_, _ = newServer(t, func(o *Options) { o.hash, o.Apps = "", keeper })
	if value := keeper.Records()["admin"]; !strings.Contains(value, `"hash":"bcrypt","stored":"$2`) || strings.Contains(value, secretOfAdmin) {
		t.Errorf("kept is %s", value)
	}
}
