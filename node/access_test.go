package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
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
	f(nil, []string{file, aclOff}, noRules)
	f(rule, []string{aclOff}, noRules)
	f(ban, []string{banOff}, noBans)
	f(nil, []string{flapping, banOff, second, "DUNLIN_LISTENER__TCP__SECOND__ZONE=external"}, noFlapping)
}
