package broker

import (
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/topic"
)

// FuzzParseDelayed wants a time within the bounds and the rest of the topic,
// or nothing.
func FuzzParseDelayed(f *testing.F) {
	f.Fuzz(func(t *testing.T, rest string, now int64) {
		now &= 1<<45 - 1
		name := delayedPrefix + rest
		at, to, ok := parseDelayed(name, now)
		switch {
		case !ok && (at != 0 || to != ""):
			t.Errorf("%q: %d and %q of an invalid delay", name, at, to)
		case ok && (at < now-delayedMax*1000-1000 || at > now+delayedMax*1000):
			t.Errorf("%q: %d is too far from %d", name, at, now)
		case ok && (to == "" || !strings.HasSuffix(name, "/"+to)):
			t.Errorf("%q: the topic %q isn't its end", name, to)
		case ok && topic.ValidName(name) == nil && topic.ValidName(to) != nil:
			t.Errorf("%q: %q is no topic name", name, to)
		}
	})
}

// FuzzRewrite reads a rule and applies it; a target without placeholders
// comes out as it is.
func FuzzRewrite(f *testing.F) {
	f.Fuzz(func(t *testing.T, rule, name, id string) {
		r, err := parseRewrite(rule)
		if err != nil || topic.ValidName(name) != nil {
			return
		}
		who := &hook.ClientInfo{ClientID: id}
		got := apply([]rewrite{r}, who, name)
		hit := topic.Match(r.filter, name) && r.re.MatchString(name)
		switch {
		case !hit && got != name:
			t.Errorf("%q leaves %q alone, got %q", rule, name, got)
		case hit && !strings.ContainsAny(r.target, "$%") && got != r.target:
			t.Errorf("%q makes %q of %q, want the target", rule, got, name)
		}
	})
}
