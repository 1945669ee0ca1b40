package api

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestDocsPage(t *testing.T) {
	s, _ := newServer(t)
	h := s.handler(management)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, from("192.0.2.1:1", "GET", "/api-docs", ""))
	if w.Code != 401 {
		t.Fatalf("without a login: %d", w.Code)
	}
	get := func(target string) (page, policy string) {
		r := from("192.0.2.1:1", "GET", target, "")
		r.SetBasicAuth("admin", secretOfAdmin)
		r.Host = `evil"><script>alert(1)</script>`
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		return w.Body.String(), w.Header().Get("Content-Security-Policy")
	}
	for _, v := range []Versions{V3, V4} {
		page, policy := get("/api-docs/?version=" + v.String())
		for i := range s.routes {
			r := &s.routes[i]
			shown := strings.Contains(page, `<span class="method `+r.Method+`">`+r.Method+`</span><code>`+r.Path+`</code>`)
			if r.Versions&v != 0 && !shown {
				t.Errorf("%v: %s %s is not on the page", v, r.Method, r.Path)
			}
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, "evil\"") {
			t.Error("the name of the host was taken as it came")
		}
		nonce := regexp.MustCompile(`script-src 'nonce-([A-Z0-9]{26})'`).FindStringSubmatch(policy)
		if nonce == nil || strings.Count(page, `nonce="`+nonce[1]+`"`) != 2 {
			t.Errorf("the policy %s doesn't let the page's own script and style run", policy)
		}
		if from := regexp.MustCompile(`(src|href)="(https?:)?//`).FindString(page); from != "" {
			t.Errorf("the page loads something from elsewhere: %s", from)
		}
	}
}

func TestExample(t *testing.T) {
	s, _ := newServer(t)
	f := func(v Versions, method, path, want string) {
		t.Helper()
		r, _ := s.tree.find(v, method, parts(path))
		if got := r.example("http://h/api/v4"); got != want {
			t.Errorf("%s %s: got\n%s, want\n%s", method, path, got, want)
		}
	}
	f(V4, "GET", "/clients", `curl -u APP_ID:SECRET 'http://h/api/v4/clients'`)
	f(V4, "GET", "/clients/x", `curl -u APP_ID:SECRET 'http://h/api/v4/clients/CLIENTID'`)
	f(V4, "DELETE", "/banned/a/b", `curl -u APP_ID:SECRET -X DELETE 'http://h/api/v4/banned/AS/WHO'`)
	f(V3, "DELETE", "/banned/b", `curl -u APP_ID:SECRET -X DELETE 'http://h/api/v4/banned/WHO' --url-query 'as=client_id'`)
	f(V4, "POST", "/mqtt/publish", `curl -u APP_ID:SECRET -X POST 'http://h/api/v4/mqtt/publish' -d '{"topic":"TOPIC"}'`)
	f(V4, "POST", "/acl", `curl -u APP_ID:SECRET -X POST 'http://h/api/v4/acl' -d '{"access":"allow","action":"pub","topic":"TOPIC"}'`)
	f(V4, "GET", "/sasl", `curl -u APP_ID:SECRET 'http://h/api/v4/sasl' --url-query 'mechanism=MECHANISM' --url-query 'username=USERNAME'`)
	f(V4, "GET", "/emqx_prometheus", `curl 'http://h/api/v4/emqx_prometheus'`)
	f(V4, "DELETE", "/acl/$all/topic/x", `curl -u APP_ID:SECRET -X DELETE 'http://h/api/v4/acl/$all/topic/TOPIC'`)
	if got, want := shellQuoted("it's"), `'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
