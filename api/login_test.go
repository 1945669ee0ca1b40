package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// from makes a request of somebody at an address.
func from(remote, method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = remote
	return r
}

// TestNoRouteWithoutLogin asks for every route of every version, and for some
// that don't exist.
func TestNoRouteWithoutLogin(t *testing.T) {
	s, f := newServer(t)
	h := s.handler(management)
	refused := func(r *http.Request) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 401 || w.Body.String() != "UNAUTHORIZED" || w.Header().Get("WWW-Authenticate") != `Basic Realm="minirest-server"` {
			t.Errorf("%s %s: %d %s %v", r.Method, r.URL, w.Code, w.Body, w.Header())
		}
	}
	for i := range s.routes {
		route := &s.routes[i]
		if route.open {
			continue
		}
		for _, v := range strings.Fields(route.Versions.String()) {
			body := `{"username":"u","clientid":"c","password":"p","who":"c","as":"clientid","topic":"t","action":"pub","access":"allow"}`
			refused(from("192.0.2.1:1", route.Method, "/api/"+v+route.Path, body))
		}
	}
	refused(from("192.0.2.1:1", "GET", "/api/v4/nothing", ""))
	refused(from("192.0.2.1:1", "OPTIONS", "/api/v4/brokers", ""))
	bearer := from("192.0.2.1:1", "GET", "/api/v4/brokers", "")
	bearer.Header.Set("Authorization", "Bearer x")
	refused(bearer)
	broken := from("192.0.2.1:1", "GET", "/api/v4/brokers", "")
	broken.Header.Set("Authorization", "Basic !!!")
	refused(broken)
	if len(f.all)+len(f.rules)+len(f.control.Bans().All()) > 0 {
		t.Error("something was changed all the same")
	}
}

// login returns the status that a login at an address gets.
func login(h http.Handler, remote, id, secret string) (int, http.Header) {
	r := from(remote, "GET", "/api/v4/brokers", "")
	r.SetBasicAuth(id, secret)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header()
}

func TestLogin(t *testing.T) {
	s, _ := newServer(t)
	for _, a := range []App{
		{ID: "off"}, {ID: "over", Enabled: true, Expires: time.Now().Add(-time.Hour)},
		{ID: "soon", Enabled: true, Expires: time.Now().Add(time.Hour)},
	} {
		if _, err := s.apps.Add(a, secretOfAdmin); err != nil {
			t.Fatal(err)
		}
	}
	h := s.handler(management)
	f := func(id, secret string, want int) {
		t.Helper()
		if got, _ := login(h, "192.0.2.1:1", id, secret); got != want {
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

func TestGuessingIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newServer(t)
		h := s.handler(management)
		if status, _ := login(h, "192.0.2.9:1", "admin", secretOfAdmin); status != 200 {
			t.Fatal(status)
		}
		var last http.Header
		for i := range maxTries + 5 {
			want := 401
			if i >= maxTries {
				want = 429
			}
			status, header := login(h, fmt.Sprintf("192.0.2.1:%d", i+1), "admin", fmt.Sprint("guess", i))
			if status != want {
				t.Fatalf("guess %d: %d, want %d", i+1, status, want)
			}
			last = header
		}
		if last.Get("Retry-After") == "" {
			t.Error("it isn't said when to come again")
		}
		if n := strings.Count(f.log.String(), "wrong too often"); n != 1 || strings.Contains(f.log.String(), "guess") {
			t.Errorf("the log says: %s", f.log.String())
		}
		// Who is known stays in, from there as well; others can still log in.
		if status, _ := login(h, "192.0.2.1:99", "admin", secretOfAdmin); status != 200 {
			t.Errorf("a proven login from the same address: %d", status)
		}
		if status, _ := login(h, "192.0.2.2:1", "admin", "wrong"); status != 401 {
			t.Errorf("another address: %d", status)
		}
	})
}

func TestGuessingAtOnceIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t)
		h := s.handler(management)
		codes := make(chan int)
		for i := range 40 {
			go func() {
				status, _ := login(h, "192.0.2.1:1", "admin", fmt.Sprint("guess", i))
				codes <- status
			}()
		}
		count := make(map[int]int)
		for range 40 {
			count[<-codes]++
		}
		if count[401] > maxTries || count[401]+count[429] != 40 {
			t.Errorf("40 guesses at once: %v", count)
		}
	})
}

func TestManyAtOnceMayLogIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t)
		h := s.handler(management)
		codes := make(chan int)
		for range 40 {
			go func() {
				status, _ := login(h, "192.0.2.1:1", "admin", secretOfAdmin)
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

func TestTriesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b tries
		for i := range maxTries {
			if wait := b.wait(time.Now()); wait != 0 {
				t.Fatalf("try %d waits %v", i+1, wait)
			}
			if full := b.failed(time.Now()); full != (i == maxTries-1) {
				t.Fatalf("try %d: full %v", i+1, full)
			}
		}
		if wait := b.wait(time.Now()); wait != tryAgain {
			t.Errorf("then it waits %v, want %v", wait, tryAgain)
		}
		time.Sleep(tryAgain)
		if wait := b.wait(time.Now()); wait != 0 {
			t.Errorf("after %v it waits %v", tryAgain, wait)
		}
		b.failed(time.Now())
		if wait := b.wait(time.Now()); wait != tryAgain {
			t.Errorf("one more lets it wait %v, want %v", wait, tryAgain)
		}
		time.Sleep(time.Hour)
		for range maxTries {
			b.failed(time.Now())
		}
		if wait := b.wait(time.Now()); wait != tryAgain {
			t.Errorf("an hour has saved up tries: %v, want %v", wait, tryAgain)
		}
	})
}

func TestAddressesThatAreOne(t *testing.T) {
	var a attempts
	f := func(one, other string, same bool) {
		t.Helper()
		if (a.of(one) == a.of(other)) != same {
			t.Errorf("%s and %s: want the same bucket %v", one, other, same)
		}
	}
	f("192.0.2.1:1", "192.0.2.1:2", true)
	f("192.0.2.1:1", "[::ffff:192.0.2.1]:2", true)
	f("192.0.2.1:1", "192.0.2.2:1", false)
	f("[2001:db8::1]:1", "[2001:db8::2:0:0:1]:1", true)
	f("[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false)
	f("[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true)
	for i := range maxTried + 100 {
		a.of(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	if n := len(a.byAddress); n > maxTried {
		t.Errorf("%d addresses are kept, want at most %d", n, maxTried)
	}
}
