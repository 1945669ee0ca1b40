package builtin

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/topic"
)

func rule1(s auth.Subject, topic string, action auth.RuleAction, allow bool) auth.Rule {
	p, err := auth.NewPattern(topic)
	if err != nil {
		panic(err)
	}
	return auth.Rule{Subject: s, Topic: p, Action: action, Allow: allow}
}

func (f *fixture) rule(s auth.Subject, topic string, action auth.RuleAction, allow bool) {
	f.t.Helper()
	f.check(f.AddRule(rule1(s, topic, action, allow)))
}

// may checks what client c1 with user name u1 is told.
func (f *fixture) may(action auth.Action, topic string, want auth.Verdict) {
	f.t.Helper()
	r := &auth.Request{Client: &auth.Client{ClientID: "c1", Username: "u1"}, Action: action, Topic: topic}
	if a, err := f.Builtin.rules.Authorize(f.t.Context(), r); a.Verdict != want || err != nil {
		f.t.Errorf("%v %s: %v, %v, want %v", action, topic, a.Verdict, err, want)
	}
}

// listed checks the rules of a subject in their order, as `+pub a`.
func (f *fixture) listed(s auth.Subject, want ...string) {
	f.t.Helper()
	var got []string
	for _, r := range f.RulesOf(s) {
		got = append(got, short(r))
		if r.Subject != s || r.Created.IsZero() || r.Created.Nanosecond()%1e6 != 0 {
			f.t.Errorf("%+v", r)
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("%v has %q, want %q", s, got, want)
	}
}

func short(r auth.Rule) string {
	sign := "-"
	if r.Allow {
		sign = "+"
	}
	return sign + string(r.Action) + " " + r.Topic.String()
}

// TestRulesAreExplained, without memory for each answer.
func TestRulesAreExplained(t *testing.T) {
	f := start(t, "")
	f.rule(auth.Subject{Kind: auth.ByClientID, Name: "c1"}, "a", auth.RulePub, true)
	f.rule(auth.Subject{Kind: auth.ByUsername, Name: "u1"}, "b/%u", auth.RuleSub, false)
	f.rule(auth.Subject{Kind: auth.ForAll}, "eq #", auth.RuleSub, false)
	is := func(action auth.Action, topic, want string) {
		t.Helper()
		r := &auth.Request{Client: &auth.Client{ClientID: "c1", Username: "u1"}, Action: action, Topic: topic}
		a, err := f.Builtin.rules.Authorize(t.Context(), r)
		if err != nil || a.Rule == nil {
			t.Fatalf("%s: %+v %v", topic, a, err)
		}
		if rule, where := a.Rule.Explain(); rule+"; "+where != want {
			t.Errorf("%s: %s; %s, want %s", topic, rule, where, want)
		}
		if n := testing.AllocsPerRun(100, func() { f.Builtin.rules.Authorize(context.Background(), r) }); n != 0 {
			t.Errorf("%s: %v allocations", topic, n)
		}
	}
	is(auth.Publish, "a", "allow publish a; built-in rules of the client id")
	is(auth.Subscribe, "b/u1", "deny subscribe b/%u; built-in rules of the user name")
	is(auth.Subscribe, "#", "deny subscribe eq #; built-in rules for all")
}

func TestRulesOfTheClientIDComeFirst(t *testing.T) {
	f := start(t, "")
	f.may(auth.Publish, "a", auth.Ignore)
	f.rule(everybody(), "#", auth.RulePubSub, false)
	f.may(auth.Publish, "a", auth.Deny)
	f.may(auth.Subscribe, "a", auth.Deny)
	f.rule(user("u1"), "a/#", auth.RuleSub, true)
	f.may(auth.Subscribe, "a/b", auth.Allow)
	f.may(auth.Publish, "a/b", auth.Deny)
	f.rule(client("c1"), "a/+", auth.RulePubSub, false)
	f.may(auth.Subscribe, "a/b", auth.Deny)
	f.may(auth.Subscribe, "a/b/c", auth.Allow)
	f.rule(user("c1"), "x", auth.RulePub, true)
	f.rule(client("u1"), "x", auth.RulePub, true)
	f.may(auth.Publish, "x", auth.Deny)
}

func TestNewerRulesComeFirst(t *testing.T) {
	f := start(t, "")
	f.rule(user("u1"), "a/#", auth.RulePub, true)
	f.rule(user("u1"), "a/b", auth.RulePub, false)
	f.may(auth.Publish, "a/b", auth.Deny)
	f.rule(user("u1"), "a/#", auth.RulePub, true) // again: replaced, and newest
	f.may(auth.Publish, "a/b", auth.Allow)
	f.listed(user("u1"), "+pub a/#", "-pub a/b")
	f.rule(user("u1"), "a/b", auth.RulePubSub, true)
	f.listed(user("u1"), "+sub a/b", "+pub a/b", "+pub a/#")
	f.restart()
	f.listed(user("u1"), "+sub a/b", "+pub a/b", "+pub a/#")
	f.rule(user("u1"), "z", auth.RuleSub, false)
	f.listed(user("u1"), "-sub z", "+sub a/b", "+pub a/b", "+pub a/#")
}

func TestPlaceholdersOfRules(t *testing.T) {
	f := start(t, "")
	f.rule(everybody(), "d/%c/#", auth.RulePub, true)
	f.rule(everybody(), "eq d/%u", auth.RulePub, false)
	f.may(auth.Publish, "d/c1/x", auth.Allow)
	f.may(auth.Publish, "d/c2/x", auth.Ignore)
	f.may(auth.Publish, "d/%u", auth.Deny)
	f.may(auth.Publish, "d/u1", auth.Ignore)
}

func TestDeleteRule(t *testing.T) {
	f := start(t, "")
	f.rule(user("u1"), "a", auth.RulePubSub, true)
	f.rule(user("u1"), "b", auth.RulePub, true)
	f.rule(everybody(), "a", auth.RulePub, true)
	f.check(f.DeleteRule(user("u1"), "a"))
	f.listed(user("u1"), "+pub b")
	f.restart()
	f.listed(user("u1"), "+pub b")
	for _, s := range []auth.Subject{user("u1"), user("nobody"), client("u1")} {
		if err := f.DeleteRule(s, "a"); !errors.Is(err, auth.ErrNotFound) {
			t.Error(s, err)
		}
	}
	f.check(f.DeleteRule(user("u1"), "b"))
	f.check(f.DeleteRule(everybody(), "a"))
	if len(f.rules.Keys()) != 0 || f.Builtin.rules.any.Load() {
		t.Errorf("left are %v", f.rules.Keys())
	}
	f.may(auth.Publish, "a", auth.Ignore)
}

func TestMostRulesOfOne(t *testing.T) {
	f := start(t, "auth.mnesia.max_acls_for_each_login = 2")
	f.rule(user("u1"), "a", auth.RulePub, true)
	if err := f.AddRule(rule1(user("u1"), "b", auth.RulePubSub, true)); !errors.Is(err, auth.ErrTooMany) {
		t.Error(err)
	}
	f.rule(user("u1"), "b", auth.RulePub, true)
	if err := f.AddRule(rule1(user("u1"), "c", auth.RulePub, true)); !errors.Is(err, auth.ErrTooMany) {
		t.Error(err)
	}
	f.rule(user("u1"), "a", auth.RulePub, false) // replaces
	f.listed(user("u1"), "-pub a", "+pub b")
	f.rule(client("u1"), "c", auth.RulePub, true) // another subject
	for _, topic := range []string{"a", "b", "c"} {
		f.rule(everybody(), topic, auth.RulePub, true)
	}
}

func TestAddRules(t *testing.T) {
	f := start(t, "auth.mnesia.max_acls_for_each_login = 2")
	errs := f.AddRules([]auth.Rule{
		rule1(user("u"), "a", auth.RulePub, true),
		rule1(user("u"), "b", auth.RulePub, true),
		rule1(user("u"), "c", auth.RulePub, true),
		rule1(user("u"), "a", auth.RulePub, false),
		rule1(user(""), "a", auth.RulePub, false),
		rule1(auth.Subject{Kind: auth.ForAll, Name: "x"}, "a", auth.RulePub, false),
		rule1(auth.Subject{Kind: "ip", Name: "x"}, "a", auth.RulePub, false),
		rule1(user("u"), "a", "publish", false),
		{Subject: user("u"), Action: auth.RulePub},
	})
	for i, want := range []error{nil, nil, auth.ErrTooMany, nil, errNoName, errNoSubject, errNoSubject, errNoAction, errNoTopic} {
		if !errors.Is(errs[i], want) || (want == nil) != (errs[i] == nil) {
			t.Errorf("rule %d: %v, want %v", i, errs[i], want)
		}
	}
	f.listed(user("u"), "-pub a", "+pub b")
	if f.rules.Writes() != 1 || f.changes.Load() == 0 {
		t.Errorf("%d changes of the keeper, %d calls", f.rules.Writes(), f.changes.Load())
	}
	f.restart()
	f.listed(user("u"), "-pub a", "+pub b")
}

func TestRulesThatCannotBeKept(t *testing.T) {
	f := start(t, "")
	f.rule(user("u"), "a", auth.RulePub, true)
	full := errors.New("the disk is full")
	f.rules.Fail(full)
	if err := f.AddRule(rule1(user("u"), "b", auth.RulePub, true)); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := f.DeleteRule(user("u"), "a"); !errors.Is(err, full) {
		t.Error(err)
	}
	f.listed(user("u"), "+pub a")
	if f.changes.Load() != 1 {
		t.Errorf("%d changes", f.changes.Load())
	}
}

func TestRulesThatCannotBeRead(t *testing.T) {
	for _, value := range []string{"", "{}", `{"topic":"!"}`, `{"kind":"username","topic":"YSM="}`,
		`{"kind":"username","name":"dQ==","topic":"YQ==","action":"x"}`, `{"kind":"user","name":"dQ==","topic":"YQ==","action":"pub"}`} {
		k := keeptest.Of(map[string]string{"username/pub/u\x00a": value})
		_, err := New(t.Context(), Options{Config: settings(t, ""), Rules: k})
		if err == nil || !strings.Contains(err.Error(), `the stored rule "username/pub/u\x00a" can't be read`) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestRulesForTheEye(t *testing.T) {
	f := start(t, "")
	f.rule(user("bob"), "a", auth.RulePub, true)
	f.rule(user("bo"), "a", auth.RuleSub, false)
	f.rule(client("bob"), "a", auth.RulePub, true)
	f.rule(user("bob"), "b", auth.RulePub, false)
	f.rule(everybody(), "a", auth.RulePubSub, true)
	show := func(filter auth.RuleFilter, from, limit, total int, want ...string) {
		t.Helper()
		some, n := f.Rules(filter, from, limit)
		var got []string
		for _, r := range some {
			got = append(got, strings.TrimSpace(fmt.Sprint(r.Kind, " ", r.Name))+" "+short(r))
		}
		if !slices.Equal(got, want) || n != total {
			t.Errorf("%+v: %q of %d, want %q of %d", filter, got, n, want, total)
		}
	}
	show(auth.RuleFilter{}, 0, 2, 6, "all +sub a", "all +pub a")
	show(auth.RuleFilter{}, 2, 2, 6, "clientid bob +pub a", "username bo -sub a")
	show(auth.RuleFilter{}, 4, 100, 6, "username bob -pub b", "username bob +pub a")
	show(auth.RuleFilter{}, 6, 100, 6)
	show(auth.RuleFilter{Kind: auth.ByUsername}, 0, 1, 3, "username bo -sub a")
	show(auth.RuleFilter{Kind: auth.ByUsername, Like: "ob"}, 0, 9, 2, "username bob -pub b", "username bob +pub a")
	show(auth.RuleFilter{Topic: "b"}, 0, 9, 1, "username bob -pub b")
	show(auth.RuleFilter{Action: auth.RuleSub}, 0, 9, 2, "all +sub a", "username bo -sub a")
	show(auth.RuleFilter{Access: "deny"}, 0, 9, 2, "username bo -sub a", "username bob -pub b")
	show(auth.RuleFilter{Access: "deny", Action: auth.RulePub, Topic: "a"}, 0, 9, 0)
}

// TestRandomRules compares with an evaluator that knows nothing but a list of
// all rules, newest first.
func TestRandomRules(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			one := func(of ...string) string { return of[random.IntN(len(of))] }
			f, model := start(t, ""), []auth.Rule(nil)
			subjects := []auth.Subject{client("c1"), client("u1"), user("u1"), user("c1"), everybody()}
			for range 200 {
				r := rule1(subjects[random.IntN(len(subjects))], one("#", "+", "a", "a/+", "a/b", "%c", "a/%u", "eq a/#"),
					auth.RuleAction(one("pub", "sub", "pubsub")), random.IntN(2) == 0)
				same := func(x auth.Rule, action auth.RuleAction) bool {
					return x.Subject == r.Subject && x.Topic.String() == r.Topic.String() && (action == auth.RulePubSub || x.Action == action)
				}
				if random.IntN(3) == 0 {
					before := len(model)
					model = slices.DeleteFunc(model, func(x auth.Rule) bool { return same(x, auth.RulePubSub) })
					if err := f.DeleteRule(r.Subject, r.Topic.String()); (err == nil) != (len(model) < before) {
						t.Fatal(err)
					}
				} else {
					f.check(f.AddRule(r))
					for _, action := range []auth.RuleAction{auth.RulePub, auth.RuleSub} {
						if r.Action == action || r.Action == auth.RulePubSub {
							model = slices.DeleteFunc(model, func(x auth.Rule) bool { return same(x, action) })
							x := r
							x.Action = action
							model = append([]auth.Rule{x}, model...)
						}
					}
				}
				if random.IntN(10) == 0 {
					f.restart()
				}
				action, name := []auth.Action{auth.Publish, auth.Subscribe}[random.IntN(2)], one("a", "b", "a/b", "c1", "a/u1", "a/#", "$x")
				f.may(action, name, naive(model, action, name))
			}
		})
	}
}

func naive(model []auth.Rule, action auth.Action, name string) auth.Verdict {
	for _, s := range []auth.Subject{client("c1"), user("u1"), everybody()} {
		for _, r := range model {
			if r.Subject != s || (r.Action == auth.RulePub) != (action == auth.Publish) {
				continue
			}
			filter := r.Topic.String()
			if literal, is := strings.CutPrefix(filter, "eq "); is && literal != name {
				continue
			} else if filled := strings.NewReplacer("%c", "c1", "%u", "u1").Replace(filter); !is &&
				(!topic.Match(filled, name) || r.Allow && !auth.Covers(filled, name)) {
				continue
			}
			if r.Allow {
				return auth.Allow
			}
			return auth.Deny
		}
	}
	return auth.Ignore
}
