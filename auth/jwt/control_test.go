package jwt

import (
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestUnderControl has both chains decide at once, as an event loop needs it.
func TestUnderControl(t *testing.T) {
	control := auth.New(auth.Options{})
	defer control.Close()
	control.Use(newTokens(t, "auth.jwt.secret = "+secret, nil).Provider())
	policy := &auth.Policy{EnableACL: true}
	f := func(token string, want mqtt.ReasonCode, topic string, wantTopic mqtt.ReasonCode) {
		t.Helper()
		client := alice()
		o, decided := control.Authenticate(policy, &auth.Request{Client: client, Password: []byte(token)})
		if !decided || o.Code != want {
			t.Errorf("%.40s: got %v, decided: %v, want %v", token, o.Code, decided, want)
		}
		client.Rights = o.Rights
		var cache auth.Cache
		if code, decided := control.Authorize(policy, client, &cache, auth.Publish, topic); !decided || code != wantTopic {
			t.Errorf("%.40s, %s: got %v, decided: %v, want %v", token, topic, code, decided, wantTopic)
		}
	}
	tokens := fixtures(t)
	f(tokens["HS256"], mqtt.Success, "up/c1/t", mqtt.Success)
	f(tokens["HS256"], mqtt.Success, "up/c2/t", mqtt.NotAuthorized)
	f(tokens["RS256"], mqtt.NotAuthorized, "up/c1/t", mqtt.NotAuthorized)
	f("a password", mqtt.NotAuthorized, "up/c1/t", mqtt.NotAuthorized) // nobody knows it, and allow_anonymous is off
}
