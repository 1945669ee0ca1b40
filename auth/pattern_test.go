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

func TestPatternCovers(t *testing.T) {
	covers := func(pattern, name string, want bool) {
		t.Helper()
		p, err := NewPattern(pattern)
		if err != nil {
			t.Fatal(pattern, err)
		}
		if got := p.Covers(&Client{ClientID: "c1"}, name); got != want {
			t.Errorf("%s covers %s: %v, want %v", pattern, name, got, want)
		}
		if got := Covers(pattern, name); p.levels == nil && !p.literal && got != want {
			t.Errorf("the filter %s covers %s: %v, want %v", pattern, name, got, want)
		}
	}
	covers("a/b", "a/b", true)
	covers("a/+", "a/b", true)
	covers("a/+", "a/+", true)
	covers("a/+", "a/#", false)
	covers("+", "#", false)
	covers("+", "+", true)
	covers("a/#", "a/#", true)
	covers("a/#", "a/+/#", true)
	covers("a/+/#", "a/#", false) // a itself
	covers("a/+/#", "a/b/#", true)
	covers("#", "a/#", true)
	covers("eq #", "#", true)
	covers("d/%c/#", "d/c1/#", true)
	covers("d/%c/+", "d/c1/#", false)
}

func TestPatternOfAWildcardsName(t *testing.T) {
	p, err := NewPattern("d/%c")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"#", "+"} {
		if p.Match(&Client{ClientID: id}, "d/"+id) {
			t.Errorf("the client %s gets d/%s", id, id)
		}
	}
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
