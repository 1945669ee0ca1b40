package builtin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	rewrite(t, path, text)
	return path
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAllowList(t *testing.T) {
	path := write(t, "ids", "# devices\nc1\r\n\n c 2\nc1\nlast")
	l, err := OpenAllowList(path)
	if err != nil {
		t.Fatal(err)
	}
	asks := func(id string, want bool) {
		t.Helper()
		if l.Listed(id) != want {
			t.Errorf("%q is listed: %v", id, !want)
		}
	}
	asks("c1", true)
	asks(" c 2", true)
	asks("last", true)
	asks("c 2", false)
	asks("C1", false)
	asks("# devices", false)
	asks("", false)
	if l.Len() != 3 {
		t.Errorf("%d ids", l.Len())
	}
	rewrite(t, path, "c2")
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	asks("c2", true)
	asks("c1", false)
	rewrite(t, path, "c3\n\x00")
	if l.Reload() == nil {
		t.Error("a broken file was taken")
	}
	asks("c2", true) // as it was
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if l.Reload() == nil {
		t.Error("a missing file was taken")
	}
	asks("c2", true)
	rewrite(t, path, "")
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	asks("c2", false) // nobody is listed
}

func TestAllowListsThatAreNone(t *testing.T) {
	long := strings.Repeat("x", 65_535)
	bad := func(text, says string) {
		t.Helper()
		path := write(t, "ids", text)
		if _, err := OpenAllowList(path); err == nil || err.Error() != path+": "+says {
			t.Errorf("%.20q: %v, want %s", text, err, says)
		}
	}
	bad("a\nb\xff", "line 2: expected a client id: UTF-8 without a zero byte, at most 65535 bytes")
	bad("\x00", "line 1: expected a client id: UTF-8 without a zero byte, at most 65535 bytes")
	bad("a\n\n"+long+"x", "line 3: expected a client id: UTF-8 without a zero byte, at most 65535 bytes")
	bad("a\n"+long+long, "line 2: expected a client id of at most 65535 bytes")
	if l, err := OpenAllowList(write(t, "ids", long+"\r\n"+long[1:])); err != nil || l.Len() != 2 {
		t.Error(err)
	}
	missing := filepath.Join(t.TempDir(), "ids")
	_, err := New(t.Context(), Options{Config: settings(t, "auth.clientid_allow_list = "+missing)})
	if err == nil || !strings.HasPrefix(err.Error(), "auth.clientid_allow_list: open "+missing) {
		t.Error(err)
	}
}

func FuzzAllowList(f *testing.F) {
	f.Add([]byte("a\r\n#b\n\nc"))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ids, err := readAllowList(text)
		if (err != nil) != (ids == nil) {
			t.Fatal(ids, err)
		}
		for id := range ids {
			if id == "" || !strings.Contains(string(text), id) {
				t.Errorf("%q is listed", id)
			}
		}
	})
}
