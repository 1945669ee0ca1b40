package file

import (
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/topic"
)

// pattern is one topic of a rule.
type pattern struct {
	auth.Pattern
	user, client bool // it has a %u or %c
}

// newTopics says what the last part of a rule means.
func newTopics(t term) ([]pattern, *mistake) {
	items := t.items
	switch {
	case t.kind == text, t.name() == "eq":
		items = []term{t} // one topic needs no list
	case t.kind != list:
		return nil, unexpected(t, `a list of topics such as ["a/#", {eq, "b"}]`)
	}
	topics := make([]pattern, len(items))
	for i, item := range items {
		var err *mistake
		if topics[i], err = newPattern(item); err != nil {
			return nil, err
		}
	}
	return topics, nil
}

func newPattern(t term) (pattern, *mistake) {
	if t.name() == "eq" && len(t.items) == 2 && t.items[1].kind == text {
		return newLiteral(t.items[1], t.items[1].text)
	}
	if t.kind != text {
		return pattern{}, unexpected(t, `a topic: "a/#" or {eq, "a"}`, "eq")
	}
	if literal, ok := strings.CutPrefix(t.text, "eq "); ok {
		return newLiteral(t, literal)
	}
	levels := strings.Split(t.text, "/")
	for i, level := range levels {
		switch {
		case level == "${username}":
			levels[i] = "%u"
		case level == "${clientid}":
			levels[i] = "%c"
		case strings.Contains(level, "${"):
			return pattern{}, mistakef(t.at, "found %s, expected only ${username} and ${clientid}, each as a whole level", t)
		}
	}
	p, err := auth.NewPattern(strings.Join(levels, "/"))
	if err != nil {
		return pattern{}, noTopic(t, err)
	}
	return pattern{p, slices.Contains(levels, "%u"), slices.Contains(levels, "%c")}, nil
}

func newLiteral(t term, literal string) (pattern, *mistake) {
	if err := topic.ValidFilter(literal); err != nil {
		return pattern{}, noTopic(t, err)
	}
	return pattern{Pattern: auth.LiteralPattern(literal)}, nil
}

func noTopic(t term, err error) *mistake {
	return mistakef(t.at, "found %s, which matches nothing: %s", t, strings.TrimPrefix(err.Error(), "topic: "))
}
