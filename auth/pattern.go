package auth

import (
	"strings"

	"github.com/dunlin-mq/dunlin/topic"
)

// Pattern is the topic of an ACL rule: a topic filter in which a whole level
// %u or %c stands for the client's user name or client id, or, written with
// `eq ` in front, one literal topic. What a client asks to subscribe to is
// matched as if it were a topic name: a/# covers a/+/b.
type Pattern struct {
	text    string
	literal bool
	levels  []string // nil: nothing stands for anything
}

// NewPattern reads a rule's topic; an error says why it is no filter.
func NewPattern(text string) (Pattern, error) {
	if rest, ok := strings.CutPrefix(text, "eq "); ok {
		return LiteralPattern(rest), nil
	}
	if err := topic.ValidFilter(text); err != nil {
		return Pattern{}, err
	}
	p := Pattern{text: text}
	if levels := strings.Split(text, "/"); hasPlaceholder(levels) {
		p.levels = levels
	}
	return p, nil
}

// LiteralPattern matches one topic, word for word.
func LiteralPattern(text string) Pattern { return Pattern{text: text, literal: true} }

// String is what NewPattern reads.
func (p Pattern) String() string {
	if p.literal {
		return "eq " + p.text
	}
	return p.text
}

// Match reports whether what c asks for meets the pattern, which is what a rule
// that denies has to know. A name the client didn't give matches nothing; a
// name stands for one level, whatever is in it.
func (p Pattern) Match(c *Client, name string) bool {
	switch {
	case p.literal:
		return p.text == name
	case p.levels == nil:
		return topic.Match(p.text, name)
	}
	return p.matchLevels(c, name)
}

// Covers reports whether the pattern meets all of what c asks for, which is
// what a rule that allows has to know: d/+ is met by a subscription to d/#, and
// doesn't cover it. EMQ X has one notion for both.
func (p Pattern) Covers(c *Client, name string) bool {
	return p.Match(c, name) && (p.literal || !reachesOut(p.text, name))
}

// Concerns is Covers for a rule that allows, and Match for one that denies.
func (p Pattern) Concerns(v Verdict, c *Client, name string) bool {
	if v == Allow {
		return p.Covers(c, name)
	}
	return p.Match(c, name)
}

// Covers is Pattern.Covers for a topic filter without placeholders.
func Covers(filter, name string) bool { return topic.Match(filter, name) && !reachesOut(filter, name) }

// reachesOut reports whether the name, which the filter meets, asks for levels
// below by a # that the filter hasn't.
func reachesOut(filter, name string) bool {
	return endsInAll(name) && !(endsInAll(filter) && topic.Levels(filter) <= topic.Levels(name))
}

func endsInAll(filter string) bool { return filter == "#" || strings.HasSuffix(filter, "/#") }

func (p Pattern) matchLevels(c *Client, name string) bool {
	if strings.HasPrefix(name, "$") && (p.levels[0] == "+" || p.levels[0] == "#") {
		return false // [MQTT-4.7.2-1]
	}
	rest, more := name, true
	for _, want := range p.levels {
		if want == "#" {
			return true
		}
		if !more {
			return false
		}
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch want {
		case "+":
			continue
		case "%u":
			want = c.Username
		case "%c":
			want = c.ClientID
		default:
			if want != level {
				return false
			}
			continue
		}
		if want != level || want == "" || want == "+" || want == "#" { // who is called # must not get everything
			return false
		}
	}
	return !more
}

func hasPlaceholder(levels []string) bool {
	for _, l := range levels {
		if l == "%u" || l == "%c" {
			return true
		}
	}
	return false
}
