package clienttest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// builtInBackend is the broker's own users, made over its socket.
func builtInBackend(testing.TB) []*backend {
	grant := func(t testing.TB, s *scene, user string, r right) {
		s.post(t, "/api/v4/acl", map[string]any{"username": user, "topic": r.topic, "action": r.action, "access": "allow"})
	}
	users := func(t testing.TB, s *scene) {
		for _, a := range accounts {
			s.post(t, "/api/v4/auth_username", map[string]any{"username": a.name, "password": a.password, "is_superuser": a.super})
			for _, r := range a.rights {
				grant(t, s, a.name, r)
			}
		}
	}
	return []*backend{{
		provider: "mnesia", refusal: mqtt.BadUserNameOrPassword, own: true,
		users: users, grant: grant, password: rightPassword, wrong: wrongPassword,
	}}
}

// post calls the management API over the socket.
func (s *scene) post(t testing.TB, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, "dunlin.sock"))
	}}}
	resp, err := c.Post("http://socket"+path, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || !bytes.Contains(answer, []byte(`"code":0`)) {
		t.Fatalf("POST %s: %s %s (%v)", path, resp.Status, answer, err)
	}
}

// jwtBackend is tokens that hold who somebody is and what he may do.
func jwtBackend(testing.TB) []*backend {
	const secret = "a secret of more than 32 bytes, as it must be"
	return []*backend{{
		provider: "jwt", refusal: mqtt.NotAuthorized, own: true,
		settings: []string{"auth.jwt.enable=on", "auth.jwt.secret=" + secret, "auth.jwt.verify_claims=on", "auth.jwt.verify_claims.username=%u"},
		secrets:  []string{secret},
		password: func(user string) string { return token(user, secret) },
		wrong:    func(user string) string { return token(user, "another secret, with as many bytes as it has") },
	}}
}

// token is one of HS256.
func token(user, secret string) string {
	rights := map[string][]string{"pub": {}, "sub": {}, "all": {}}
	for _, a := range accounts {
		for _, r := range a.rights {
			if list := strings.Replace(r.action, "pubsub", "all", 1); a.name == user {
				rights[list] = append(rights[list], r.topic)
			}
		}
	}
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{"username": user, "acl": rights})
	if err != nil {
		panic(err) // maps of texts can be written
	}
	text := encode([]byte(`{"alg":"HS256"}`)) + "." + encode(claims)
	sign := hmac.New(sha256.New, []byte(secret))
	sign.Write([]byte(text)) // never fails
	return text + "." + encode(sign.Sum(nil))
}
