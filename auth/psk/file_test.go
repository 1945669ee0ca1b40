package psk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func usual(path string) Config {
	c := Config{Path: path}
	c.SetDefaults()
	return c
}

func write(t *testing.T, path, src string) string {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "psk.txt")
	}
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeysAreRead(t *testing.T) {
	check := func(delimiter, src, identity, secret string) {
		t.Helper()
		c := Config{Path: "psk.txt", Delimiter: delimiter}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		keys, err := parse(c, src)
		if err != nil || string(keys[identity]) != secret {
			t.Errorf("%q: %q has %q, %v, want %q", src, identity, keys[identity], err, secret)
		}
	}
	check(":", "client1:1234\nclient2:abcd\n", "client1", "1234")
	check(":", "client1:1234\nclient2:abcd\n", "client2", "abcd")
	check(":", "client1:1234\nclient2:abcd", "client2", "abcd")
	check(":", "client1:1234\r\n\r\nclient2:abcd\r\n", "client1", "1234")
	check(":", "\n\nclient2:abcd", "client2", "abcd")
	check(":", "a:b:c", "a", "b:c")
	check(":", "a: b ", "a", " b ")
	check(":", "a b:c", "a b", "c")
	check(":", "#a:c", "#a", "c")
	check(":", "ä:\xff\x00", "ä", "\xff\x00")
	check("::", "a:b::c", "a:b", "c")
	check(",", "a:b,c", "a:b", "c")
	check(":", "a:b", "b", "")
}

func TestBadLinesAreNamed(t *testing.T) {
	check := func(src string, want ...string) {
		t.Helper()
		_, err := parse(usual("psk.txt"), src)
		if err == nil {
			t.Errorf("%q: taken", src)
			return
		}
		if got := strings.Split(err.Error(), "\n"); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q:\n%s\nwant\n%s", src, err, strings.Join(want, "\n"))
		}
	}
	check("a:b\nmy secret\nc:d", `psk.txt:2: found no ":", expected identity:secret`)
	check(" ", `psk.txt:1: found no ":", expected identity:secret`)
	check(":b", "psk.txt:1: found no identity before the delimiter")
	check("a:", `psk.txt:1: found no secret for the identity "a"`)
	check("a:1\n\na:2", `psk.txt:3: the identity "a" has a secret in line 1 already`)
	check("a\xff:b", "psk.txt:1: found an identity that isn't UTF-8")
	check(strings.Repeat("a", 65536)+":b", "psk.txt:1: found an identity of 65536 bytes, expected at most 65535")
	check("a:"+strings.Repeat("b", 65536), "psk.txt:1: found a secret of 65536 bytes, expected at most 65535")
	check(":b\nc\n", "psk.txt:1: found no identity before the delimiter", `psk.txt:2: found no ":", expected identity:secret`)
	check("", "psk.txt: found no key, expected lines of identity:secret")
	check("\n\r\n", "psk.txt: found no key, expected lines of identity:secret")
}

func TestBadLinesAreBounded(t *testing.T) {
	_, err := parse(usual("psk.txt"), strings.Repeat("x\n", 1000))
	if n := strings.Count(err.Error(), "\n") + 1; n != maxErrors {
		t.Errorf("%d lines", n)
	}
}

func TestLoadAndReload(t *testing.T) {
	path := write(t, "", "\ufeffa:1\n")
	f, err := Load(usual(path))
	if err != nil {
		t.Fatal(err)
	}
	has := func(identity, want string, n int) {
		t.Helper()
		if secret, ok := f.Lookup(identity); string(secret) != want || ok != (want != "") || f.Len() != n {
			t.Errorf("%s has %q, %v, of %d, want %q of %d", identity, secret, ok, f.Len(), want, n)
		}
	}
	has("a", "1", 1)
	has("b", "", 1)
	write(t, path, "a:2\nb:3\n")
	if err := f.Reload(); err != nil {
		t.Error(err)
	}
	has("a", "2", 2)
	has("b", "3", 2)

	refused := func(want string) {
		t.Helper()
		if err := f.Reload(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if _, err := Load(usual(path)); err == nil {
			t.Error("loaded")
		}
		has("a", "2", 2)
	}
	write(t, path, "a:4\nb")
	refused(path + `:2: found no ":"`)
	write(t, path, "")
	refused("found no key")
	if err := os.Truncate(path, maxSize+1); err != nil {
		t.Fatal(err)
	}
	refused("found more than 64 MB")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused("the pre-shared keys can't be read: ")
}

func TestDelimiterThatCannotBe(t *testing.T) {
	for _, d := range []string{"", "\n", ":\r"} {
		c := Config{Delimiter: d}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "delimiter") {
			t.Errorf("%q: %v", d, err)
		}
	}
}

func TestReloadWhileOthersLookUp(t *testing.T) {
	f, err := Load(usual(write(t, "", "a:1\n")))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if _, ok := f.Lookup("a"); !ok {
					t.Error("gone")
				}
			}
		})
	}
	for range 50 {
		if err := f.Reload(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// FuzzParse: what is read are the lines of the file, one key each; what is
// refused shows no more of it than the first bytes of an identity.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, src, delimiter string) {
		c := Config{Path: "p", Delimiter: delimiter}
		if c.Validate() != nil {
			return
		}
		keys, err := parse(c, src)
		if err != nil {
			if keys != nil && !strings.HasPrefix(err.Error(), "p:") {
				t.Fatal(err)
			}
			return
		}
		lines := 0
		for line := range strings.SplitSeq(src, "\n") {
			if line != "" && line != "\r" {
				lines++
			}
		}
		if len(keys) != lines {
			t.Fatalf("%d keys of %d lines", len(keys), lines)
		}
		for identity, secret := range keys {
			if line := fmt.Sprint(identity, delimiter, string(secret)); identity == "" || len(secret) == 0 || !strings.Contains(src, line) {
				t.Fatalf("%q is no line", line)
			}
		}
	})
}
