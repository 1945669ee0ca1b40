package jwt

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	connhttp "github.com/dunlin-mq/dunlin/connector/http"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

// jwks is the fixture as the text of keys, by name.
func jwks(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]string)
	for _, k := range list.Keys {
		var name struct{ Kid string }
		if err := json.Unmarshal(k, &name); err != nil {
			t.Fatal(err)
		}
		byName[name.Kid] = string(k)
	}
	return byName
}

func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// fakeService answers with what it is told, from memory.
type fakeService struct {
	mu    sync.Mutex
	body  string // "": it hangs
	fails bool
	asked int
}

func (s *fakeService) set(body string, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.fails = body, fails
}

func (s *fakeService) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *fakeService) Do(ctx context.Context, _, _ string, _ nethttp.Header, _ []byte) (status int, contentType string, answer []byte, err error) {
	s.mu.Lock()
	s.asked++
	body, fails := s.body, s.fails
	s.mu.Unlock()
	switch {
	case fails:
		return 0, "", nil, errors.New("connection refused")
	case body == "":
		<-ctx.Done()
		return 0, "", nil, ctx.Err()
	}
	return nethttp.StatusOK, "application/json", []byte(body), nil
}

const aURL = "auth.jwt.jwks = http://keys.example/jwks"

func TestKeySet(t *testing.T) {
	tokens, keys := fixtures(t), jwks(t)
	f := func(config, body, token string, want auth.Verdict) {
		t.Helper()
		set := newTokens(t, aURL+config, &fakeService{body: body})
		if got := authenticate(t, set, tokens[token]); got.Verdict != want {
			t.Errorf("%s %.60s, %s: got %s, want %s", config, body, token, verdicts[got.Verdict], verdicts[want])
		}
		set.Close()
	}
	all := setOf(keys["rsa"], keys["p256"], keys["p384"], keys["p521"], keys["ed25519"])
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		f("", all, alg, auth.Allow)
		f("", all, alg+" no kid", auth.Ignore)
	}
	f("", all, "ES256 other", auth.Deny)
	f("", all, "ES256 unknown kid", auth.Ignore)
	f("", all, "none", auth.Deny)
	f("", all, "HS256", auth.Ignore)
	for _, name := range []string{"rsa", "p256", "ed25519"} {
		f("", all, "HS256 with the public key "+name, auth.Deny)
	}
	// A token that names its key is for the key set alone, others for the keys of the configuration.
	f("; pubkey = testdata/p256.pem", all, "ES256 unknown kid", auth.Ignore)
	f("; pubkey = testdata/p256.pem", all, "ES256 no kid", auth.Allow)
	f("; secret = "+secret, all, "HS256", auth.Allow)
	f("; pubkey = testdata/p256.pem", "nonsense", "ES256", auth.Allow) // nothing has been read

	renamed := func(name, from, to string) string { return strings.Replace(keys[name], from, to, 1) }
	f("", setOf(renamed("rsa", `"use": "sig"`, `"use": "enc"`), keys["p256"]), "RS256", auth.Ignore)
	f("", setOf(renamed("rsa", `"kty": "RSA"`, `"kty": "new"`), keys["p256"]), "ES256", auth.Allow)
	f("", setOf(renamed("rsa", `"use": "sig"`, `"alg": "RS256"`)), "RS256", auth.Allow)
	f("", setOf(renamed("rsa", `"use": "sig"`, `"alg": "RS256"`)), "RS512", auth.Deny)
	f("", setOf(renamed("rsa", `"use": "sig"`, `"alg": "HS256"`), keys["p256"]), "RS256", auth.Ignore)
	f("", setOf(renamed("p384", "p384", "p256"), keys["p256"]), "ES256", auth.Allow) // two keys of one name
	f("", setOf(`{"kty":"oct","k":"c2VjcmV0","kid":"rsa"}`, keys["p256"]), "HS256 with the public key rsa", auth.Ignore)
}

func TestParseKeySet(t *testing.T) {
	keys := jwks(t)
	f := func(text string, wantKeys, wantSkipped int, failure string) {
		t.Helper()
		set, skipped, err := parseKeySet([]byte(text))
		if failure != "" {
			if err == nil || !strings.Contains(err.Error(), failure) {
				t.Errorf("%.80s: got %v, want %q", text, err, failure)
			}
			return
		}
		if err != nil || len(set) != wantKeys || skipped != wantSkipped {
			t.Errorf("%.80s: got %d keys, %d skipped, %v", text, len(set), skipped, err)
		}
	}
	const notASet = `expected a JSON object with a list of "keys"`
	f(`{"keys":[]}`, 0, 0, "")
	f(setOf(keys["rsa"], keys["p256"], keys["ed25519"]), 3, 0, "")
	f(setOf(keys["rsa"], `{}`, `1`, `null`, `{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a"}`), 1, 4, "")
	f(setOf(strings.Replace(keys["p256"], `"kid": "p256"`, `"x-a": 1`, 1), keys["rsa"]), 1, 1, "")
	f(setOf(`{}`), 0, 0, "none of its 1 keys can be used")
	f(``, 0, 0, notASet)
	f(`{}`, 0, 0, notASet)
	f(`[]`, 0, 0, notASet)
	f(`{"keys":null}`, 0, 0, notASet)
	f(`{"keys":{}}`, 0, 0, notASet)
	f(`<html>`, 0, 0, notASet)
}

// TestRotation follows the readings of a key set over time.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := jwks(t)
		service := &fakeService{body: setOf(keys["rsa"])}
		var log strings.Builder
		start := time.Now()
		s := startKeySet("http://keys.example", time.Minute, service, slog.New(slog.NewTextHandler(&log, nil)))
		if time.Since(start) != 0 {
			t.Errorf("the start took %v", time.Since(start))
		}
		has := func(kid string, want bool) {
			t.Helper()
			found, loaded := s.find(kid)
			if (len(found) > 0) != want || !loaded {
				t.Errorf("after %v: %s is there: %v, want %v (loaded: %v)", time.Since(start), kid, len(found) > 0, want, loaded)
			}
		}
		asked := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := service.count(); got != want {
				t.Errorf("after %v: asked %d times, want %d", time.Since(start), got, want)
			}
		}
		asked(1)
		has("rsa", true)
		time.Sleep(59 * time.Second)
		asked(1)
		time.Sleep(time.Second)
		asked(2) // the interval

		service.set(setOf(keys["rsa"], keys["p256"]), false)
		for range 100 {
			has("p256", false) // a new name, but it is too soon
		}
		asked(2)
		time.Sleep(shortestPause)
		asked(3)
		has("p256", true)
		time.Sleep(shortestPause)
		asked(3) // nobody wants anything
		has("nobody", false)
		asked(4)
		has("nobody", false)
		time.Sleep(shortestPause - time.Millisecond)
		asked(4)
		time.Sleep(time.Millisecond)
		asked(5)

		service.set("", true) // away
		time.Sleep(time.Minute)
		asked(6)
		time.Sleep(3 * shortestPause)
		asked(9)
		has("p256", true)
		service.set("", false) // hangs
		time.Sleep(shortestPause)
		has("rsa", true)
		asked(10)
		service.set(`{"keys":[]}`, false) // all withdrawn
		time.Sleep(loadTimeout + shortestPause)
		asked(11)
		has("p256", false)
		s.close()
		if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "can be read again") != 1 {
			t.Errorf("the log:\n%s", text)
		}
	})
}

func TestStartWithoutTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		service := &fakeService{}
		s := startKeySet("http://keys.example", time.Minute, service, slog.New(slog.DiscardHandler))
		if time.Since(start) != firstWait {
			t.Errorf("the start took %v, want %v", time.Since(start), firstWait)
		}
		if keys, loaded := s.find("rsa"); keys != nil || loaded {
			t.Error("keys have been found")
		}
		service.set(setOf(jwks(t)["rsa"]), false)
		time.Sleep(loadTimeout + shortestPause)
		if keys, loaded := s.find("rsa"); len(keys) != 1 || !loaded {
			t.Error("the server is back, its keys are not")
		}
		s.close()
	})
}

// TestKeySetOverTLS reads the keys as a node does.
func TestKeySetOverTLS(t *testing.T) {
	certs := peers.NewCertificates(t)
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/keys":
			nethttp.ServeFile(w, r, "testdata/jwks.json")
		case "/moved":
			nethttp.Redirect(w, r, "/keys", nethttp.StatusFound)
		case "/long":
			io.WriteString(w, `{"keys":[`+strings.Repeat(" ", 1<<20)+`]}`)
		}
	}))
	pair, err := tls.LoadX509KeyPair(certs.ServerCert, certs.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	token := fixtures(t)["ES256"]
	f := func(path, ca string, want auth.Verdict) {
		t.Helper()
		link := connhttp.Config{}
		link.SetDefaults()
		link.TLS.CACertFile, link.TLS.Verify = ca, true
		client, err := connhttp.New(link)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		set := newTokens(t, "auth.jwt.jwks = "+server.URL+path, client)
		if got := authenticate(t, set, token); got.Verdict != want {
			t.Errorf("%s: got %s, want %s", path, verdicts[got.Verdict], verdicts[want])
		}
	}
	f("/keys", certs.CA, auth.Allow)
	f("/keys", certs.OtherCA, auth.Ignore)
	f("/moved", certs.CA, auth.Ignore)
	f("/long", certs.CA, auth.Ignore)
	f("/nowhere", certs.CA, auth.Ignore)
}

func TestCloseWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := newTokens(t, aURL, &fakeService{})
		set.Provider().Close()
		set.Provider().Close() // a second time does nothing
	})
}
