package auth

import "testing"

func TestPattern(t *testing.T) {
	match := func(pattern, name string, want bool) {
		t.Helper()
		p, err := NewPattern(pattern)
		if err != nil {
			t.Fatal(pattern, err)
		}
		if got := p.Match(&Client{ClientID: "c1", Username: "u/1"}, name); got != want {
			t.Errorf("%s covers %s: %v, want %v", pattern, name, got, want)
		}
		if p.String() != pattern {
			t.Errorf("%q is written %q", pattern, p)
		}
	}
	match("a/b", "a/b", true)
	match("a/b", "a/c", false)
	match("a/#", "a", true)
	match("a/#", "a/+/b", true)
	match("a/#", "a/#", true)
	match("#", "#", true)
	match("#", "$SYS/x", false)
	match("+/%c", "$SYS/c1", false)
	match("eq #", "#", true)
	match("eq #", "a", false)
	match("eq %c", "c1", false)
	match("d/%c", "d/c1", true)
	match("d/%c", "d/c2", false)
	match("d/%c/+", "d/c1/x", true)
	match("d/%c/+", "d/c1", false)
	match("d/%c/#", "d/c1", true)
	match("d/%c/#", "d/c1/x/y", true)
	match("%c", "c1/x", false)
	match("d/%c/x", "d/+/x", false)
	match("d/%u", "d/u/1", false)
	match("d/x%c", "d/x%c", true)
	match("d/x%c", "d/xc1", false)
}

func TestPatternOfANameThatIsMissing(t *testing.T) {
	p, err := NewPattern("d/%u")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d/%u", "d/", "d"} {
		if p.Match(&Client{ClientID: "c"}, name) {
			t.Errorf("d/%%u covers %s for a client without user name", name)
		}
	}
}

func TestPatternThatIsNoFilter(t *testing.T) {
	for _, text := range []string{"", "a/#/b", "a+", "a\x00"} {
		if _, err := NewPattern(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
