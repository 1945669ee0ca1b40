package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
	connhttp "github.com/dunlin-mq/dunlin/connector/http"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bind reads auth.http.* as a node does.
func bind(t testing.TB, text string) (*Config, error) {
	t.Helper()
	file, err := config.Parse(strings.NewReader(text), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	var keys struct {
		HTTP Config `conf:"auth.http"`
	}
	_, err = config.Bind(&keys, file.Settings, nil)
	return &keys.HTTP, err
}

// provider is one over real connections; SERVER in the text is replaced.
func provider(t testing.TB, server, text string) auth.Provider {
	t.Helper()
	c, err := bind(t, strings.ReplaceAll(text, "SERVER", server))
	if err != nil {
		t.Fatal(err)
	}
	link := connhttp.Config{}
	link.SetDefaults()
	client, err := connhttp.New(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	p, err := New(c, client, auth.Backend{Pool: link.PoolSize})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func serve(t testing.TB, h nethttp.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func alice() *auth.Client {
	return &auth.Client{
		ClientID: "c/1", Username: "alice & bob", Peer: netip.MustParseAddrPort("192.0.2.7:4000"), Mountpoint: "m/",
		Listener: &hook.ListenerInfo{Addr: netip.MustParseAddrPort("0.0.0.0:1883")},
		Cert:     &hook.CertInfo{CommonName: "cn", Subject: "CN=cn"},
	}
}

func TestRequests(t *testing.T) {
	got := make(chan string, 1)
	server := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s [%s] %s", r.Method, r.RequestURI, r.Header.Get("Content-Type"), body)
	})
	r := &auth.Request{Client: alice(), Password: []byte("p=&+\r\n\xc3\xbc"), Action: auth.Subscribe, Topic: "a/+/#"}
	f := func(keys, want string) {
		t.Helper()
		p := provider(t, server, "auth.http.auth_req.url = SERVER/auth\n"+strings.ReplaceAll(keys, "; ", "\nauth.http.auth_req."))
		if _, err := p.Authenticate(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if text := <-got; text != want {
			t.Errorf("%s\ngot  %s\nwant %s", keys, text, want)
		}
	}
	const form, asJSON = "[application/x-www-form-urlencoded]", "[application/json]"
	const all = "clientid=c%2F1&username=alice+%26+bob&password=p%3D%26%2B%0D%0A%C3%BC"
	f("", "POST /auth "+form+" "+all)
	f("; method = get", "GET /auth?"+all+" [] ")
	f("; method = get; content_type = json", "GET /auth?"+all+" [] ")
	f("; method = get; url = SERVER/auth?realm=1#top", "GET /auth?realm=1&"+all+" [] ")
	f("; method = get; url = SERVER/auth; params =", "GET /auth [] ")
	f("; content_type = json", "POST /auth "+asJSON+` {"clientid":"c/1","username":"alice \u0026 bob","password":"p=\u0026+\r\nü"}`)
	f("; headers.content_type = application/json; params = a=%c", "POST /auth "+asJSON+` {"a":"c/1"}`)
	f("; headers.content-type = application/json; content_type = x-www-form-urlencoded; params =", "POST /auth "+asJSON+" {}")
	f("; headers.content_type = application/json;charset=utf-8; params = a=b", "POST /auth [application/json;charset=utf-8] "+`{"a":"b"}`)
	f("; params = realm=x y,b=%u", "POST /auth "+form+" realm=x+y&b=alice+%26+bob")
	f("; params = a=%a,C=%C,d=%d,r=%r,p=%p,A=%A,t=%t,m=%m,k=v=w", "POST /auth "+form+
		" a=192.0.2.7&C=cn&d=CN%3Dcn&r=mqtt&p=1883&A=1&t=a%2F%2B%2F%23&m=m%2F&k=v%3Dw")
	f("; params =", "POST /auth "+form+" ")

	// The same over the three generations of keys.
	f("auth.http.auth_req = SERVER/v3; method = post; params = c=%c", "POST /v3 "+form+" c=c%2F1")
	f("auth.http.request.timeout = 0\nauth.http.auth_req = SERVER/v4; content_type = json; params = c=%c", "POST /v4 "+asJSON+` {"c":"c/1"}`)
	r = &auth.Request{Client: &auth.Client{ClientID: "c"}}
	f("", "POST /auth "+form+" clientid=c&username=&password=")
	r.Password = []byte("\xff\xfe")
	f("; params = p=%P", "POST /auth "+form+" p=%FF%FE")
	f("; params = p=%P; content_type = json", "POST /auth "+asJSON+` {"p":"\ufffd\ufffd"}`)
}

func TestHeaders(t *testing.T) {
	got := make(chan nethttp.Header, 1)
	server := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		r.Header.Set("Asked-Host", r.Host)
		got <- r.Header
	})
	p := provider(t, server, `
		auth.http.auth_req.url = SERVER
		auth.http.header.Accept = */*
		auth.http.header.x_realm = common
		auth.http.auth_req.headers.x-realm = plant 1
		auth.http.auth_req.headers.AUTHORIZATION = Bearer x
		auth.http.auth_req.headers.host = plant.example
	`)
	for range 2 { // the headers are shared by all requests
		if _, err := p.Authenticate(t.Context(), &auth.Request{Client: alice()}); err != nil {
			t.Fatal(err)
		}
		h := <-got
		for name, want := range map[string]string{
			"Accept": "*/*", "X-Realm": "plant 1", "Authorization": "Bearer x", "Asked-Host": "plant.example", "Idempotency-Key": "",
		} {
			if values := h.Values(name); strings.Join(values, "|") != want {
				t.Errorf("%s: got %q, want %q", name, values, want)
			}
		}
	}
}

// service answers every URL by its path: /auth/200/body.
type service struct {
	asked []string
	lost  string // the path that can't be reached
}

func (s *service) Do(_ context.Context, _, url string, header nethttp.Header, _ []byte) (status int, contentType string, answer []byte, err error) {
	if _, ok := header["Idempotency-Key"]; !ok {
		return 0, "", nil, errors.New("this may not be asked again on another connection")
	}
	part := strings.SplitN(strings.TrimPrefix(url, "http://s/"), "/", 3)
	s.asked = append(s.asked, part[0])
	if part[0] == s.lost {
		return 0, "", nil, errors.New("connection refused")
	}
	fmt.Sscan(part[1], &status)
	return status, "text/plain", []byte(part[2]), nil
}

func (s *service) Ping(context.Context, string) error { return nil }

// asked returns a provider whose services answer so: "200 body".
func asked(t *testing.T, s *service, authReq, superReq, aclReq string) auth.Provider {
	t.Helper()
	c, err := bind(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		q            *Question
		name, answer string
	}{{&c.Auth, "auth", authReq}, {&c.Super, "super", superReq}, {&c.ACL, "acl", aclReq}} {
		if x.answer != "" {
			x.q.URL = "http://s/" + x.name + "/" + strings.Replace(x.answer, " ", "/", 1)
		}
	}
	p, err := New(c, s, auth.Backend{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAuthenticate(t *testing.T) {
	deny := func(code mqtt.ReasonCode) auth.Answer { return auth.Answer{Verdict: auth.Deny, Code: code} }
	f := func(authReq, superReq string, want auth.Answer, wantAsked string) {
		t.Helper()
		s := &service{}
		got, err := asked(t, s, authReq, superReq, "").Authenticate(t.Context(), &auth.Request{Client: alice()})
		if got != want || err != nil || strings.Join(s.asked, " ") != wantAsked {
			t.Errorf("%s, %s: got %+v %v after %v, want %+v", authReq, superReq, got, err, s.asked, want)
		}
	}
	allow := auth.Answer{Verdict: auth.Allow}
	admin := auth.Answer{Verdict: auth.Allow, Superuser: true}
	f("200 ", "", allow, "auth")
	f("200 ok", "", allow, "auth")
	f("200 ignore", "200 ", auth.Answer{}, "auth")
	f("200 ignore\r\n", "", auth.Answer{}, "auth")
	f("200 ignored", "", allow, "auth")
	f("200 Ignore", "", allow, "auth")
	f("200 ok", "200 ", admin, "auth super")
	f("200 ok", "200 ignore", admin, "auth super")
	f("200 ok", "403 ", allow, "auth super")
	f("200 ok", "204 ", allow, "auth super")
	f("400 ", "200 ", deny(mqtt.BadUserNameOrPassword), "auth")
	f("401 ignore", "", deny(mqtt.BadUserNameOrPassword), "auth")
	f("403 ", "", deny(mqtt.NotAuthorized), "auth")
	f("429 ", "", deny(mqtt.Banned), "auth")
	f("503 ", "", deny(mqtt.ServerUnavailable), "auth")
	f("504 ", "", deny(mqtt.ServerBusy), "auth")

	f(`200 {"mountpoint":"m/%c/"}`, "", auth.Answer{Verdict: auth.Allow, Mountpoint: "m/%c/"}, "auth")
	f(`200  {"mountpoint":"m/","is_superuser":true} `, "", auth.Answer{Verdict: auth.Allow, Mountpoint: "m/"}, "auth")
	f(`200 {"mountpoint":1}`, "", allow, "auth")
	f(`200 {"result":"allow","is_superuser":true,"mountpoint":"m/"}`, "403 ", auth.Answer{Verdict: auth.Allow, Superuser: true, Mountpoint: "m/"}, "auth")
	f(`200 {"result":"allow","is_superuser":false}`, "200 ", allow, "auth")
	f(`200 {"result":"allow"}`, "200 ", admin, "auth super")
	f(`200 {"result":"allow","is_superuser":"true"}`, "", allow, "auth")
	f(`200 {"result":"deny","is_superuser":"broken"}`, "200 ", deny(0), "auth")
	f(`200 {"result":"ignore"}`, "200 ", auth.Answer{}, "auth")
	f(`200 {"result":true}`, "", allow, "auth")
	f(`200 {"result":"ok","is_superuser":true}`, "", allow, "auth")
	f(`200 {"Result":"deny"}`, "", allow, "auth")
	f(`200 {"result":"deny"`, "", allow, "auth")
	f(`200 ["deny"]`, "", allow, "auth")
	f(`200 null`, "", allow, "auth")
}

// TestStatusesAboutNoClient: they are for the log, and for on_error.
func TestStatusesAboutNoClient(t *testing.T) {
	for _, status := range []string{"201", "204", "301", "302", "307", "404", "500", "502"} {
		_, err := asked(t, &service{}, status+" ", "200 ", "").Authenticate(t.Context(), &auth.Request{Client: alice()})
		if err == nil || !strings.Contains(err.Error(), "auth_req was answered with status "+status) || !permanent(err) {
			t.Errorf("%s: %v", status, err)
		}
	}
	for _, status := range []string{"500", "503"} {
		_, err := asked(t, &service{}, "", "", status+" ").Authorize(t.Context(), &auth.Request{Client: alice()})
		if err == nil || !strings.Contains(err.Error(), "acl_req was answered with status "+status) || !permanent(err) {
			t.Errorf("%s: %v", status, err)
		}
	}
}

func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

func TestAuthenticateWithoutAnAnswer(t *testing.T) {
	s := &service{lost: "auth"}
	if got, err := asked(t, s, "200 ok", "200 ", "").Authenticate(t.Context(), &auth.Request{Client: alice()}); err == nil || got.Verdict != auth.Ignore {
		t.Errorf("auth_req lost: got %+v %v, want an error", got, err)
	}
	s = &service{lost: "super"}
	if got, err := asked(t, s, "200 ok", "200 ", "").Authenticate(t.Context(), &auth.Request{Client: alice()}); err != nil || got != (auth.Answer{Verdict: auth.Allow}) {
		t.Errorf("super_req lost: got %+v %v, want an ordinary client", got, err)
	}
	s = &service{lost: "acl"}
	if got, err := asked(t, s, "", "", "200 ok").Authorize(t.Context(), &auth.Request{Client: alice()}); err == nil || got.Verdict != auth.Ignore {
		t.Errorf("acl_req lost: got %+v %v, want an error", got, err)
	}
}

func TestAuthorize(t *testing.T) {
	f := func(aclReq, username string, want auth.Verdict, wantAsked int) {
		t.Helper()
		s := &service{}
		r := &auth.Request{Client: &auth.Client{Username: username}, Topic: "t"}
		got, err := asked(t, s, "", "", aclReq).Authorize(t.Context(), r)
		if why, want := got.Rule, (auth.Because{Rule: "status " + aclReq[:3], Where: "auth.http.acl_req"}); wantAsked > 0 && why != want {
			t.Errorf("%s: because of %v, want %v", aclReq, why, want)
		}
		got.Rule = nil
		if got != (auth.Answer{Verdict: want}) || err != nil || len(s.asked) != wantAsked {
			t.Errorf("%s for %q: got %+v %v after %v, want %v", aclReq, username, got, err, s.asked, want)
		}
	}
	f("200 ", "u", auth.Allow, 1)
	f("200 ignore", "u", auth.Ignore, 1)
	f("200 ok", "", auth.Allow, 1)
	f("403 ", "u", auth.Deny, 1)
	f("204 ", "u", auth.Deny, 1)
	f("404 ", "u", auth.Deny, 1)
	f(`200 {"result":"deny"}`, "u", auth.Deny, 1)
	f(`200 {"result":"ignore"}`, "u", auth.Ignore, 1)
	f(`200 {"result":"allow"}`, "u", auth.Allow, 1)
	f("403 ", "$queue", auth.Ignore, 0)
	f("403 ", "a$", auth.Deny, 1)
}

func TestParts(t *testing.T) {
	if p := asked(t, &service{}, "200 ok", "", ""); p.Authenticator == nil || p.Authorizer != nil || p.Name != "http" {
		t.Errorf("auth_req alone: %+v", p)
	}
	if p := asked(t, &service{}, "", "", "200 ok"); p.Authenticator != nil || p.Authorizer == nil {
		t.Errorf("acl_req alone: %+v", p)
	}
	f := func(keys, want string) {
		t.Helper()
		c, err := bind(t, keys)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = New(c, &service{}, auth.Backend{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", keys, err, want)
		}
	}
	f("", "auth_req.url: a URL is needed here or in acl_req.url; without one nothing is asked")
	f("auth.http.acl_req = http://s\nauth.http.super_req = http://s", "super_req.url: is asked only after auth_req.url, which is missing")
}

func TestBackend(t *testing.T) {
	var pings atomic.Int32
	f := func(keys string, want time.Duration) {
		t.Helper()
		c, err := bind(t, "auth.http.auth_req = http://s\n"+keys)
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(c, pinger{&pings}, auth.Backend{Pool: 7, Timeout: 5 * time.Second, OnError: "ignore"})
		if err != nil || p.Backend.Timeout != want || p.Backend.Pool != 7 || p.Backend.OnError != "ignore" {
			t.Errorf("%s: got %+v %v, want the timeout %v", keys, p.Backend, err, want)
		}
	}
	f("", 5*time.Second)
	f("auth.http.request.timeout = 0", 5*time.Second)
	f("auth.http.request.timeout = 0s", 5*time.Second)
	f("auth.http.request.timeout = 1500", 1500*time.Millisecond)
	f("auth.http.request.timeout = 3s", 3*time.Second)

	c, _ := bind(t, "auth.http.auth_req = http://a:1/x\nauth.http.super_req = http://a:1/y\nauth.http.acl_req = http://b:1/")
	p, err := New(c, pinger{&pings}, auth.Backend{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Backend.Ping(t.Context()); err == nil || pings.Load() != 2 {
		t.Errorf("got %v after %d pings, want an error after 2", err, pings.Load())
	}
}

type pinger struct{ count *atomic.Int32 }

func (pinger) Do(context.Context, string, string, nethttp.Header, []byte) (status int, contentType string, answer []byte, err error) {
	return 200, "", nil, nil
}

func (p pinger) Ping(_ context.Context, url string) error {
	if p.count.Add(1); strings.HasPrefix(url, "http://b") {
		return errors.New("connection refused")
	}
	return nil
}

// TestFaults has services that hang, are away and come back.
func TestFaults(t *testing.T) {
	release := make(chan bool)
	hangs := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		io.Copy(io.Discard, r.Body) // or the server doesn't see the client go
		select {
		case <-r.Context().Done():
			panic(nethttp.ErrAbortHandler) // returning would be an answer
		case <-release:
		}
	})
	t.Cleanup(func() { close(release) })
	p := provider(t, hangs, "auth.http.auth_req = SERVER/?key=hidden\nauth.http.acl_req = SERVER\nauth.http.acl_req.method = get")
	r := &auth.Request{Client: alice(), Password: []byte("hidden")}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := p.Authenticate(ctx, r); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a service that hangs: %v", err)
	}
	if _, err := p.Authorize(ctx, r); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "alice") {
		t.Errorf("a service that hangs: %v", err)
	}

	s := httptest.NewServer(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {}))
	p = provider(t, s.URL, "auth.http.auth_req = SERVER")
	if a, err := p.Authenticate(t.Context(), r); err != nil || a.Verdict != auth.Allow {
		t.Fatalf("a service that is there: %+v %v", a, err)
	}
	address := s.Listener.Addr().String()
	s.CloseClientConnections()
	s.Close()
	if _, err := p.Authenticate(t.Context(), r); err == nil {
		t.Error("a service that is away answered")
	}
	if p.Backend.Ping(t.Context()) == nil {
		t.Error("a service that is away took a connection")
	}
	back := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {}))
	back.Listener.Close()
	back.Listener = listen(t, address)
	back.Start()
	defer back.Close()
	if err := p.Backend.Ping(t.Context()); err != nil {
		t.Errorf("a service that is back: %v", err)
	}
	if a, err := p.Authenticate(t.Context(), r); err != nil || a.Verdict != auth.Allow {
		t.Errorf("a service that is back: %+v %v", a, err)
	}
}

func TestLongValues(t *testing.T) {
	long := strings.Repeat("ü%\x00", 16<<10)
	for _, keys := range []string{"", "\nauth.http.auth_req.content_type = json"} {
		server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			body, _ := io.ReadAll(r.Body)
			var got string
			if r.Header.Get("Content-Type") == mediaJSON {
				var object map[string]string
				json.Unmarshal(body, &object)
				got = object["password"]
			} else {
				form, _ := url.ParseQuery(string(body))
				got = form.Get("password")
			}
			if got != long {
				w.WriteHeader(nethttp.StatusUnauthorized)
			}
		})
		p := provider(t, server, "auth.http.auth_req = SERVER"+keys)
		a, err := p.Authenticate(t.Context(), &auth.Request{Client: alice(), Password: []byte(long)})
		if err != nil || a.Verdict != auth.Allow {
			t.Errorf("%s: got %+v %v", keys, a, err)
		}
	}
}

// TestNoAnswerDecidesByAccident has a redirection to a page that says 200.
func TestNoAnswerDecidesByAccident(t *testing.T) {
	server := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/auth" {
			nethttp.Redirect(w, r, "/login", nethttp.StatusFound)
		}
	})
	p := provider(t, server, "auth.http.auth_req = SERVER/auth\nauth.http.acl_req = SERVER/auth")
	if a, err := p.Authenticate(t.Context(), &auth.Request{Client: alice()}); err == nil || a.Verdict == auth.Allow {
		t.Errorf("authenticate: got %+v %v", a, err)
	}
	if a, err := p.Authorize(t.Context(), &auth.Request{Client: alice()}); err != nil || a.Verdict != auth.Deny {
		t.Errorf("authorize: got %+v %v", a, err)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	server := serve(b, func(nethttp.ResponseWriter, *nethttp.Request) {})
	p := provider(b, server, "auth.http.auth_req = SERVER")
	r := &auth.Request{Client: alice(), Password: []byte("secret")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
