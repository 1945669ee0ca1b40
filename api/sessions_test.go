package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/keep/keeptest"

	"github.com/dunlin-mq/dunlin/api/login"
	"github.com/dunlin-mq/dunlin/auth"
)

const passwordOfRoot = "battery staple"

// withUsers lets there be two users of the dashboard: root, an administrator,
// and guest, a viewer.
func withUsers(o *Options) {
	o.Users = keeptest.New()
	hash, err := auth.ParseHash(fastHash)
	if err != nil {
		panic(err)
	}
	users, err := login.OpenUsers(o.Users, login.NewHasher(hash, auth.NewPasswords()), login.SessionOptions{}, nil)
	if err != nil {
		panic(err)
	}
	for name, role := range map[string]login.Role{"root": login.Administrator, "guest": login.Viewer} {
		if err := users.Add(context.Background(), login.User{Name: name, Role: role}, passwordOfRoot); err != nil {
			panic(err)
		}
	}
}

// browser is somebody at the dashboard's port with a cookie.
type browser struct {
	t      *testing.T
	h      http.Handler
	cookie *http.Cookie
}

// ask returns status and body; a cookie that is set is kept.
func (b *browser) ask(method, path, body string, headers ...string) (int, string) {
	b.t.Helper()
	r := from("192.0.2.1:1", method, path, body)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name != "dunlin_session" || c.Path != "/" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
			b.t.Errorf("the cookie is %v", c)
		}
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return w.Code, w.Body.String()
}

func (b *browser) want(method, path, body string, status int, text string) {
	b.t.Helper()
	if got, said := b.ask(method, path, body); got != status || !strings.Contains(said, text) {
		b.t.Errorf("%s %s: %d %s, want %d %s", method, path, got, said, status, text)
	}
}

// newBrowser logs a user in, if there is a name.
func newBrowser(t *testing.T, s *Server, name string) *browser {
	t.Helper()
	b := &browser{t: t, h: s.handler(dashboard)}
	if name == "" {
		return b
	}
	b.want("POST", "/api/v4/auth", `{"username":"`+name+`","password":"`+passwordOfRoot+`"}`, 200, `"username":"`+name+`"`)
	if b.cookie == nil {
		t.Fatal("no cookie")
	}
	return b
}

func TestSessionOfABrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t, withUsers)
		b := newBrowser(t, s, "root")
		b.want("GET", "/api/v4/auth", "", 200, `"expires_at":`+fmt.Sprint(time.Now().Add(time.Hour).UnixMilli())+`,"role":"administrator","username":"root"`)
		b.want("GET", "/api/v3/brokers", "", 200, `"code":0`)
		b.want("PUT", "/api/v4/users/guest", `{"tags":"viewer"}`, 200, `{"code":0}`)
		time.Sleep(59 * time.Minute)
		b.want("GET", "/api/v4/brokers", "", 200, `"code":0`)
		time.Sleep(59 * time.Minute)
		b.want("GET", "/api/v4/brokers", "", 200, `"code":0`)
		time.Sleep(time.Hour)
		b.want("GET", "/api/v4/brokers", "", 401, "UNAUTHORIZED")

		b = newBrowser(t, s, "root")
		left := *b
		b.want("DELETE", "/api/v4/auth", "", 200, `{"code":0}`)
		if b.cookie != nil {
			t.Error("the cookie is left")
		}
		left.want("GET", "/api/v4/auth", "", 401, "UNAUTHORIZED")
	})
}

// TestNoSessionIsTakenOver: the id that somebody had put into the browser
// before is none after a login, and an older session ends with the next login.
func TestNoSessionIsTakenOver(t *testing.T) {
	s, _ := newServer(t, withUsers)
	b := newBrowser(t, s, "")
	b.cookie = &http.Cookie{Name: "dunlin_session", Value: strings.Repeat("A", 43)}
	planted := *b
	auth := `{"username":"root","password":"` + passwordOfRoot + `"}`
	b.want("POST", "/api/v4/auth", auth, 200, `"code":0`)
	planted.want("GET", "/api/v4/auth", "", 401, "")
	before := *b
	b.want("POST", "/api/v4/auth", auth, 200, `"code":0`)
	if b.cookie.Value == before.cookie.Value {
		t.Error("the id is the same")
	}
	before.want("GET", "/api/v4/auth", "", 401, "")
	b.want("GET", "/api/v4/auth", "", 200, `"username":"root"`)
}

func TestLoginsThatOpenNoSession(t *testing.T) {
	s, _ := newServer(t, withUsers)
	auth := `{"username":"root","password":"` + passwordOfRoot + `"}`
	b := newBrowser(t, s, "")
	if status, said := b.ask("POST", "/api/v4/auth", auth, "Dunlin-Session", "none"); status != 200 || said != `{"code":0}` {
		t.Errorf("only asked: %d %s", status, said)
	}
	b.want("POST", "/api/v3/auth", auth, 200, `{"code":0}`)
	b.want("POST", "/api/v4/auth", `{"username":"root","password":"wrong"}`, 200, `{"message":"Username/Password error"}`)
	b.want("POST", "/api/v4/auth", `{"username":"nobody","password":"wrong"}`, 200, `{"message":"Username/Password error"}`)
	if b.cookie != nil {
		t.Error("there is a session all the same")
	}
	// Basic, as scripts for EMQ X have it.
	if status, _ := logIn(s.handler(dashboard), "192.0.2.1:1", "guest", passwordOfRoot); status != 200 {
		t.Errorf("Basic: %d", status)
	}
	// A login that is wrong is not made up for by a cookie.
	b = newBrowser(t, s, "root")
	if status, _ := b.ask("GET", "/api/v4/brokers", "", "Authorization", basic("root", "wrong")); status != 401 {
		t.Errorf("a wrong login with a session: %d", status)
	}
	if w := visit(s.handler(management), "POST", "/api/v4/auth"); w.Code != 401 {
		t.Errorf("at the management ports: %d", w.Code)
	}
}

func TestCookieOverTLS(t *testing.T) {
	s, _ := newServer(t, withUsers)
	auth := `{"username":"root","password":"` + passwordOfRoot + `"}`
	b := newBrowser(t, s, "")
	b.want("POST", "/api/v4/auth", auth, 200, "")
	if b.cookie.Secure {
		t.Error("over http the browser would not send the cookie back")
	}
	b.ask("POST", "/api/v4/auth", auth, "X-Forwarded-Proto", "https")
	if !b.cookie.Secure {
		t.Error("behind a proxy with TLS the cookie may go over http")
	}
	r := httptest.NewRequest(http.MethodPost, "https://node/api/v4/auth", strings.NewReader(auth))
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	if all := w.Result().Cookies(); len(all) != 1 || !all[0].Secure {
		t.Errorf("over https: %v", all)
	}
}

// TestViewersCannotWrite asks for every route that isn't GET, or shows secrets.
func TestViewersCannotWrite(t *testing.T) {
	s, f := newServer(t, withUsers)
	viewer, admin := newBrowser(t, s, "guest"), newBrowser(t, s, "root")
	body := `{"username":"u","clientid":"c","password":"long enough","who":"c","as":"clientid","topic":"t","action":"pub","access":"allow","app_id":"x"}`
	asked := 0
	for i := range s.routes {
		route := &s.routes[i]
		for _, v := range strings.Fields(route.Versions.String()) {
			path := "/api/" + v + route.Path
			switch {
			case route.own, route.local:
			case route.Method != http.MethodGet || route.secret:
				viewer.want(route.Method, path, body, 403, "Only an administrator may do that")
				asked++
			default:
				viewer.want(route.Method, path, "", 200, "")
			}
		}
	}
	if asked < 50 || len(f.all)+len(f.rules)+len(f.control.Bans().All()) > 0 || len(s.apps.All()) != 1 || len(s.users.All()) != 2 {
		t.Errorf("of %d routes one has changed something", asked)
	}
	viewer.want("DELETE", "/api/v4/nothing", "", 404, "Not found.")
	viewer.want("PUT", "/api/v4/change_pwd/root", `{"old_pwd":"`+passwordOfRoot+`","new_pwd":"another one"}`, 403, "Only an administrator may do that")
	viewer.want("PUT", "/api/v4/change_pwd/guest", `{"old_pwd":"`+passwordOfRoot+`","new_pwd":"another one"}`, 200, `{"code":0}`)
	admin.want("GET", "/api/v3/auth_username/u", "", 200, `{"code":0`)
	if status, _ := logIn(s.handler(dashboard), "192.0.2.1:1", "guest", "another one"); status != 200 {
		t.Errorf("the new password: %d", status)
	}
}

// TestRoutesThatShowSecrets: an answer that has a hash or a key in it is not
// for viewers.
func TestRoutesThatShowSecrets(t *testing.T) {
	s, _ := newServer(t)
	for i := range s.routes {
		r := &s.routes[i]
		shows := strings.Contains(r.Returns, "password") && !strings.Contains(r.Returns, "change_password") ||
			strings.Contains(r.Returns, "secret") && !strings.Contains(r.Returns, "secret: bool") && r.Method == http.MethodGet || strings.Contains(r.Returns, "key}") || strings.Contains(r.Returns, "stored_key") ||
			strings.Contains(r.Returns, "{filename, file}")
		if r.Method == http.MethodGet && shows != r.secret {
			t.Errorf("%s %s answers %s: secret %v", r.Method, r.Path, r.Returns, r.secret)
		}
	}
}

func TestChangeOfPassword(t *testing.T) {
	s, f := newServer(t, withUsers)
	b, elsewhere, root := newBrowser(t, s, "guest"), newBrowser(t, s, "guest"), newBrowser(t, s, "root")
	before := *b
	change := `{"old_pwd":"` + passwordOfRoot + `","new_pwd":"another one"}`
	b.want("PUT", "/api/v4/change_pwd/guest", change, 200, `{"code":0}`)
	b.want("GET", "/api/v4/auth", "", 200, `"username":"guest"`)
	before.want("GET", "/api/v4/auth", "", 401, "")
	elsewhere.want("GET", "/api/v4/auth", "", 401, "")
	root.want("GET", "/api/v4/auth", "", 200, "")

	root.want("PUT", "/api/v4/users/root", `{"password":"without the old"}`, 200, "to change a password of one's own, the old one is needed")
	root.want("PUT", "/api/v4/users/guest", `{"password":"the third one","change_password":true}`, 200, `{"code":0}`)
	b.want("GET", "/api/v4/auth", "", 401, "")
	if text := f.log.String(); strings.Contains(text, "another one") || strings.Contains(text, "the third") || strings.Contains(text, passwordOfRoot) {
		t.Errorf("a password is in the log: %s", text)
	}
	for i := range 20 { // guessing the old one is limited as well
		_, said := root.ask("PUT", "/api/v4/change_pwd/guest", fmt.Sprintf(`{"old_pwd":"guess %d","new_pwd":"long enough"}`, i))
		if want := map[bool]string{true: "TOO MANY ATTEMPTS", false: `{"message":"Username/Password error"}`}[i >= 10]; said != want {
			t.Errorf("guess %d: %s, want %s", i, said, want)
		}
	}
}

// TestChangesEndSessions: nothing is left of what a role has allowed.
func TestChangesEndSessions(t *testing.T) {
	s, _ := newServer(t, withUsers)
	root, guest := newBrowser(t, s, "root"), newBrowser(t, s, "guest")
	root.want("PUT", "/api/v4/users/guest", `{"tags":"administrator"}`, 200, `{"code":0}`)
	guest.want("GET", "/api/v4/brokers", "", 401, "")
	guest = newBrowser(t, s, "guest")
	guest.want("DELETE", "/api/v4/users/root", "", 200, `{"code":0}`)
	root.want("GET", "/api/v4/brokers", "", 401, "")
	guest.want("DELETE", "/api/v4/users/guest", "", 200, `{"message":"Cannot delete admin"}`)
}

// TestFirstPasswordHasToBeChanged before anything else is answered.
func TestFirstPasswordHasToBeChanged(t *testing.T) {
	s, _, url := startServer(t, atDashboard)
	_, rest, _ := strings.Cut(s.Greeting(), url+"  user admin, password ")
	password := strings.TrimSpace(rest)
	if len(password) < 20 || !strings.Contains(s.Greeting(), "has to be changed") || strings.Contains(s.Greeting(), "curl") {
		t.Fatalf("the greeting is %q", s.Greeting())
	}
	b := newBrowser(t, s, "")
	b.want("POST", "/api/v4/auth", `{"username":"admin","password":"`+password+`"}`, 200, `"change_password":true`)
	b.want("GET", "/api/v4/auth", "", 200, `"change_password":true`)
	for i := range s.routes {
		if r := &s.routes[i]; !r.own {
			b.want(r.Method, "/api/"+strings.Fields(r.Versions.String())[0]+r.Path, "", 403, "Change the password first")
		}
	}
	b.want("PUT", "/api/v4/change_pwd/other", `{"old_pwd":"x","new_pwd":"long enough"}`, 403, "Change the password first")
	if status, _ := logIn(s.handler(dashboard), "192.0.2.1:1", "admin", password); status != 403 {
		t.Errorf("Basic: %d", status)
	}
	b.want("PUT", "/api/v4/change_pwd/admin", `{"old_pwd":"`+password+`","new_pwd":"my own choice"}`, 200, `{"code":0}`)
	b.want("GET", "/api/v4/auth", "", 200, `"change_password":false`)
	b.want("GET", "/api/v4/brokers", "", 200, `"code":0`)
	if status, _ := logIn(s.handler(dashboard), "192.0.2.1:1", "admin", password); status != 401 {
		t.Errorf("the first password: %d", status)
	}
}

func TestOtherSitesMayNotUseACookie(t *testing.T) {
	s, _ := newServer(t, withUsers)
	b := newBrowser(t, s, "root")
	f := func(method, path string, want int, headers ...string) {
		t.Helper()
		if status, said := b.ask(method, path, `{"tags":"viewer","username":"root","password":"`+passwordOfRoot+`"}`, headers...); status != want {
			t.Errorf("%s %s %v: %d %s, want %d", method, path, headers, status, said, want)
		}
	}
	for i := range s.routes {
		if r := &s.routes[i]; r.Method != http.MethodGet {
			path := "/api/" + strings.Fields(r.Versions.String())[0] + r.Path
			f(r.Method, path, 403, "Sec-Fetch-Site", "cross-site")
			f(r.Method, path, 403, "Sec-Fetch-Site", "same-site")
			f(r.Method, path, 403, "Origin", "https://evil.example")
		}
	}
	b.want("GET", "/api/v4/auth", "", 200, `"username":"root"`)
	f("PUT", "/api/v4/users/guest", 200, "Sec-Fetch-Site", "same-origin")
	f("PUT", "/api/v4/users/guest", 200, "Origin", "http://example.com") // httptest's host
}

// TestHiddenRoutes are not at the management ports, and not in its list.
func TestHiddenRoutes(t *testing.T) {
	s, _ := newServer(t, withUsers)
	h := s.handler(management)
	for i := range s.routes {
		route := &s.routes[i]
		if !route.private {
			continue
		}
		for _, v := range strings.Fields(route.Versions.String()) {
			r := from("192.0.2.1:1", route.Method, "/api/"+v+route.Path, "{}")
			r.SetBasicAuth("admin", secretOfAdmin)
			if got := ask(h, r); got != "404 Not found." {
				t.Errorf("%s %s: %s", route.Method, route.Path, got)
			}
		}
	}
	r := from("192.0.2.1:1", "GET", "/api/v4/", "")
	r.SetBasicAuth("admin", secretOfAdmin)
	if got := ask(h, r); strings.Contains(got, "list_apps") || !strings.Contains(got, "list_brokers") {
		t.Errorf("the list is %s", got)
	}
	b := newBrowser(t, s, "guest")
	b.want("GET", "/api/v4/", "", 200, "list_apps")
}
