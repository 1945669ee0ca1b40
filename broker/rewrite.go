package broker

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// rewrite is one rule of module.rewrite: a topic that filter matches and re
// matches becomes target.
type rewrite struct {
	filter string
	re     *regexp.Regexp
	target string // with $1, $2 … for groups, and %c, %u
}

// parseRewrite reads "filter regex target".
func parseRewrite(text string) (rewrite, error) {
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return rewrite{}, fmt.Errorf("expected a topic filter, a regular expression and the new topic, divided by blanks, in %q", text)
	}
	if err := topic.ValidFilter(parts[0]); err != nil {
		return rewrite{}, fmt.Errorf("%q is no topic filter: %w", parts[0], err)
	}
	re, err := regexp.Compile(parts[1])
	if err != nil {
		return rewrite{}, fmt.Errorf("%q is no regular expression: %w", parts[1], err)
	}
	return rewrite{parts[0], re, parts[2]}, nil
}

// rewrites reads tables of valid rules, in the order of their numbers.
func rewrites(tables ...map[string]string) (rules []rewrite) {
	for _, t := range tables {
		for _, id := range slices.SortedFunc(maps.Keys(t), byNumber) {
			if r, err := parseRewrite(t[id]); err == nil {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// byNumber orders 9 before 10, and words after numbers.
func byNumber(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	switch {
	case errX == nil && errY == nil:
		return cmp.Compare(x, y)
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return cmp.Compare(a, b)
}

// apply rewrites name by the first rule whose filter matches; if that rule's
// expression doesn't match, name stays as it is and later rules aren't tried.
func apply(rules []rewrite, who *hook.ClientInfo, name string) string {
	for _, r := range rules {
		if !topic.Match(r.filter, name) {
			continue
		}
		groups := r.re.FindStringSubmatch(name)
		if groups == nil {
			return name
		}
		return expand(r.target, groups, who)
	}
	return name
}

// expand replaces $1, $2 … and %c, %u in a target. It goes through it once, so
// that what is filled in isn't replaced again.
func expand(target string, groups []string, who *hook.ClientInfo) string {
	var out strings.Builder
	for {
		at := strings.IndexAny(target, "$%")
		if at < 0 {
			out.WriteString(target)
			return out.String()
		}
		out.WriteString(target[:at])
		target = target[at:]
		text, size := target[:1], 1
		if strings.HasPrefix(target, "%c") || strings.HasPrefix(target, "%u") {
			text, size = fill(target[:2], who), 2
		} else if n, digits := groupNumber(target[1:], len(groups)); digits > 0 {
			text, size = groups[n], 1+digits
		}
		out.WriteString(text)
		target = target[size:]
	}
}

// groupNumber reads the longest number that is one of the groups: with three
// of them $12 is the first one and a 2.
func groupNumber(text string, groups int) (n, digits int) {
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		next := n*10 + int(text[digits]-'0')
		if next == 0 || next >= groups {
			break
		}
		n = next
		digits++
	}
	return n, digits
}

// fill replaces %c and %u; a client without a username keeps the %u.
func fill(text string, who *hook.ClientInfo) string {
	if who == nil || !strings.Contains(text, "%") {
		return text
	}
	text = strings.ReplaceAll(text, "%c", who.ClientID)
	if who.Username != "" {
		text = strings.ReplaceAll(text, "%u", who.Username)
	}
	return text
}

// rewritePublish changes the topic of a message; a result that is no topic
// name leaves it as it was.
func (br *Broker) rewritePublish(who *hook.ClientInfo, m *mqtt.Message) {
	if len(br.publishRules) == 0 {
		return
	}
	if name := apply(br.publishRules, who, m.Topic); topic.ValidName(name) == nil {
		m.Topic = name
	}
}

// RewriteFilter changes a filter that a client subscribes to or gives up,
// before its mountpoint is added. Of a shared filter the part behind the
// group is changed.
func (br *Broker) RewriteFilter(who *hook.ClientInfo, filter string) string {
	if len(br.subscribeRules) == 0 {
		return filter
	}
	f, err := topic.Parse(filter)
	if err != nil {
		return filter
	}
	bare := apply(br.subscribeRules, who, f.Bare)
	if topic.ValidFilter(bare) != nil {
		return filter
	}
	return strings.TrimSuffix(filter, f.Bare) + bare
}
