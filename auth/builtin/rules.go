package builtin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/auth"
)

// rules is the table of ACL rules. The list of a subject is in the order in
// which it is asked, newest first, and never changed in its place.
type rules struct {
	most    int    // of one subject but all; 0: no limit
	keeper  Keeper // may be nil
	changed func()
	any     atomic.Bool // there are rules: else nobody needs the lock

	writing sync.Mutex // around what the keeper and the table must agree on; taken before mu
	last    int64      // the stamp given last

	mu sync.RWMutex
	of map[auth.Subject][]rule
}

// rule is an auth.Rule without its subject. Its stamp, Unix microseconds, is
// its alone.
type rule struct {
	topic  auth.Pattern
	action auth.Action
	allow  bool
	stamp  int64
}

// savedRule is a rule as it is kept. Its key only has to be its own.
type savedRule struct {
	Kind   auth.SubjectKind `json:"kind"`
	Name   []byte           `json:"name,omitempty"`
	Topic  []byte           `json:"topic"`
	Action auth.RuleAction  `json:"action"`
	Allow  bool             `json:"allow"`
	Stamp  int64            `json:"stamp"`
}

func newRules(o *Options) rules {
	return rules{most: o.Config.MaxRules, keeper: o.Rules, changed: o.Changed, of: make(map[auth.Subject][]rule)}
}

func ruleKey(s auth.Subject, topic string, action auth.RuleAction) string {
	return string(s.Kind) + "/" + string(action) + "/" + s.Name + "\x00" + topic
}

// word is the action as a RuleAction.
func (r *rule) word() auth.RuleAction {
	if r.action == auth.Publish {
		return auth.RulePub
	}
	return auth.RuleSub
}

func (r *rule) save(s auth.Subject) ([]byte, error) {
	return json.Marshal(savedRule{s.Kind, []byte(s.Name), []byte(r.topic.String()), r.word(), r.allow, r.stamp})
}

// load reads what is kept. A rule that can't be read is an error: without it
// something might be open.
func (t *rules) load() error {
	if t.keeper == nil {
		return nil
	}
	err := t.keeper.Each(func(key string, value []byte) error {
		var saved savedRule
		err := json.Unmarshal(value, &saved)
		topic, topicErr := auth.NewPattern(string(saved.Topic))
		s, action := auth.Subject{Kind: saved.Kind, Name: string(saved.Name)}, auth.Publish
		if err = errors.Join(err, topicErr); err == nil {
			err = checkRule(&auth.Rule{Subject: s, Topic: topic, Action: saved.Action})
		}
		if err != nil {
			return fmt.Errorf("the stored rule %q can't be read (%w)", key, err)
		}
		if saved.Action == auth.RuleSub {
			action = auth.Subscribe
		}
		t.of[s] = append(t.of[s], rule{topic, action, saved.Allow, saved.Stamp})
		t.last = max(t.last, saved.Stamp)
		return nil
	})
	for _, list := range t.of {
		slices.SortFunc(list, newestFirst)
	}
	t.any.Store(len(t.of) > 0)
	return err
}

func newestFirst(a, b rule) int { return cmp.Compare(b.stamp, a.stamp) }

// Authorize asks the rules of the client id, of the user name, and of all.
func (t *rules) Authorize(_ context.Context, r *auth.Request) (auth.Answer, error) {
	if !t.any.Load() {
		return auth.Answer{}, nil
	}
	c := r.Client
	t.mu.RLock()
	lists := [...][]rule{
		t.of[auth.Subject{Kind: auth.ByClientID, Name: c.ClientID}],
		t.of[auth.Subject{Kind: auth.ByUsername, Name: c.Username}],
		t.of[auth.Subject{Kind: auth.ForAll}],
	}
	t.mu.RUnlock()
	for kind, list := range lists {
		for i := range list {
			switch x := &list[i]; {
			case x.action != r.Action:
			case x.allow && x.topic.Covers(c, r.Topic):
				return auth.Answer{Verdict: auth.Allow, Rule: x.why(kind)}, nil
			case !x.allow && x.topic.Match(c, r.Topic):
				return auth.Answer{Verdict: auth.Deny, Rule: x.why(kind)}, nil
			}
		}
	}
	return auth.Answer{}, nil
}

// A rule doesn't know whose it is; these do, and are there without memory of
// their own.
type (
	clientRule rule
	userRule   rule
	allRule    rule
)

// why is the rule as what an answer rests on; kind is whose it is, as
// Authorize asks.
func (r *rule) why(kind int) auth.Why {
	switch kind {
	case 0:
		return (*clientRule)(r)
	case 1:
		return (*userRule)(r)
	}
	return (*allRule)(r)
}

// Explain is auth.Why's.
func (r *clientRule) Explain() (text, where string) {
	return (*rule)(r).text(), "built-in rules of the client id"
}

// Explain is auth.Why's.
func (r *userRule) Explain() (text, where string) {
	return (*rule)(r).text(), "built-in rules of the user name"
}

// Explain is auth.Why's.
func (r *allRule) Explain() (text, where string) { return (*rule)(r).text(), "built-in rules for all" }

func (r *rule) text() string {
	access := "deny"
	if r.allow {
		access = "allow"
	}
	return access + " " + r.action.String() + " " + r.topic.String()
}
