package backup

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/auth"
)

// rule is a record of acl_mnesia.
type rule struct {
	Type      word  `json:"type"`
	TypeValue *word `json:"type_value"` // nil: for all
	Login     *word `json:"login"`      // until 4.2, in place of both

	Topic   word   `json:"topic"`
	Action  word   `json:"action"`
	Access  word   `json:"access"`
	Allow   *flag  `json:"allow"`      // until 4.2, in place of Access
	Created moment `json:"created_at"` // milliseconds; nil until 4.2
}

func (x *rule) name() string {
	for _, name := range []*word{x.TypeValue, x.Login} {
		if name != nil {
			return string(*name)
		}
	}
	return ""
}

// allLogins is the login that stands for all until 4.2.
const allLogins = "$all"

func (r *reader) rules() error {
	old := 0
	err := each(r, "acl_mnesia", (*rule).name, func(_ string, x *rule) error {
		one, err := r.rule(x)
		if err != nil {
			return err
		}
		if x.Created.n == nil {
			old++
		}
		for _, action := range single(one.Action) {
			one.Action = action
			r.data.Rules = append(r.data.Rules, one)
		}
		return nil
	})
	// In EMQ X the newest is asked first. What is of one moment, or has none, is in no order: what is denied stays so.
	slices.SortStableFunc(r.data.Rules, func(a, b auth.Rule) int {
		return cmp.Or(a.Created.Compare(b.Created), allowFirst(a, b))
	})
	if old > 0 {
		r.data.Notes = append(r.data.Notes, fmt.Sprintf("%d ACL rules have no time, so the export doesn't say in which order they are asked: of one name, those that deny come first", old))
	}
	return err
}

// single are the actions of which a is made: a rule for both is kept as two.
func single(a auth.RuleAction) []auth.RuleAction {
	if a == auth.RulePubSub {
		return []auth.RuleAction{auth.RuleSub, auth.RulePub}
	}
	return []auth.RuleAction{a}
}

func allowFirst(a, b auth.Rule) int {
	switch {
	case a.Allow == b.Allow:
		return 0
	case a.Allow:
		return -1
	}
	return 1
}

func (r *reader) rule(x *rule) (one auth.Rule, err error) {
	if one.Subject, err = r.subject(x); err != nil {
		return one, err
	}
	switch {
	case x.Allow != nil:
		one.Allow = bool(*x.Allow)
	case x.Access == "allow", x.Access == "deny":
		one.Allow = x.Access == "allow"
	default:
		return one, fmt.Errorf("expected allow or deny as the access, found %.20q", string(x.Access))
	}
	if err := one.Action.UnmarshalText([]byte(x.Action)); err != nil {
		return one, err
	}
	if x.Topic == "" || !utf8.ValidString(string(x.Topic)) {
		return one, errors.New("expected a topic in UTF-8")
	}
	one.Topic, err = auth.NewPattern(string(x.Topic))
	one.Created = x.Created.millis()
	return one, err
}

func (r *reader) subject(x *rule) (auth.Subject, error) {
	kind, name := auth.SubjectKind(x.Type), x.TypeValue
	if x.Login != nil && x.Type == "" {
		kind, name = r.as, x.Login
		if *name == allLogins {
			return auth.Subject{Kind: auth.ForAll}, nil
		}
		if kind == "" {
			return auth.Subject{}, ErrLogins
		}
	}
	if name == nil && (kind == auth.ForAll || kind == "") {
		return auth.Subject{Kind: auth.ForAll}, nil
	}
	if kind != auth.ByClientID && kind != auth.ByUsername || name == nil {
		return auth.Subject{}, fmt.Errorf("expected a rule for a clientid, a username or all, found the type %.20q", string(kind))
	}
	return auth.Subject{Kind: kind, Name: string(*name)}, checkName(string(*name))
}
