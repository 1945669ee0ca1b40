package topic

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestValid(t *testing.T) {
	check := func(s string, asName, asFilter error) {
		t.Helper()
		if err := ValidName(s); err != asName {
			t.Errorf("ValidName(%.40q) = %v, want %v", s, err, asName)
		}
		if err := ValidFilter(s); err != asFilter {
			t.Errorf("ValidFilter(%.40q) = %v, want %v", s, err, asFilter)
		}
	}
	both := func(s string, err error) { t.Helper(); check(s, err, err) }
	filter := func(s string) { t.Helper(); check(s, ErrWildcard, nil) }
	neither := func(s string, err error) { t.Helper(); check(s, ErrWildcard, err) }

	both("a", nil)
	both("/", nil)
	both("//", nil)
	both("a/b/c", nil)
	both("a b/ c", nil)
	both("$SYS/brokers", nil)
	both("Zürich/温度", nil)
	both("\ufeffa", nil) // [MQTT-1.5.4-3]: the byte order mark is an ordinary character
	both(strings.Repeat("a", MaxLength), nil)
	both(strings.Repeat("/", MaxLength), nil)

	both("", ErrEmpty)
	both(strings.Repeat("a", MaxLength+1), ErrTooLong)
	both("a\x00b", ErrNUL)
	both("\x00", ErrNUL)
	both("a\xff", ErrNotUTF8)
	both("\xed\xa0\x80", ErrNotUTF8) // half of a surrogate pair
	both("\xc0\xaf", ErrNotUTF8)     // a slash in two bytes
	both("\xe6\xb8", ErrNotUTF8)

	filter("#")
	filter("+")
	filter("+/+")
	filter("/+")
	filter("+/")
	filter("a/#")
	filter("/#")
	filter("a/+/b/#")
	filter("$SYS/#")

	neither("a#", ErrHash)
	neither("#/a", ErrHash)
	neither("a/#/", ErrHash)
	neither("##", ErrHash)
	neither("a/b#", ErrHash)
	neither("a/#b", ErrHash)
	neither("a+", ErrPlus)
	neither("+a", ErrPlus)
	neither("++", ErrPlus)
	neither("a/b+/c", ErrPlus)
	neither("+#", ErrPlus)
}

func TestErrorsAreComparedAndSpeak(t *testing.T) {
	err := ValidName("a/#")
	if !errors.Is(err, ErrWildcard) || errors.Is(err, ErrHash) {
		t.Errorf("%v is not told from other errors", err)
	}
	if !strings.HasPrefix(err.Error(), "topic: a topic name must not contain") {
		t.Errorf("message %q", err)
	}
}

func TestMatch(t *testing.T) {
	yes := func(filter, name string) {
		t.Helper()
		if !Match(filter, name) {
			t.Errorf("%q does not match %q", filter, name)
		}
	}
	no := func(filter, name string) {
		t.Helper()
		if Match(filter, name) {
			t.Errorf("%q matches %q", filter, name)
		}
	}
	yes("a/b", "a/b")
	no("a/b", "a/B") // case matters
	no("a/b", "a")
	no("a", "a/b")
	no("a", "/a") // a leading slash makes a level of its own
	no("a", "a/")
	yes("/", "/")
	no("/", "//")

	yes("#", "a")
	yes("#", "/")
	yes("#", "a/b/c")
	yes("a/#", "a") // # stands for the parent too
	yes("a/#", "a/")
	yes("a/#", "a/b/c")
	no("a/#", "ab")
	no("a/b/#", "a")
	yes("+/#", "a")
	yes("/#", "/a")
	yes("/#", "/")
	no("/#", "a")

	yes("+", "a")
	no("+", "a/b")
	no("+", "/a")
	yes("+/+", "/a")
	yes("/+", "/a")
	yes("/+", "/")
	yes("a/+", "a/")
	no("a/+", "a")
	yes("a/+/c", "a//c")
	no("a/+/c", "a/b/b/c")
	yes("a/+/c/#", "a/b/c")

	no("#", "$SYS/a") // [MQTT-4.7.2-1]
	no("+", "$SYS")
	no("+/a", "$SYS/a")
	no("+/#", "$SYS/a")
	yes("$SYS/#", "$SYS/a")
	yes("$SYS/+", "$SYS/a")
	yes("a/+", "a/$b")
	yes("#", "a/$b")
	yes("/+", "/$b")
}

func TestLevels(t *testing.T) {
	for s, want := range map[string]int{"a": 1, "a/b": 2, "/": 2, "a//b": 3, "a/+/#": 3, strings.Repeat("/", MaxLength): MaxLength + 1} {
		if got := Levels(s); got != want {
			t.Errorf("Levels(%.20q) = %d, want %d", s, got, want)
		}
	}
}

func TestHasWildcard(t *testing.T) {
	for s, want := range map[string]bool{"": false, "a/b": false, "$SYS": false, "+": true, "a/+/b": true, "a/#": true} {
		if got := HasWildcard(s); got != want {
			t.Errorf("HasWildcard(%q) = %v", s, got)
		}
	}
}

// slowMatch says the same as Match in the plainest way: levels against levels.
func slowMatch(filter, name string) bool {
	f, n := strings.Split(filter, "/"), strings.Split(name, "/")
	if strings.HasPrefix(name, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	if last := len(f) - 1; f[last] == "#" {
		if len(n) < last {
			return false
		}
		f, n = f[:last], n[:last]
	}
	if len(f) != len(n) {
		return false
	}
	for i := range f {
		if f[i] != "+" && f[i] != n[i] {
			return false
		}
	}
	return true
}

// FuzzMatch holds Match against the slow way, for any text, valid or not, and an index that has the filter against
// Match: first the filter alone, then beside one that shares all of its levels.
func FuzzMatch(f *testing.F) {
	f.Fuzz(func(t *testing.T, filter, name string) {
		got := Match(filter, name)
		if ValidFilter(filter) != nil || ValidName(name) != nil {
			return // no promise but not to panic
		}
		if want := slowMatch(filter, name); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", filter, name, got, want)
		}
		var ix Index[int, *entry]
		e, beside := &entry{filter: filter}, &entry{filter: strings.TrimSuffix(filter, "#") + "/+"}
		for _, set := range []*entry{e, beside} {
			if ix.Set(set); slices.Contains(ix.Match(name, nil), e) != got {
				t.Errorf("%d filters: the match of %q with %q is not %v", ix.Filters(), filter, name, got)
			}
		}
		ix.Delete(filter, 0)
		if found := ix.Match(name, nil); (len(found) == 1) != Match(beside.filter, name) {
			t.Errorf("with only %q, %q finds %v", beside.filter, name, found)
		}
		if ix.Delete(beside.filter, 0); !ix.blank() {
			t.Errorf("%q leaves something behind", filter)
		}
	})
}
