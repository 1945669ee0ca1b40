package jwt

import (
	"os"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// FuzzToken has every token that is let in carry the signature of one that the
// fixtures have: nobody else knows the keys.
func FuzzToken(f *testing.F) {
	jwks, err := os.ReadFile("testdata/jwks.json")
	if err != nil {
		f.Fatal(err)
	}
	known := make(map[string]bool)
	set := newTokens(f, "auth.jwt.pubkey = testdata/rsa.pem; secret = "+secret+"; jwks = http://keys.example", &fakeService{body: string(jwks)})
	for _, token := range fixtures(f) {
		f.Add(token)
		known[afterLastDot(token)] = true
	}
	for _, payload := range []string{`{"exp":"1"}`, `{"acl":{"pub":["a/%c"]},"nbf":1e3}`} {
		token := says(payload)
		f.Add(token)
		known[afterLastDot(token)] = true
	}
	f.Fuzz(func(t *testing.T, token string) {
		a, err := set.Authenticate(t.Context(), &auth.Request{Client: alice(), Password: []byte(token)})
		if err != nil {
			t.Fatal(err)
		}
		if a.Verdict == auth.Allow && !known[afterLastDot(token)] {
			t.Errorf("let in: %q", token)
		}
	})
}

func afterLastDot(token string) string {
	for i := len(token) - 1; i >= 0; i-- {
		if token[i] == '.' {
			return token[i:]
		}
	}
	return ""
}

// FuzzKeySet has no key of another kind than expected come out.
func FuzzKeySet(f *testing.F) {
	jwks, err := os.ReadFile("testdata/jwks.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(jwks))
	f.Fuzz(func(t *testing.T, text string) {
		set, _, err := parseKeySet([]byte(text))
		if err != nil && set != nil {
			t.Error("keys beside an error")
		}
		for name, keys := range set {
			for _, k := range keys {
				if _, shared := k.material.([]byte); shared || name == "" || len(k.algorithms) == 0 {
					t.Errorf("%q: %+v", name, k)
				}
			}
		}
	})
}
