package jwt

import (
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

func BenchmarkAuthenticate(b *testing.B) {
	tokens := fixtures(b)
	for _, c := range []struct{ alg, keys string }{
		{"HS256", "secret = " + secret},
		{"HS512", "secret = " + secret},
		{"RS256", "pubkey = testdata/rsa.pem"},
		{"PS256", "pubkey = testdata/rsa.pem"},
		{"ES256", "pubkey = testdata/p256.pem"},
		{"ES384", "pubkey = testdata/p384.pem"},
		{"EdDSA", "pubkey = testdata/ed25519.pem"},
		{"no token", "secret = " + secret},
	} {
		b.Run(c.alg, func(b *testing.B) {
			set := newTokens(b, "auth.jwt."+c.keys, nil)
			token := tokens[c.alg]
			if token == "" {
				token = "an ordinary password"
			}
			r := &auth.Request{Client: alice(), Password: []byte(token)}
			b.ReportAllocs()
			for b.Loop() {
				if a, err := set.Authenticate(b.Context(), r); err != nil || a.Verdict == auth.Deny {
					b.Fatal(a, err)
				}
			}
		})
	}
}

func BenchmarkAuthorize(b *testing.B) {
	set := newTokens(b, "auth.jwt.secret = "+secret, nil)
	client := alice()
	client.Rights = authenticate(b, set, fixtures(b)["HS256"]).Rights
	r := &auth.Request{Client: client, Action: auth.Publish, Topic: "up/c1/temperature"}
	b.ReportAllocs()
	for b.Loop() {
		if a, err := set.Authorize(b.Context(), r); err != nil || a.Verdict != auth.Allow {
			b.Fatal(a, err)
		}
	}
}
