package topic

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	ok := func(s string, want Filter) {
		t.Helper()
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", s, got, err, want)
		}
	}
	fail := func(s string, want Error) {
		t.Helper()
		if got, err := Parse(s); err != want || got != (Filter{}) {
			t.Errorf("Parse(%.40q) = %+v, %v; want %v", s, got, err, want)
		}
	}
	ok("a/+/#", Filter{Bare: "a/+/#"})
	ok("$SYS/#", Filter{Bare: "$SYS/#"})
	ok("$share/g/a", Filter{Kind: Shared, Group: "g", Bare: "a"})
	ok("$share/g/#", Filter{Kind: Shared, Group: "g", Bare: "#"})
	ok("$share/g//", Filter{Kind: Shared, Group: "g", Bare: "/"})
	ok("$share/g/$SYS/#", Filter{Kind: Shared, Group: "g", Bare: "$SYS/#"})
	ok("$share/g/$share", Filter{Kind: Shared, Group: "g", Bare: "$share"})
	ok("$share/$queue/a", Filter{Kind: Shared, Group: QueueGroup, Bare: "a"})
	ok("$queue/a/+", Filter{Kind: Shared, Group: QueueGroup, Bare: "a/+"})
	ok("$exclusive/a/b", Filter{Kind: Exclusive, Bare: "a/b"})
	ok("$share", Filter{Bare: "$share"}) // without a slash these are names like any other
	ok("$queue", Filter{Bare: "$queue"})
	ok("$Share/g/a", Filter{Bare: "$Share/g/a"})
	ok("a/$share/g/b", Filter{Bare: "a/$share/g/b"})

	fail("", ErrEmpty)
	fail("$share/g/"+strings.Repeat("a", MaxLength), ErrTooLong)
	fail("$share/\xff/a", ErrNotUTF8)
	fail("$share/g\x00/a", ErrNUL)
	fail("$share/g/a#", ErrHash)
	fail("$queue/+a", ErrPlus)
	fail("a/#/b", ErrHash)
	fail("$share/", ErrGroup)
	fail("$share//a", ErrGroup)
	fail("$share/+/a", ErrGroup)
	fail("$share/g#/a", ErrGroup)
	fail("$share/g", ErrNoFilter)
	fail("$share/g/", ErrNoFilter)
	fail("$queue/", ErrNoFilter)
	fail("$exclusive/", ErrNoFilter)
	fail("$share/g/$share/h/a", ErrNestedShare)
	fail("$share/g/$queue/a", ErrNestedShare)
	fail("$queue/$share/g/a", ErrNestedShare)
	fail("$queue/$queue/a", ErrNestedShare)
	fail("$exclusive/$share/g/a", ErrNestedShare)
	fail("$share/g/$exclusive/a", ErrNestedShare)
}

func TestFilterString(t *testing.T) {
	for _, f := range []struct{ in, out string }{
		{"a/#", "a/#"},
		{"$share/g/a", "$share/g/a"},
		{"$queue/a", "$share/$queue/a"},
		{"$exclusive/a", "$exclusive/a"},
	} {
		p, err := Parse(f.in)
		if err != nil || p.String() != f.out {
			t.Errorf("%q comes out as %q (%v), want %q", f.in, p, err, f.out)
		}
	}
}

// FuzzParse checks that whatever Parse lets through is sound and survives being written and read again.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			if p != (Filter{}) {
				t.Errorf("Parse(%q) gives %+v beside %v", s, p, err)
			}
			return
		}
		if err := ValidFilter(p.Bare); err != nil {
			t.Errorf("Parse(%q) lets %q through: %v", s, p.Bare, err)
		}
		if (p.Kind == Shared) != (p.Group != "") || strings.ContainsAny(p.Group, "/+#\x00") {
			t.Errorf("Parse(%q): kind %d with group %q", s, p.Kind, p.Group)
		}
		if len(p.String()) > MaxLength {
			return // $queue grew
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("Parse(%q) = %+v, but %q gives %+v, %v", s, p, p.String(), again, err)
		}
	})
}
