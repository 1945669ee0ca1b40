package builtin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep"
)

// rules is the table of ACL rules. The list of a subject is in the order in
// which it is asked, newest first, and never changed in its place.
type rules struct {
	most    int // of one subject but all; 0: no limit
	records keep.Map
	changed func()
	any     atomic.Bool // there are rules: else nobody needs the lock

	writing sync.Mutex // around a look and the change that rests on it, by this node; taken before mu

	mu     sync.RWMutex
	loaded bool
	last   int64 // the newest stamp
	of     map[auth.Subject][]rule
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
	return rules{most: o.Config.MaxRules, records: o.Rules, changed: o.Changed, of: make(map[auth.Subject][]rule)}
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

// follow reads what is kept, and follows it. A rule that can't be read is an
// error: without it something might be open.
func (t *rules) follow(log *slog.Logger) error {
	err := keep.Follow(t.records, log, t.apply)
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, list := range t.of {
		slices.SortFunc(list, newestFirst)
		t.of[s] = onlyNewest(list)
	}
	t.loaded = true
	return err
}

// apply puts a change in force.
func (t *rules) apply(c keep.Change) error {
	s, r, err := readRule(&c)
	if err != nil {
		return fmt.Errorf("the stored rule %q can't be read (%w)", c.Key, err)
	}
	t.mu.Lock()
	t.last = max(t.last, r.stamp)
	loaded := t.loaded
	if loaded || c.Deleted {
		t.of[s] = replaced(t.of[s], r, c.Deleted)
	} else { // follow brings it into its order: one by one a long list would take long
		t.of[s] = append(t.of[s], *r)
	}
	if len(t.of[s]) == 0 {
		delete(t.of, s)
	}
	t.any.Store(len(t.of) > 0)
	t.mu.Unlock()
	if loaded {
		t.changed()
	}
	return nil
}

// readRule reads a rule that is kept, or whose one is that was deleted.
func readRule(c *keep.Change) (s auth.Subject, r *rule, err error) {
	var saved savedRule
	if c.Deleted {
		err = saved.readKey(c.Key)
	} else {
		err = json.Unmarshal(c.Value, &saved)
	}
	s = auth.Subject{Kind: saved.Kind, Name: string(saved.Name)}
	topic, topicErr := auth.NewPattern(string(saved.Topic))
	if err = errors.Join(err, topicErr); err == nil {
		err = checkRule(&auth.Rule{Subject: s, Topic: topic, Action: saved.Action})
	}
	r = &rule{topic, auth.Publish, saved.Allow, saved.Stamp}
	if saved.Action == auth.RuleSub {
		r.action = auth.Subscribe
	}
	return s, r, err
}

// readKey is the reverse of ruleKey. No name has a zero byte.
func (r *savedRule) readKey(key string) error {
	who, topic, ok := strings.Cut(key, "\x00")
	kind, rest, ok2 := strings.Cut(who, "/")
	action, name, ok3 := strings.Cut(rest, "/")
	if !ok || !ok2 || !ok3 {
		return errors.New("expected kind/action/name, a zero byte, and the topic")
	}
	r.Kind, r.Action, r.Name, r.Topic = auth.SubjectKind(kind), auth.RuleAction(action), []byte(name), []byte(topic)
	return nil
}

// same reports whether the one takes the other's place.
func (r *rule) same(as *rule) bool {
	return r.action == as.action && r.topic.String() == as.topic.String()
}

// onlyNewest takes out what stands behind a newer rule of the same topic and
// action, which is there if a rule changed while all were read.
func onlyNewest(list []rule) []rule {
	type id struct {
		topic  string
		action auth.Action
	}
	seen := make(map[id]bool, len(list))
	return slices.DeleteFunc(list, func(r rule) bool {
		i := id{r.topic.String(), r.action}
		if seen[i] {
			return true
		}
		seen[i] = true
		return false
	})
}

// replaced is a list with a rule in the place of the same one, or, if that was
// deleted, without it.
func replaced(list []rule, r *rule, deleted bool) []rule {
	next := make([]rule, 0, len(list)+1)
	for i := range list {
		if !list[i].same(r) {
			next = append(next, list[i])
		}
	}
	if deleted {
		return next
	}
	i, _ := slices.BinarySearchFunc(next, *r, newestFirst)
	return slices.Insert(next, i, *r)
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
