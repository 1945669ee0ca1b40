package builtin

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// AddRule puts a rule before the older ones of its subject, in the place of one
// of the same topic and action; auth.ErrTooMany if there are enough.
func (b *Builtin) AddRule(r auth.Rule) error { return b.AddRules([]auth.Rule{r})[0] }

// AddRules adds many, each as if it came after the one before, and returns for
// each what kept it out. If the map fails some of them may be there all the
// same.
func (b *Builtin) AddRules(all []auth.Rule) []error {
	t := &b.rules
	t.writing.Lock()
	defer t.writing.Unlock()
	errs := make([]error, len(all))
	next := make(map[auth.Subject][]rule)
	for i := range all {
		r := &all[i]
		if errs[i] = checkRule(r); errs[i] != nil {
			continue
		}
		list, begun := next[r.Subject]
		if !begun {
			list = t.list(r.Subject)
		}
		if list, errs[i] = t.with(list, r); errs[i] == nil {
			next[r.Subject] = list
		}
	}
	if err := t.put(next); err != nil {
		for i := range errs {
			errs[i] = cmp.Or(errs[i], err)
		}
	}
	return errs
}

// Errors of rules that can't be.
var (
	errNoSubject = errors.New("expected a rule for a clientid, a username or, without a name, for all")
	errNoAction  = errors.New("expected pub, sub or pubsub as the action")
	errNoTopic   = errors.New("expected a topic")
)

func checkRule(r *auth.Rule) error {
	switch {
	case r.Kind == auth.ForAll && r.Name == "":
	case r.Kind == auth.ByClientID || r.Kind == auth.ByUsername:
		if err := checkName(r.Name); err != nil {
			return err
		}
	default:
		return errNoSubject
	}
	switch {
	case !r.Action.Covers(auth.Publish) && !r.Action.Covers(auth.Subscribe):
		return errNoAction
	case r.Topic.String() == "":
		return errNoTopic
	}
	return nil
}

// with returns a list with a rule in front of it, or two.
func (t *rules) with(list []rule, r *auth.Rule) ([]rule, error) {
	actions := []auth.Action{auth.Subscribe, auth.Publish}
	actions = slices.DeleteFunc(actions, func(a auth.Action) bool { return !r.Action.Covers(a) })
	topic := r.Topic.String()
	replaced := func(old rule) bool { return old.topic.String() == topic && slices.Contains(actions, old.action) }
	kept := slices.DeleteFunc(slices.Clone(list), replaced)
	added := len(actions)
	longer := make([]rule, added, added+len(kept))
	for i, action := range actions {
		longer[i] = rule{r.Topic, action, r.Allow, 0}
	}
	longer = append(longer, kept...)
	if t.most > 0 && len(longer) > t.most && len(longer) > len(list) && r.Kind != auth.ForAll {
		return list, auth.ErrTooMany
	}
	for i := added - 1; i >= 0; i-- { // the first is the newest
		longer[i].stamp = t.stamp()
	}
	return longer, nil
}

// stamp is later than that of any rule.
func (t *rules) stamp() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = max(t.last+1, time.Now().UnixMicro())
	return t.last
}

func (t *rules) list(s auth.Subject) []rule {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.of[s]
}

// put keeps what is new in the lists.
func (t *rules) put(next map[auth.Subject][]rule) error {
	if len(next) == 0 {
		return nil
	}
	var failed error
	return errors.Join(t.records.PutAll(t.newIn(next, &failed)), failed)
}

// newIn yields the records of the rules that the table doesn't have.
func (t *rules) newIn(next map[auth.Subject][]rule, failed *error) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for s, list := range next {
			known := make(map[int64]bool)
			for _, r := range t.list(s) {
				known[r.stamp] = true
			}
			for i := range list {
				r := &list[i]
				if known[r.stamp] {
					continue
				}
				value, err := r.save(s)
				if err != nil {
					*failed = err
					return
				}
				if !yield(ruleKey(s, r.topic.String(), r.word()), value) {
					return
				}
			}
		}
	}
}

// DeleteRule deletes the rules of a subject for a topic as it was written;
// auth.ErrNotFound if there is none.
func (b *Builtin) DeleteRule(s auth.Subject, topic string) error {
	t := &b.rules
	t.writing.Lock()
	defer t.writing.Unlock()
	found := false
	for _, r := range t.list(s) {
		if r.topic.String() != topic {
			continue
		}
		if err := t.records.Delete(ruleKey(s, topic, r.word())); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return auth.ErrNotFound
	}
	return nil
}

func (r *rule) show(s auth.Subject) auth.Rule {
	return auth.Rule{Subject: s, Topic: r.topic, Action: r.word(), Allow: r.allow, Created: time.UnixMicro(r.stamp).Truncate(time.Millisecond)}
}

// RulesOf returns the rules of one subject in the order in which they are
// asked.
func (b *Builtin) RulesOf(s auth.Subject) []auth.Rule {
	var all []auth.Rule
	list := b.rules.list(s)
	for i := range list {
		all = append(all, list[i].show(s))
	}
	return all
}

// Rules returns those the filter chooses, by subject and in the order in which
// they are asked, from the one numbered from on and at most limit of them;
// total is how many there are.
func (b *Builtin) Rules(f auth.RuleFilter, from, limit int) (some []auth.Rule, total int) {
	type group struct {
		auth.Subject
		list []rule
	}
	var groups []group
	t := &b.rules
	t.mu.RLock()
	for s, list := range t.of {
		if (f.Kind == "" || s.Kind == f.Kind) && strings.Contains(s.Name, f.Like) {
			groups = append(groups, group{s, list})
		}
	}
	t.mu.RUnlock() // event loops want to read, and sorting takes a while
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	for _, g := range groups {
		for i := range g.list {
			r := &g.list[i]
			if !chosen(f, r) {
				continue
			}
			if total >= from && total-from < limit {
				some = append(some, r.show(g.Subject))
			}
			total++
		}
	}
	return some, total
}

func chosen(f auth.RuleFilter, r *rule) bool {
	access := "deny"
	if r.allow {
		access = "allow"
	}
	return (f.Topic == "" || f.Topic == r.topic.String()) && (f.Access == "" || f.Access == access) &&
		(f.Action == "" || f.Action == r.word() || f.Action == auth.RulePubSub)
}
