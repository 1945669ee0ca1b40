package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// content returns what Each shows, as key=value in its order.
func content(t *testing.T, m *Map) []string {
	t.Helper()
	var all []string
	if err := m.Each(func(k string, v []byte) error {
		all = append(all, k+"="+string(v))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func put(t *testing.T, m *Map, key, value string) {
	t.Helper()
	if err := m.Put(key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, m *Map, want ...string) {
	t.Helper()
	if got := content(t, m); !slices.Equal(got, want) {
		t.Errorf("the map holds %q, want %q", got, want)
	}
}

func TestWhatIsPutIsThereAgainAfterOpening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "dunlin.db")
	s := open(t, path)
	m := s.Map("users")
	expect(t, m)
	put(t, m, "b", "2")
	put(t, m, "a", "1")
	put(t, m, "c\x00\xff", "")
	put(t, m, "b", "3")
	put(t, s.Map("bans"), "a", "other map")
	expect(t, m, "a=1", "b=3", "c\x00\xff=")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, path).Map("users")
	expect(t, m, "a=1", "b=3", "c\x00\xff=")
}

func TestDelete(t *testing.T) {
	m := open(t, filepath.Join(t.TempDir(), "f")).Map("m")
	if err := m.Delete("never there"); err != nil {
		t.Error(err)
	}
	put(t, m, "a", "1")
	put(t, m, "b", "2")
	if err := m.Delete("a"); err != nil {
		t.Error(err)
	}
	expect(t, m, "b=2")
}

func TestPutAllIsAllOrNothing(t *testing.T) {
	m := open(t, filepath.Join(t.TempDir(), "f")).Map("m")
	put(t, m, "a", "old")
	records := map[string][]byte{"a": []byte("new"), "b": nil, "": nil}
	if err := m.PutAll(maps.All(records)); err == nil {
		t.Error("an empty key was taken")
	}
	expect(t, m, "a=old")
	delete(records, "")
	if err := m.PutAll(maps.All(records)); err != nil {
		t.Error(err)
	}
	expect(t, m, "a=new", "b=")
}

func TestEachStopsAtAnError(t *testing.T) {
	m := open(t, filepath.Join(t.TempDir(), "f")).Map("m")
	put(t, m, "a", "")
	put(t, m, "b", "")
	enough, seen := errors.New("enough"), 0
	if err := m.Each(func(string, []byte) error { seen++; return enough }); !errors.Is(err, enough) || seen != 1 {
		t.Errorf("%v after %d records", err, seen)
	}
}

func TestManyWriteAtOnce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "f"))
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			m := s.Map(fmt.Sprint("map", w%2))
			for i := range 10 {
				if err := m.Put(fmt.Sprint(w, "-", i), []byte("x")); err != nil {
					t.Error(err)
				}
				content(t, m)
			}
		})
	}
	wg.Wait()
	if n := len(content(t, s.Map("map0"))) + len(content(t, s.Map("map1"))); n != 80 {
		t.Errorf("%d of 80 records", n)
	}
}

func TestFileIsItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	open(t, path).Close()
	if mode() != 0o600 {
		t.Errorf("made with %v", mode())
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if mode() != 0o600 {
		t.Errorf("left with %v", mode())
	}
}

// says checks that an error is one sentence with the file's name and the words.
func says(t *testing.T, err error, path string, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("there was no error")
		return
	}
	for _, w := range append(words, path) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q doesn't say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), path) > 1 {
		t.Errorf("%q is not one sentence", err)
	}
}

func TestTwiceAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	open(t, path)
	_, err := Open(path)
	says(t, err, path, "in use by another process")
}

func TestClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	s := open(t, path)
	s.Close()
	says(t, s.Map("m").Put("a", nil), path, "closed")
	says(t, s.Map("m").Delete("a"), path, "closed")
	says(t, s.Map("m").Each(func(string, []byte) error { return nil }), path, "closed")
}

func TestFolderThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "dunlin.db"))
	says(t, err, filepath.Join(file, "dunlin.db"), "not a directory")
}

func TestKeysThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	m := open(t, path).Map("m")
	says(t, m.Put("", nil), path, "key")
	says(t, m.Put(strings.Repeat("k", 32769), nil), path, "key too large")
	put(t, m, strings.Repeat("k", 32768), "")
}

func TestUsage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	put(t, s.Map("b"), "key", "value")
	put(t, s.Map("a"), "k", "")
	put(t, s.Map("a"), "k2", "v")
	maps, size, err := s.Usage()
	if want := []Usage{{"a", 2, 4}, {"b", 1, 8}}; err != nil || !slices.Equal(maps, want) || size <= 0 {
		t.Errorf("%v in %d bytes, %v; want %v", maps, size, err, want)
	}
	if s.Path() != path {
		t.Errorf("it is %s", s.Path())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Usage(); err == nil {
		t.Error("a store that is closed tells what it holds")
	}
}
