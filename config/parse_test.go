package config

import (
	"slices"
	"strings"
	"testing"
)

func parseText(text string) (*File, error) { return Parse(strings.NewReader(text), "emqx.conf") }

func TestParseLine(t *testing.T) {
	f := func(line, key, value string) {
		t.Helper()
		file, err := parseText(line)
		if err != nil {
			t.Errorf("%q: %v", line, err)
			return
		}
		want := []Setting{{Key: key, Value: value, Origin: Origin{"emqx.conf", 1}}}
		if !slices.Equal(file.Settings, want) {
			t.Errorf("%q: got %+v, want %+v", line, file.Settings, want)
		}
	}
	f("a = b", "a", "b")
	f("a=b", "a", "b")
	f("  a.b\t=  c d  ", "a.b", "c d")
	f("a = b\r\n", "a", "b")
	f("\uFEFFa = b", "a", "b")
	f("a = b # no comment", "a", "b # no comment")
	f(`a = "quoted"`, "a", `"quoted"`)
	f(`a = C:\x`, "a", `C:\x`)
	f("a = x=1,y=2", "a", "x=1,y=2")
	f("a =", "a", "")
	f(`a\.b.c = d`, `a\.b.c`, "d")
	f("a-1_@/: = d", "a-1_@/:", "d")
	f("a = {{ name }}", "a", "{{ name }}")
	f("include = 1", "include", "1")
	f("included.x = 1", "included.x", "1")
	f("rule.1 = x/# ^x/y/(.+)$ z/y/$1", "rule.1", "x/# ^x/y/(.+)$ z/y/$1")
}

func TestParseNothing(t *testing.T) {
	for _, line := range []string{"", " \t", "\r\n", "# a = b", "   ## note", "{{ a placeholder }}", "{{x}}"} {
		if f, err := parseText(line); err != nil || len(f.Settings)+len(f.Includes) != 0 {
			t.Errorf("%q: got %+v, %v; want nothing", line, f, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := parseText(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	f("# x\nlonely", "emqx.conf:2: expected `key = value`, found \"lonely\"")
	f("include", "emqx.conf:1: expected `key = value`, found \"include\"")
	badKey := "expected a key of words joined by dots (letters, digits and _-@/:), found "
	f("= b", "emqx.conf:1: "+badKey+`""`)
	f(".a = b", "emqx.conf:1: "+badKey+`".a"`)
	f("a. = b", "emqx.conf:1: "+badKey+`"a."`)
	f("a..b = c", "emqx.conf:1: "+badKey+`"a..b"`)
	f(`a\b = c`, "emqx.conf:1: "+badKey+`"a\\b"`)
	f("a b = c\nd = e\nfoo", "emqx.conf:1: "+badKey+"\"a b\"\nemqx.conf:3: expected `key = value`, found \"foo\"")
	f("a = b\n"+strings.Repeat("x", maxLine+1), "emqx.conf:2: cannot be read: bufio.Scanner: token too long")
}

func TestParseKeepsGoodLines(t *testing.T) {
	file, err := parseText("a = 1\nnonsense\nb = 2\n")
	if err == nil || len(file.Settings) != 2 || file.Settings[1].Origin.Line != 3 {
		t.Errorf("got %+v, %v; want both settings and an error", file.Settings, err)
	}
}

func TestParseInclude(t *testing.T) {
	f := func(line, path string) {
		t.Helper()
		file, err := parseText(line)
		if err != nil || len(file.Includes) != 1 || file.Includes[0].Value != path {
			t.Errorf("%q: got %+v, %v; want an include of %q", line, file, err, path)
		}
	}
	f("include zones.conf", "zones.conf")
	f("include\t/etc/emqx/zones.conf  ", "/etc/emqx/zones.conf")
	f("include a=b.conf", "a=b.conf")
}

func TestWords(t *testing.T) {
	f := func(key string, words ...string) {
		t.Helper()
		if got := Words(key); !slices.Equal(got, words) {
			t.Errorf("Words(%q) = %q, want %q", key, got, words)
		}
		if got := Key(words...); got != key {
			t.Errorf("Key(%q) = %q, want %q", words, got, key)
		}
	}
	f("a", "a")
	f("a.b.c", "a", "b", "c")
	f(`a.b\.c`, "a", "b.c")
	f(`\.`, ".")
	f("", "")
}

func TestExpand(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		file, err := parseText(text)
		if err != nil {
			t.Fatal(err)
		}
		settings, err := expand(file.Settings)
		got := settings[len(settings)-1].Value
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	f("a = 1\nb = $(a)", "1")
	f("b = $(a)$( a )\na = 1\nc = <$(b)>", "<11>")
	f("a = 1\na = 2\nb = $(a)", "2")
	f("b = ${a} $1 $", "${a} $1 $")
	f("b = $(a", "$(a")
	f("b = $(a)", "emqx.conf:1: b: refers to $(a), which is not set")
	f("b = $(b)", "emqx.conf:1: b: refers to itself through $(b)")
	f("a = $(b)\nb = $(a)", "emqx.conf:1: a: refers to itself through $(a)\nemqx.conf:2: b: refers to itself through $(b)")
}

// A chain of doubling references costs neither time nor memory without bound.
func TestExpandIsBounded(t *testing.T) {
	for _, seed := range []string{"", "0123456789"} {
		text := "a0 = " + seed + "\n"
		for i := range 60 {
			text += "a" + strings.Repeat("1", i+1) + " = $(a" + strings.Repeat("1", i) + ")$(a" + strings.Repeat("1", i) + ")\n"
		}
		file, _ := parseText(strings.Replace(text, "$(a)$(a)", "$(a0)$(a0)", 1))
		_, err := expand(file.Settings)
		if tooLong := err != nil && strings.Contains(err.Error(), "is longer than"); tooLong != (seed != "") {
			t.Errorf("seed %q: got %v", seed, err)
		}
	}
}

func TestNames(t *testing.T) {
	got := Names(map[string]int{"10": 0, "9": 0, "b": 0, "1": 0, "01": 0, "a": 0})
	if want := []string{"01", "1", "9", "10", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever Parse accepts is written back as the same settings.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		file, _ := parseText(text)
		var again strings.Builder
		for _, s := range file.Settings {
			again.WriteString(Key(Words(s.Key)...) + " = " + s.Value + "\n")
		}
		copied, err := parseText(again.String())
		if err != nil || len(copied.Settings) != len(file.Settings) {
			t.Fatalf("%q became %q: %v", text, again.String(), err)
		}
		for i, s := range copied.Settings {
			if s.Key != file.Settings[i].Key || s.Value != file.Settings[i].Value {
				t.Errorf("%q: setting %d became %+v", text, i, s)
			}
		}
		expand(file.Settings)
	})
}
