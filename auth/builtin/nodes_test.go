package builtin

import (
	"errors"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// second is another node with the same maps.
func (f *fixture) second() *fixture {
	f.t.Helper()
	o := &fixture{t: f.t, accounts: f.accounts.Node(), rules: f.rules.Node(), options: f.options}
	o.options.Accounts, o.options.Rules, o.options.Changed = o.accounts, o.rules, func() { o.changes.Add(1) }
	o.restart()
	return o
}

// changed demands that there was a change since it was called last.
func (f *fixture) changed(want bool) {
	f.t.Helper()
	if n := f.changes.Swap(0); (n > 0) != want {
		f.t.Errorf("what was answered is forgotten %d times, want some: %v", n, want)
	}
}

func TestAccountsOfAllNodes(t *testing.T) {
	here := start(t, "")
	there := here.second()
	here.add(user("u"), "one")
	there.connect("", "u", "one", "allow")
	there.changed(false) // nobody was told anything about an account that wasn't there
	if err := there.AddAccount(t.Context(), newAccount(auth.ByUsername, "u", "two")); !errors.Is(err, auth.ErrExists) {
		t.Error(err)
	}
	there.check(there.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "u", "two")))
	here.connect("", "u", "two", "allow")
	here.connect("", "u", "one", "refused")
	here.changed(true)
	here.check(here.SetSuperuser(user("u"), true))
	there.connect("", "u", "two", "super")
	there.check(there.DeleteAccount(user("u")))
	here.connect("", "u", "two", "ignore")
	here.changed(true)
	here.restart()
	here.connect("", "u", "two", "ignore")
}

// TestAccountsOfANodeThatIsBehind: what is changed without knowing of a change
// before it comes after that, everywhere.
func TestAccountsOfANodeThatIsBehind(t *testing.T) {
	here := start(t, "")
	there := here.second()
	here.add(user("deleted"), "one")
	here.add(user("changed"), "one")
	there.accounts.Hold()
	here.check(here.DeleteAccount(user("deleted")))
	here.check(here.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "changed", "two")))
	there.connect("", "changed", "one", "allow")
	there.check(there.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "deleted", "three")))
	there.check(there.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "changed", "three")))
	there.accounts.Release()
	for _, f := range []*fixture{here, there} {
		f.connect("", "deleted", "three", "allow")
		f.connect("", "changed", "three", "allow")
	}
}

func TestRulesOfAllNodes(t *testing.T) {
	here := start(t, "")
	there := here.second()
	both := func(want ...string) {
		t.Helper()
		here.listed(user("u1"), want...)
		there.listed(user("u1"), want...)
	}
	here.rule(user("u1"), "a", auth.RulePub, true)
	there.may(auth.Publish, "a", auth.Allow)
	there.changed(true)
	there.rule(user("u1"), "b", auth.RulePubSub, false)
	both("-sub b", "-pub b", "+pub a") // the newest first, whoever has made it
	here.rule(user("u1"), "a", auth.RulePub, false)
	both("-pub a", "-sub b", "-pub b")
	there.check(there.DeleteRule(user("u1"), "b"))
	both("-pub a")

	there.rules.Hold()
	here.rule(user("u1"), "c", auth.RuleSub, true)
	here.check(here.DeleteRule(user("u1"), "a"))
	there.rule(user("u1"), "a", auth.RulePub, true)
	there.listed(user("u1"), "-pub a")
	there.changed(true)
	there.rules.Release()
	if here, there := here.RulesOf(user("u1")), there.RulesOf(user("u1")); len(here) != 2 || !slices.EqualFunc(here, there, func(a, b auth.Rule) bool { return short(a) == short(b) }) {
		t.Errorf("%v here, %v there", here, there)
	}
	here.restart()
	there.may(auth.Publish, "a", auth.Allow)
	here.may(auth.Subscribe, "c", auth.Allow)
	here.may(auth.Publish, "a", auth.Allow)
}

// TestRulesThatChangeWhileTheyAreRead come once, as they are in the end.
func TestRulesThatChangeWhileTheyAreRead(t *testing.T) {
	list := []rule{{allow: true, stamp: 3}, {action: auth.Subscribe, stamp: 2}, {stamp: 1}}
	if left := onlyNewest(list); len(left) != 2 || left[0].stamp != 3 || left[1].stamp != 2 {
		t.Errorf("%+v", left)
	}
}

func FuzzRuleKey(f *testing.F) {
	f.Add("username", "pub", "u/\xff", "a/+/\x00")
	f.Fuzz(func(t *testing.T, kind, action, name, topic string) {
		s := auth.Subject{Kind: auth.SubjectKind(kind), Name: name}
		p, err := auth.NewPattern(topic)
		if err != nil || checkRule(&auth.Rule{Subject: s, Topic: p, Action: auth.RuleAction(action)}) != nil {
			return
		}
		var r savedRule
		if err := r.readKey(ruleKey(s, topic, auth.RuleAction(action))); err != nil ||
			r.Kind != s.Kind || string(r.Name) != name || string(r.Topic) != topic || string(r.Action) != action {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
