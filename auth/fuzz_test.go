package auth

import (
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

// FuzzThreshold wants what was read to be written so that it is read again.
func FuzzThreshold(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		var a, b Threshold
		if a.UnmarshalText([]byte(text)) != nil {
			return
		}
		if a != (Threshold{}) && (a.Count < 1 || a.Window <= 0 || a.Block <= 0) {
			t.Errorf("%q is %+v", text, a)
		}
		if err := b.UnmarshalText([]byte(a.String())); err != nil || a != b {
			t.Errorf("%q is written %q: %v", text, a, err)
		}
	})
}

// FuzzPattern compares Match with putting the names in, level by level.
func FuzzPattern(f *testing.F) {
	f.Fuzz(func(t *testing.T, pattern, id, user, name string) {
		p, err := NewPattern(pattern)
		if err != nil {
			return
		}
		if p.String() != pattern {
			t.Errorf("%q is written %q", pattern, p)
		}
		want := covers(strings.Split(pattern, "/"), strings.Split(name, "/"), map[string]string{"%c": id, "%u": user})
		if literal, ok := strings.CutPrefix(pattern, "eq "); ok {
			want = literal == name
		} else if strings.HasPrefix(name, "$") && (pattern[0] == '+' || pattern[0] == '#') {
			want = false
		}
		if got := p.Match(&Client{ClientID: id, Username: user}, name); got != want {
			t.Errorf("%q covers %q for %q %q: %v", pattern, name, id, user, got)
		}
	})
}

func covers(pattern, name []string, names map[string]string) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "#":
		return true
	case len(name) == 0:
		return false
	}
	want, isName := names[pattern[0]]
	if !isName {
		want = pattern[0]
	}
	if isName && (want == "" || want == "+" || want == "#") || want != name[0] && (isName || want != "+") {
		return false
	}
	return covers(pattern[1:], name[1:], names)
}

// FuzzBan wants every ban that is taken to be found, shown and removed by the
// name it is shown with.
func FuzzBan(f *testing.F) {
	f.Fuzz(func(t *testing.T, kind, who, value string) {
		s := newBans(keeptest.Of(map[string]string{kind + "/" + who: value}))
		if s.follow(nil) != nil {
			return
		}
		for _, b := range s.All() {
			if there, err := s.Remove(b.Kind, b.Who); !there || err != nil {
				t.Errorf("%+v can't be removed", b)
			}
		}
	})
}
