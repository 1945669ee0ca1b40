package builtin

import (
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// chained puts the providers of a fixture into the chains of a broker.
func chained(t *testing.T, f *fixture) (*auth.Control, *auth.Policy) {
	t.Helper()
	var c auth.Config
	c.SetDefaults()
	control := auth.New(auth.Options{Config: c})
	t.Cleanup(control.Close)
	f.options.Changed = control.DrainCaches
	f.restart()
	control.Use(f.Providers()...)
	p := &auth.Policy{EnableACL: true}
	p.SetDefaults()
	return control, p
}

// comesIn is how a CONNECT ends in the chains, and whether that was known at
// once.
func comesIn(c *auth.Control, p *auth.Policy, who *auth.Client, pw string) (o auth.Outcome, atOnce bool) {
	r := &auth.Request{Client: who, Password: password(pw)}
	if code := c.Admit(p, who); code.Failed() {
		return auth.Outcome{Code: code}, true
	}
	if o, atOnce = c.Authenticate(p, r); !atOnce {
		done := make(chan auth.Outcome)
		c.AuthenticateLater(p, r, func(o auth.Outcome) { done <- o })
		o = <-done
	}
	return o, atOnce
}

func TestInTheChains(t *testing.T) {
	f := start(t, "auth.user.password_hash = pbkdf2,sha256,100,20")
	f.options.Config.AllowListFile = write(t, "ids", "c1\nc2\n")
	c, p := chained(t, f)
	c.Restrict(f.AllowList().Listed)
	f.check(f.AddAccount(t.Context(), auth.NewAccount{Subject: user("slow"), Password: password("pw"), Superuser: true}))
	f.add(client("c1"), "fast")
	in := func(clientID, username, pw string, code mqtt.ReasonCode, super, wantAtOnce bool) {
		t.Helper()
		o, atOnce := comesIn(c, p, &auth.Client{ClientID: clientID, Username: username}, pw)
		if o.Code != code || o.Superuser != super || atOnce != wantAtOnce {
			t.Errorf("%s, %s, %s: %v, superuser %v, at once %v", clientID, username, pw, o.Code, o.Superuser, atOnce)
		}
	}
	in("c1", "", "fast", mqtt.Success, false, true)
	in("c1", "", "wrong", mqtt.BadUserNameOrPassword, false, true)
	in("c2", "slow", "pw", mqtt.Success, true, false)
	in("c2", "slow", "pw", mqtt.Success, true, true)
	in("c2", "slow", "wrong", mqtt.BadUserNameOrPassword, false, false)
	in("c2", "", "pw", mqtt.NotAuthorized, false, true) // nobody knows it, and anonymous clients are refused
	in("c3", "slow", "pw", mqtt.ClientIdentifierNotValid, false, true)
	f.check(f.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "slow", "new")))
	in("c2", "slow", "pw", mqtt.BadUserNameOrPassword, false, false) // no cache holds the old one
	in("c2", "slow", "new", mqtt.Success, true, false)
	f.check(f.DeleteAccount(user("slow")))
	in("c2", "slow", "new", mqtt.NotAuthorized, false, true)
}

func TestRulesInTheChains(t *testing.T) {
	f := start(t, "")
	c, p := chained(t, f)
	who := &auth.Client{ClientID: "c1", Username: "u1"}
	var cache auth.Cache
	may := func(topic string, want mqtt.ReasonCode) {
		t.Helper()
		if code, decided := c.Authorize(p, who, &cache, auth.Publish, topic); code != want || !decided {
			t.Errorf("%s: %v, decided %v, want %v", topic, code, decided, want)
		}
	}
	may("a", mqtt.NotAuthorized) // acl_nomatch = deny
	f.rule(user("u1"), "a", auth.RulePub, true)
	may("a", mqtt.Success)
	f.rule(client("c1"), "#", auth.RulePub, false)
	may("a", mqtt.NotAuthorized)
	f.check(f.DeleteRule(client("c1"), "#"))
	may("a", mqtt.Success)
}
