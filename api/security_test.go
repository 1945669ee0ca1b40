package api

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// timeAfter is long enough for a request on this machine.
func timeAfter(*testing.T) <-chan time.Time { return time.After(100 * time.Millisecond) }

func TestBodyThatIsTooLong(t *testing.T) {
	s, f := newServer(t)
	h := s.handler(socket)
	long := `{"username":"u","password":"` + strings.Repeat("x", maxBody) + `"}`
	if got := ask(h, from("@", "POST", "/api/v4/auth_username", long)); got != "413 Request Entity Too Large" {
		t.Errorf("got %s", got)
	}
	if len(f.all) != 0 {
		t.Error("the user was added all the same")
	}
}

// TestNameThatIsNoPart: a client leaves out the part "." of a path, and what is
// left must not mean everything. Traces are never called so, and EMQ X has the
// slash for all of them.
func TestNameThatIsNoPart(t *testing.T) {
	s, _ := newServer(t)
	h := s.handler(socket)
	all := 0
	for i := range s.routes {
		one := &s.routes[i]
		path, name, _ := strings.Cut(one.Path, ":")
		if one.Method != http.MethodDelete || name == "" || strings.Contains(name, "/") || path == "/trace/" {
			continue
		}
		all++
		if got := ask(h, from("@", "DELETE", "/api/v4"+path, "")); got != "404 Not found." {
			t.Errorf("DELETE %s: %s", path, got)
		}
	}
	if all < 5 {
		t.Errorf("only %d routes delete something by its name", all)
	}
}

// TestStrangersAreBrief: what nobody has proven to be is no reason to read
// megabytes.
func TestStrangersAreBrief(t *testing.T) {
	s, _ := newServer(t, withUsers)
	h := s.handler(dashboard)
	long := `{"username":"` + strings.Repeat("x", maxOpenBody) + `","password":"x"}`
	if got := ask(h, from("192.0.2.1:1", "POST", "/api/v4/auth", long)); got != "413 Request Entity Too Large" {
		t.Errorf("got %.100s", got)
	}
}

func TestPathsLeadNowhereElse(t *testing.T) {
	_, _, url := startServer(t)
	for path, want := range map[string]int{
		"/api/v4/../../etc/passwd":                 404,
		"/../api/v4/brokers":                       400,
		"/api/v4/auth_username/%2e%2e%2f%2e%2e":    200, // the name of a user
		"/api/v4/auth_username/../../v3/brokers":   404,
		"/api%2Fv4%2Fbrokers":                      400,
		"/api/v4/auth_username/%00":                200,
		"/api/v4/brokers/..":                       200, // no such node
		"/api/v4/" + strings.Repeat("a/", 1000):    404,
		"/api/v4/auth_username?_page=1;drop=table": 400,
	} {
		got := rawRequest(t, url, "GET "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: "+basic("admin", secretOfAdmin)+"\r\n\r\n")
		if got.StatusCode != want {
			t.Errorf("%.60s: %d, want %d", path, got.StatusCode, want)
		}
		if got.Header.Get("Location") != "" {
			t.Errorf("%.60s leads to %s", path, got.Header.Get("Location"))
		}
	}
}

// TestNamesStayOutOfHeaders gives names that would be headers and pages, were
// they written as they are.
func TestNamesStayOutOfHeaders(t *testing.T) {
	_, _, url := startServer(t)
	for _, name := range []string{"x%0d%0aSet-Cookie:%20a=b", "%3Cscript%3Ealert(1)%3C/script%3E", "%22%7D%0a%0a"} {
		got := rawRequest(t, url, "GET /api/v4/brokers/"+strings.ReplaceAll(name, "/", "%2F")+
			" HTTP/1.1\r\nHost: x\r\nAuthorization: "+basic("admin", secretOfAdmin)+"\r\n\r\n")
		if got.Header.Get("Set-Cookie") != "" || got.Header.Get("Content-Type") != "application/json" ||
			got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the headers are %v", name, got.Header)
		}
	}
	got := rawRequest(t, url, "GET /api/v4/nothing%0d%0aSet-Cookie:a=b HTTP/1.1\r\nHost: x\r\nAuthorization: "+basic("admin\r\nX: y", "x")+"\r\n\r\n")
	if got.Header.Get("Set-Cookie") != "" || got.Header.Get("X") != "" {
		t.Errorf("the headers are %v", got.Header)
	}
}

func TestOtherSitesMayNotChangeAnything(t *testing.T) {
	s, f := newServer(t)
	h := s.handler(management)
	f1 := func(method, site string, want int) {
		t.Helper()
		r := from("127.0.0.1:1", method, "/api/v4/auth_username", "")
		if method == "POST" {
			r = from("127.0.0.1:1", method, "/api/v4/auth_username", `{"username":"u","password":"p"}`)
		}
		r.SetBasicAuth("admin", secretOfAdmin)
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s, %s: %d, want %d", method, site, w.Code, want)
		}
		if len(w.Header().Values("Access-Control-Allow-Origin")) > 0 {
			t.Error("other sites may read the answer")
		}
	}
	f1("POST", "cross-site", 403)
	f1("POST", "same-site", 403)
	if len(f.all) != 0 {
		t.Error("the user was added all the same")
	}
	f1("POST", "same-origin", 200)
	f1("GET", "cross-site", 200)
}

func TestSecretsStayOutOfTheLog(t *testing.T) {
	s, f := newServer(t)
	h := s.handler(socket)
	ask(h, from("@", "POST", "/api/v4/auth_username?password=hush1", `{"username":"u","password":"hush2"}`))
	ask(h, from("@", "PUT", "/api/v4/auth_username/u?password=hush3", ""))
	if text := f.log.String(); strings.Contains(text, "hush") || strings.Count(text, "path=/api/v4/auth_username") != 2 {
		t.Errorf("the log says: %s", text)
	}
}

func TestABugIsAnAnswerAndALine(t *testing.T) {
	s, f := newServer(t)
	if got := ask(s.handler(socket), from("@", "POST", "/api/v4/auth_username", `{"username":"panic","password":"hush"}`)); got != "500 Internal Error" {
		t.Errorf("got %s", got)
	}
	if text := f.log.String(); !strings.Contains(text, "a bug") || strings.Contains(text, "hush") {
		t.Errorf("the log says: %s", text)
	}
}

func TestStrangeRequests(t *testing.T) {
	_, _, url := startServer(t)
	for request, want := range map[string]int{
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n":                                              400,
		"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n":                  400,
		"GET http://example.org/api/v4/brokers HTTP/1.1\r\nHost: example.org\r\n\r\n":        401,
		"GET /status HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n": 431,
	} {
		if got := rawRequest(t, url, request); got.StatusCode != want {
			t.Errorf("%.40q: %d, want %d", request, got.StatusCode, want)
		}
	}
}

// rawRequest sends text as it stands.
func rawRequest(t *testing.T, url, text string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	go io.WriteString(c, text)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", text, err)
	}
	resp.Body.Close()
	return resp
}

func basic(id, secret string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}
