package auth

import (
	"errors"
	"fmt"
	"testing"
)

func TestRuleAction(t *testing.T) {
	covers := func(a RuleAction, publish, subscribe bool) {
		t.Helper()
		var read RuleAction
		if err := read.UnmarshalText([]byte(a)); err != nil || read != a {
			t.Errorf("%q is read as %q, %v", a, read, err)
		}
		if a.Covers(Publish) != publish || a.Covers(Subscribe) != subscribe {
			t.Errorf("%s covers publish %v, subscribe %v", a, a.Covers(Publish), a.Covers(Subscribe))
		}
	}
	covers(RulePub, true, false)
	covers(RuleSub, false, true)
	covers(RulePubSub, true, true)
	for _, text := range []string{"", "publish", "PUB", "all"} {
		var a RuleAction
		if a.UnmarshalText([]byte(text)) == nil || a != "" || a.Covers(Publish) || a.Covers(Subscribe) {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestErrorsCanBeToldApart(t *testing.T) {
	if err := fmt.Errorf("add x: %w", ErrExists); !errors.Is(err, ErrExists) || errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}
