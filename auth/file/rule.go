package file

import (
	"strconv"

	"github.com/dunlin-mq/dunlin/auth"
)

// Rule is one rule as it stands in the file.
type Rule struct {
	Line int    // where it begins, from 1
	Text string // without the full stop
}

// rule is what a Rule means.
type rule struct {
	Rule
	file               string // or what stands for one in errors
	verdict            auth.Verdict
	publish, subscribe bool
	who                who
	anyTopic           bool // {allow, all} and {deny, all}: also what # doesn't match
	topics             []pattern
}

// Explain is auth.Why's.
func (r *rule) Explain() (text, where string) { return r.Text, r.file + ":" + strconv.Itoa(r.Line) }

// covers reports whether the rule holds for c and what it asks for. A topic
// with a name that c doesn't have ends the rule, as in EMQ X 4.3.16: what
// follows in the list isn't looked at.
func (r *rule) covers(c *auth.Client, name string) bool {
	if !r.who.includes(c) {
		return false
	}
	for i := range r.topics {
		t := &r.topics[i]
		if t.user && c.Username == "" || t.client && c.ClientID == "" {
			return false
		}
		if t.Concerns(r.verdict, c, name) {
			return true
		}
	}
	return r.anyTopic
}

// newRule says what a term means.
func newRule(t term) (r rule, err *mistake) {
	if t.kind != tuple || len(t.items) != 2 && len(t.items) != 4 {
		return r, mistakef(t.at, "found %s, expected {allow, all}, {deny, all} or {allow|deny, who, action, topics}", t)
	}
	if r.verdict, err = newVerdict(t.items[0]); err != nil {
		return r, err
	}
	if len(t.items) == 2 {
		if !t.items[1].is("all") {
			return r, unexpected(t.items[1], "all, or who, action and topics", "all")
		}
		r.who, r.publish, r.subscribe, r.anyTopic = everyone{}, true, true, true
		return r, nil
	}
	if r.who, err = newWho(t.items[1]); err != nil {
		return r, err
	}
	if r.publish, r.subscribe, err = newActions(t.items[2]); err != nil {
		return r, err
	}
	r.topics, err = newTopics(t.items[3])
	return r, err
}

func newVerdict(t term) (auth.Verdict, *mistake) {
	switch {
	case t.is("allow"):
		return auth.Allow, nil
	case t.is("deny"):
		return auth.Deny, nil
	}
	return auth.Ignore, unexpected(t, "allow or deny", "allow", "deny")
}

func newActions(t term) (publish, subscribe bool, err *mistake) {
	switch {
	case t.is("publish"):
		return true, false, nil
	case t.is("subscribe"):
		return false, true, nil
	case t.is("pubsub"), t.is("all"):
		return true, true, nil
	case t.name() == "publish", t.name() == "subscribe", t.name() == "all":
		return false, false, mistakef(t.at, "found %s, expected the action alone: conditions on qos and retain are not supported", t)
	}
	return false, false, unexpected(t, "publish, subscribe or pubsub", "publish", "subscribe", "pubsub")
}
