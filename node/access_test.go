package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// warnings are those of a node that has started with these variables, after change.
func warnings(t *testing.T, change func(*Node), env ...string) []string {
	t.Helper()
	n, err := Start(configured(t, env...), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	if change != nil {
		change(n)
	}
	return n.Warnings()
}

// TestWarningsOfWhatIsNotAsked: what somebody has set up to keep others out, and what leaves it without effect.
func TestWarningsOfWhatIsNotAsked(t *testing.T) {
	const (
		aclOff, banOff = "DUNLIN_ZONE__EXTERNAL__ENABLE_ACL=off", "DUNLIN_ZONE__EXTERNAL__ENABLE_BAN=off"
		flapping       = "DUNLIN_ZONE__EXTERNAL__ENABLE_FLAPPING_DETECT=on"
		noRules        = "the rules about topics are not looked at: no zone of a listener has enable_acl = on"
		noBans         = "the bans keep nobody out: no zone of a listener has enable_ban = on"
		noFlapping     = "zone.external.enable_flapping_detect keeps nobody out without zone.external.enable_ban = on"
	)
	path := filepath.Join(t.TempDir(), "acl.conf")
	if err := os.WriteFile(path, []byte("{deny, all}."), 0o600); err != nil {
		t.Fatal(err)
	}
	file, second := "DUNLIN_ACL_FILE="+path, "DUNLIN_LISTENER__TCP__SECOND=127.0.0.1:0"
	rule := func(n *Node) {
		topic, err := auth.NewPattern("t")
		if err != nil {
			t.Fatal(err)
		}
		r := auth.Rule{Subject: auth.Subject{Kind: auth.ForAll}, Topic: topic, Action: auth.RulePub}
		if err := n.leaves.builtin.AddRule(r); err != nil {
			t.Fatal(err)
		}
	}
	ban := func(n *Node) {
		if err := n.Access.Bans().Add(auth.Ban{Kind: auth.BanUsername, Who: "u"}); err != nil {
			t.Fatal(err)
		}
	}
	f := func(change func(*Node), env []string, want ...string) {
		t.Helper()
		if got := warnings(t, change, env...); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", env, got, want)
		}
	}
	f(nil, []string{aclOff, banOff})
	f(nil, []string{file, flapping})
	f(rule, nil)
	f(ban, nil)
	f(nil, []string{"DUNLIN_LOADED_PLUGINS=emqx_auth_mnesia,emqx_auth_msyql,emqx_dashboard"}, "the plugin emqx_auth_msyql is to be loaded and is not known: it checks nobody")
	f(nil, []string{file, aclOff}, noRules)
	f(rule, []string{aclOff}, noRules)
	f(ban, []string{banOff}, noBans)
	f(nil, []string{flapping, banOff, second, "DUNLIN_LISTENER__TCP__SECOND__ZONE=external"}, noFlapping)
}

// TestReloadForgetsWhatOldRulesLetPass: though the list of client ids can't be read, the rule file is a new one.
func TestReloadForgetsWhatOldRulesLetPass(t *testing.T) {
	list := filepath.Join(t.TempDir(), "ids")
	if err := os.WriteFile(list, []byte("c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := Start(configured(t, "DUNLIN_AUTH__CLIENTID_ALLOW_LIST="+list), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	asked := 0
	n.Access.Use(auth.Provider{Name: "http", Authorizer: asker(func() { asked++ }), Backend: &auth.Backend{}})
	p, cache, done := &auth.Policy{EnableACL: true}, new(auth.Cache), make(chan mqtt.ReasonCode)
	check := func() {
		r := &auth.Request{Client: &auth.Client{ClientID: "c"}, Topic: "t"}
		if _, decided := n.Access.Authorize(p, r.Client, cache, r.Action, r.Topic); !decided {
			n.Access.AuthorizeLater(p, r, cache, func(code mqtt.ReasonCode) { done <- code })
			<-done
		}
	}
	check()
	check()
	if asked != 1 {
		t.Fatalf("asked %d times, want once: the cache is in use", asked)
	}
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	if err := n.ReloadRules(); err == nil {
		t.Error("the missing list is no error")
	}
	if check(); asked != 2 {
		t.Error("the answer of before is still there")
	}
}

type asker func()

func (a asker) Authorize(context.Context, *auth.Request) (auth.Answer, error) {
	a()
	return auth.Answer{Verdict: auth.Allow}, nil
}
