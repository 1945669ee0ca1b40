package jwt

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
	connhttp "github.com/dunlin-mq/dunlin/connector/http"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is that of testdata/make.py.
const secret = "a secret of thirty-two bytes or more, for once"

// bind reads auth.jwt.* as a node does.
func bind(t testing.TB, text string) (*Config, error) {
	t.Helper()
	file, err := config.Parse(strings.NewReader(text), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	var keys struct {
		JWT Config `conf:"auth.jwt"`
	}
	_, err = config.Bind(&keys, file.Settings, nil)
	return &keys.JWT, err
}

func newTokens(t testing.TB, text string, service Service) *Tokens {
	t.Helper()
	c, err := bind(t, strings.ReplaceAll(text, "; ", "\nauth.jwt."))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := New(c, service, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tokens.Close)
	return tokens
}

// fixtures are the tokens that another implementation has made.
func fixtures(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var tokens map[string]string
	if err := json.Unmarshal(text, &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens
}

// signed makes a token with the secret.
func signed(header, payload string) string {
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + b64.EncodeToString(mac.Sum(nil))
}

// says is a token that is right but for what it says.
func says(payload string) string { return signed(`{"alg":"HS256"}`, payload) }

func alice() *auth.Client { return &auth.Client{ClientID: "c1", Username: "alice"} }

func authenticate(t testing.TB, tokens *Tokens, token string) auth.Answer {
	t.Helper()
	a, err := tokens.Authenticate(t.Context(), &auth.Request{Client: alice(), Password: []byte(token)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var verdicts = map[auth.Verdict]string{auth.Ignore: "ignore", auth.Allow: "allow", auth.Deny: "deny"}

// TestAlgorithms has each algorithm with each key: what doesn't fit is refused.
func TestAlgorithms(t *testing.T) {
	tokens := fixtures(t)
	const hmacs, rsas = "HS256,HS384,HS512", "RS256,RS384,RS512,PS256,PS384,PS512"
	const es256 = "ES256,ES256 unknown kid"
	good := map[string]string{
		"secret = " + secret:                                 hmacs,
		"secret = emqxsecret":                                "HS256 emqxsecret,HS512 emqxsecret",
		"pubkey = testdata/rsa.pem":                          rsas,
		"pubkey = testdata/rsa-pkcs1.pem":                    rsas,
		"pubkey = testdata/p256.pem":                         es256 + ",ES256 DER",
		"pubkey = testdata/p256.pem; signature_format = raw": es256,
		"pubkey = testdata/certificate.pem":                  es256 + ",ES256 DER",
		"pubkey = testdata/other.pem":                        "ES256 other",
		"pubkey = testdata/p384.pem":                         "ES384,ES384 DER",
		"pubkey = testdata/p521.pem":                         "ES512,ES512 DER",
		"pubkey = testdata/ed25519.pem":                      "EdDSA",
		"secret = " + secret + "; pubkey = testdata/rsa.pem": hmacs + "," + rsas,
		"secret_base64_encoded = on; secret = " + base64.StdEncoding.EncodeToString([]byte(secret)):    hmacs,
		"secret_base64_encoded = on; secret = " + base64.RawURLEncoding.EncodeToString([]byte(secret)): hmacs,
	}
	for keys, list := range good {
		set := newTokens(t, "auth.jwt."+keys, nil)
		for name, token := range tokens {
			want := auth.Deny
			if slices.Contains(strings.Split(list, ","), strings.TrimSuffix(name, " no kid")) {
				want = auth.Allow
			}
			if got := authenticate(t, set, token); got.Verdict != want || got.Code != 0 {
				t.Errorf("%s, %s: got %s %v, want %s", keys, name, verdicts[got.Verdict], got.Code, verdicts[want])
			}
		}
	}
}

func TestWhatIsNoToken(t *testing.T) {
	set := newTokens(t, "auth.jwt.secret = "+secret, nil)
	f := func(token string, want auth.Verdict) {
		t.Helper()
		if got := authenticate(t, set, token); got.Verdict != want {
			t.Errorf("%.60q: got %s, want %s", token, verdicts[got.Verdict], verdicts[want])
		}
	}
	right := says(`{}`)
	head, rest, _ := strings.Cut(right, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	f(right, auth.Allow)
	f("", auth.Ignore)
	f("public", auth.Ignore)
	f("..", auth.Ignore)
	f("a.b.c", auth.Ignore)
	f("192.0.2.1", auth.Ignore)
	f(right+".", auth.Ignore)
	f(right+".a.b", auth.Ignore)
	f(head+"."+payload, auth.Ignore)
	f("Bearer "+right, auth.Ignore)
	f(b64([]byte(`[]`))+"."+payload+"."+signature, auth.Ignore)
	f(b64([]byte(`{"typ":"JWT"}`))+"."+payload+"."+signature, auth.Ignore)
	f(strings.Repeat("a", 65535), auth.Ignore)
	f(`{"payload":"`+payload+`","protected":"`+head+`","signature":"`+signature+`"}`, auth.Ignore)

	f(head+"."+payload+".", auth.Deny)
	f(head+"."+payload+"."+signature[1:], auth.Deny)
	f(head+"."+b64([]byte(`{"a":1}`))+"."+signature, auth.Deny)
	f(b64([]byte(`{"alg":"HS256","typ":"JWT"}`))+"."+payload+"."+signature, auth.Deny)
	f(b64([]byte(`{"alg":"none"}`))+"."+payload+".", auth.Deny)
	f(b64([]byte(`{"alg":"None"}`))+"."+payload+"."+signature, auth.Deny)
	f(b64([]byte(`{"alg":"HS257"}`))+"."+payload+"."+signature, auth.Deny)
	f(signed(`{"alg":"HS256","crit":["x"],"x":1}`, `{}`), auth.Deny)
	f(signed(`{"alg":"HS256","kid":"anything"}`, `{}`), auth.Allow) // there is no key set to look it up in
	f(says(`[]`), auth.Deny)
	f(says(`null`), auth.Deny)
	f(says(``), auth.Deny)
	f(says(`{"a":`), auth.Deny)
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const now = 946684800 // when the clock of a test starts: 2000
		set := newTokens(t, "auth.jwt.secret = "+secret, nil)
		f := func(payload string, want auth.Verdict, expires int64) {
			t.Helper()
			got := authenticate(t, set, says(payload))
			unix := int64(0)
			if !got.Expires.IsZero() {
				unix = got.Expires.Unix()
			}
			if got.Verdict != want || unix != expires {
				t.Errorf("%s: got %s until %d, want %s until %d", payload, verdicts[got.Verdict], unix, verdicts[want], expires)
			}
		}
		f(`{}`, auth.Allow, 0)
		f(`{"exp":946684801}`, auth.Allow, now+1)
		f(`{"exp":946684800}`, auth.Deny, 0)
		f(`{"exp":946684800.5}`, auth.Allow, now)
		f(`{"exp":"946684801"}`, auth.Allow, now+1)
		f(`{"exp":9.46684801e8}`, auth.Allow, now+1)
		f(`{"exp":1e300}`, auth.Allow, lastTime)
		f(`{"exp":1e400}`, auth.Deny, 0)
		f(`{"exp":0}`, auth.Deny, 0)
		f(`{"exp":-1e300}`, auth.Deny, 0)
		f(`{"nbf":946684800,"iat":946684800}`, auth.Allow, 0)
		f(`{"nbf":946684801}`, auth.Deny, 0)
		f(`{"nbf":"946684801"}`, auth.Deny, 0)
		f(`{"iat":946684801}`, auth.Deny, 0)
		f(`{"iat":-5}`, auth.Allow, 0)
		for _, name := range []string{"exp", "nbf", "iat"} {
			for _, value := range []string{`null`, `""`, `"soon"`, `"NaN"`, `"Inf"`, `"0x7fffffff"`, `"1_000"`, `true`, `[1]`, `{}`, `"null"`, `" "`, `"\"5\""`} {
				f(fmt.Sprintf(`{"%s":%s}`, name, value), auth.Deny, 0)
			}
		}

		time.Sleep(time.Second)
		f(`{"nbf":946684801,"iat":"946684801"}`, auth.Allow, 0)
		f(`{"exp":946684801}`, auth.Deny, 0)
	})
}

func TestVerifyClaims(t *testing.T) {
	f := func(keys, payload string, want auth.Verdict) {
		t.Helper()
		set := newTokens(t, "auth.jwt.secret = "+secret+"; "+keys, nil)
		if got := authenticate(t, set, says(payload)); got.Verdict != want {
			t.Errorf("%s, %s: got %s, want %s", keys, payload, verdicts[got.Verdict], verdicts[want])
		}
	}
	const user = "verify_claims = on; verify_claims.username = %u"
	f(user, `{"username":"alice"}`, auth.Allow)
	f(user, `{"username":"Alice"}`, auth.Deny)
	f(user, `{"username":["alice"]}`, auth.Deny)
	f(user, `{"username":{"alice":1}}`, auth.Deny)
	f(user, `{"username":null}`, auth.Deny)
	f(user, `{"username":""}`, auth.Deny)
	f(user, `{"Username":"alice"}`, auth.Deny)
	f(user, `{}`, auth.Deny)
	f("verify_claims = off; verify_claims.username = %u", `{}`, auth.Allow)
	f("verify_claims.username = %u", `{}`, auth.Allow)
	f("verify_claims = on", `{}`, auth.Allow)
	f(user+"; verify_claims.clientid = %c", `{"username":"alice","clientid":"c1"}`, auth.Allow)
	f(user+"; verify_claims.clientid = %c", `{"username":"alice","clientid":"c2"}`, auth.Deny)
	f("verify_claims = on; verify_claims.realm = plant 1", `{"realm":"plant 1"}`, auth.Allow)
	f("verify_claims = on; verify_claims.realm = null", `{"realm":null}`, auth.Deny)
	f("verify_claims = on; verify_claims.level = 3", `{"level": 3 }`, auth.Allow)
	f("verify_claims = on; verify_claims.level = 3", `{"level":"3"}`, auth.Allow)
	f("verify_claims = on; verify_claims.level = 3", `{"level":3.0}`, auth.Deny)
	f("verify_claims = on; verify_claims.admin = true", `{"admin":true}`, auth.Allow)
	f("verify_claims = on; verify_claims.aud = dunlin", `{"aud":["other","dunlin"]}`, auth.Allow)
	f("verify_claims = on; verify_claims.aud = dunlin", `{"aud":["other"]}`, auth.Deny)
	f("verify_claims = on; verify_claims.aud = dunlin", `{"aud":[1,"dunlin"]}`, auth.Deny)
	f(`verify_claims = on; verify_claims.https://ex\.org/u = %u`, `{"https://ex.org/u":"alice"}`, auth.Allow)

	set := newTokens(t, "auth.jwt.secret = "+secret+"; "+user, nil)
	a, err := set.Authenticate(t.Context(), &auth.Request{Client: &auth.Client{ClientID: "c1"}, Password: []byte(says(`{"username":""}`))})
	if err != nil || a.Verdict != auth.Deny {
		t.Errorf("a client without a user name and a token for no user: got %s %v", verdicts[a.Verdict], err)
	}
}

func TestFromUsername(t *testing.T) {
	set := newTokens(t, "auth.jwt.secret = "+secret+"; from = username", nil)
	f := func(username, password string, want auth.Verdict) {
		t.Helper()
		r := &auth.Request{Client: &auth.Client{Username: username}, Password: []byte(password)}
		if a, err := set.Authenticate(t.Context(), r); a.Verdict != want || err != nil {
			t.Errorf("%q, %q: got %s %v", username, password, verdicts[a.Verdict], err)
		}
	}
	f(says(`{}`), "", auth.Allow)
	f(says(`{"exp":1}`), "", auth.Deny)
	f("alice", says(`{}`), auth.Ignore)
	f("", "", auth.Ignore)
}

func TestExpires(t *testing.T) {
	const keys = "auth.jwt.secret = " + secret
	token := says(`{"exp":4102444800,"acl":{}}`)
	if a := authenticate(t, newTokens(t, keys, nil), token); a.Expires.Unix() != 4102444800 {
		t.Errorf("got %v", a.Expires)
	}
	a := authenticate(t, newTokens(t, keys+"; disconnect_after_expire = off", nil), token)
	if !a.Expires.IsZero() || a.Rights.(*rights).expires != 4102444800000 {
		t.Errorf("switched off: got %+v", a)
	}
}

// TestSecretsStaySecret reads the whole log of starting and refusing.
func TestSecretsStaySecret(t *testing.T) {
	f := func(keys string, want ...string) {
		t.Helper()
		c, err := bind(t, strings.ReplaceAll("auth.jwt."+keys, "; ", "\nauth.jwt."))
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		set, err := New(c, nil, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if err != nil {
			t.Fatal(err)
		}
		authenticate(t, set, says(`{"exp":1,"note":"private"}`))
		authenticate(t, set, fixtures(t)["HS256 emqxsecret"])
		authenticate(t, set, fixtures(t)["none"])
		for _, w := range append(want, "a token was refused", "clientid=c1") {
			if !strings.Contains(log.String(), w) {
				t.Errorf("%s: %q is not in the log:\n%s", keys, w, log.String())
			}
		}
		for _, secret := range []string{c.Secret, "private", "eyJ"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%s: %q is in the log:\n%s", keys, secret, log.String())
			}
		}
	}
	f("secret = "+secret, "the token expired at 1970-01-01T00:00:01Z", "its signature is wrong", `its algorithm \"none\" is not taken`)
	f("secret = emqxsecret", "level=WARN", "the one that EMQ X publishes")
	f("secret = tooshort", "level=WARN", "is short and may be guessed")
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := func(keys, want string) {
		t.Helper()
		c, err := bind(t, strings.ReplaceAll("auth.jwt."+keys, "; ", "\nauth.jwt."))
		if err == nil {
			_, err = New(c, nil, slog.New(slog.DiscardHandler))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", keys, err, want)
		}
	}
	const none = "secret: a secret, pubkey or jwks is needed to check tokens with; there is no default"
	f("from = password", none)
	f("secret =", none)
	f("from = token", `auth.jwt.from: expected one of username, password, found "token"`)
	f("signature_format = pem", "expected one of der, raw")
	f("secret = x; jwks = ldap://a", "auth.jwt.jwks: expected a URL such as https://example.org/jwks.json")
	f("secret = x; jwks = jwks.json", "auth.jwt.jwks: expected a URL")
	f("secret = x; jwks.refresh_interval = 500ms", "auth.jwt.jwks.refresh_interval: expected at least 1s")
	f("secret = x; acl_claim_name =", "auth.jwt.acl_claim_name: expected the name of a claim")
	f("secret = ###; secret_base64_encoded = on", "auth.jwt.secret: expected base64, as secret_base64_encoded says")
	f("secret = x; verify_claims.sub = %P", `auth.jwt.verify_claims.sub: expected %u, %c or a text without %, found "%P"`)
	f("secret = x; verify_claims.sub = dev-%c", "expected %u, %c or a text without %")
	f("secret = x; verify_claims.sub =", "auth.jwt.verify_claims.sub: expected %u")
	f("pubkey = testdata/nowhere.pem", "pubkey: open testdata/nowhere.pem: no such file")
	f("pubkey = testdata/jwks.json", "pubkey: testdata/jwks.json: expected a public key or a certificate in PEM")
	f("pubkey = "+write("a.pem", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"), "expected a public key or a certificate, found PRIVATE KEY")
	f("pubkey = "+write("b.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "b.pem: ")
	f("pubkey = "+write("c.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "c.pem: ")
	const p224 = "-----BEGIN PUBLIC KEY-----\nME4wEAYHKoZIzj0CAQYFK4EEACEDOgAEtwiuO5uoJWGmPDRMnVkSDHyUaAMe0u6Y\nHzNLnR9mZV0Tb2Lr6u9WnY7SFYWZ0tYuJrd8z3mFxKc=\n-----END PUBLIC KEY-----\n"
	f("pubkey = "+write("d.pem", p224), "d.pem: ")

}

// TestAsANodeNestsIt reads the files that EMQ X ships, all keys on, into the
// structs that have a part of auth.jwt.*.
func TestAsANodeNestsIt(t *testing.T) {
	for _, version := range []string{"3.2", "4.3"} {
		text, err := os.ReadFile("../../node/testdata/emqx-" + version + "/etc/plugins/emqx_auth_jwt.conf")
		if err != nil {
			t.Fatal(err)
		}
		all := strings.ReplaceAll(string(text), "# auth", "auth") + "auth.jwt.jwks.ssl.cacertfile = ca.pem\n"
		file, err := config.Parse(strings.NewReader(all), "emqx_auth_jwt.conf")
		if err != nil {
			t.Fatal(err)
		}
		var keys struct {
			JWT struct {
				Config `conf:"."`
				Link   connhttp.Config `conf:"jwks"`
			} `conf:"auth.jwt"`
		}
		_, err = config.Bind(&keys, file.Settings, nil)
		c := &keys.JWT
		if err != nil || c.Secret != "emqxsecret" || c.ACLClaim != "acl" || c.RefreshInterval != 5*time.Minute ||
			*c.Files()[0] != "etc/certs/jwt_public_key.pem" || c.Claims["username"] != "%u" || c.Link.TLS.CACertFile != "ca.pem" {
			t.Errorf("%s: %+v %v", version, c, err)
		}
	}
}
