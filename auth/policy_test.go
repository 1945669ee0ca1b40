package auth

import (
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/config"
)

func TestAnonymous(t *testing.T) {
	read := func(text string, want Anonymous) {
		t.Helper()
		var a Anonymous
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want || a.String() != string(want) {
			t.Errorf("%s: %v, %v", text, a, err)
		}
	}
	read("true", AnonymousAllowed)
	read("on", AnonymousAllowed)
	read("false", AnonymousRefused)
	read("off", AnonymousRefused)
	read("false_quick_deny", AnonymousQuickDeny)
	for _, text := range []string{"", "yes", "True", "quick_deny"} {
		if err := new(Anonymous).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "expected true, false or false_quick_deny") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPolicyOfNobody(t *testing.T) {
	var p Policy
	if _, err := config.Load(&p, config.Source{}, nil); err != nil {
		t.Fatal(err)
	}
	if p.AllowAnonymous != AnonymousRefused || p.ACLNomatch != "deny" || p.ACLDenyAction != "ignore" || p.BypassPlugins {
		t.Errorf("a configuration that says nothing lets in: %+v", p)
	}
}
