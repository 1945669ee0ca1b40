package backup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFolder(t *testing.T) {
	f := Folder(filepath.Join(t.TempDir(), "backup"))
	if all, err := f.List(); err != nil || len(all) != 0 {
		t.Errorf("a folder that isn't there has %v, %v", all, err)
	}
	if _, err := f.Read("a.json"); !errors.Is(err, ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	if err := errors.Join(f.Write("b.json", []byte("1")), f.Write("a.json", []byte("22")), f.Write("b.json", []byte("333"))); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for i, name := range []string{"b.json", "a.json"} {
		at := begin.Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(filepath.Join(string(f), name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	all, err := f.List()
	if err != nil || len(all) != 2 || all[0].Name != "b.json" || all[0].Size != 3 || all[1].Name != "a.json" {
		t.Errorf("%v, %v", all, err)
	}
	if text, err := f.Read("b.json"); string(text) != "333" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
	for name, mode := range map[string]os.FileMode{".": 0o700, "a.json": 0o600} {
		info, err := os.Stat(filepath.Join(string(f), name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if err := f.Remove("a.json"); err != nil {
		t.Error(err)
	}
	if err := f.Remove("a.json"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestNothingOutsideOfTheFolder(t *testing.T) {
	dir := t.TempDir()
	f := Folder(filepath.Join(dir, "backup"))
	outside := filepath.Join(dir, "secret.json")
	if err := errors.Join(os.WriteFile(outside, []byte("secret"), 0o600), os.Mkdir(string(f), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"", ".json", "..json", "../secret.json", "..\\secret.json", "/etc/passwd", "a/../../secret.json", "a", "a.json/", "c:x.json", "a\x00.json", "a\n.json",
		strings.Repeat("a", 300) + ".json",
	} {
		_, err := f.Read(name)
		for _, err := range []error{err, f.Write(name, nil), f.Remove(name)} {
			if !errors.Is(err, ErrFileName) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	link := filepath.Join(string(f), "link.json")
	if err := errors.Join(os.Symlink(outside, link), os.Mkdir(filepath.Join(string(f), "folder.json"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link.json", "folder.json"} {
		if text, err := f.Read(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: read %q, %v", name, text, err)
		}
	}
	if all, err := f.List(); err != nil || len(all) != 0 {
		t.Errorf("%v %v are listed", all, err)
	}
	if err := f.Write("link.json", []byte("other")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(outside); string(text) != "secret" || err != nil {
		t.Errorf("a file outside was changed to %q, %v", text, err)
	}
}

func TestBoundsOfTheFolder(t *testing.T) {
	f := Folder(t.TempDir())
	if err := os.WriteFile(filepath.Join(string(f), "large.json"), bytes.Repeat([]byte(" "), MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("large.json"); err == nil || err.Error() != "large.json is larger than 67108864 bytes" {
		t.Errorf("read: %v", err)
	}
	for i := 1; i < maxFiles; i++ {
		if err := os.WriteFile(filepath.Join(string(f), fmt.Sprint(i, ".json")), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Write("more.json", nil); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
}

func TestAWriteThatFailsLeavesNothing(t *testing.T) {
	f := Folder(t.TempDir())
	if err := os.MkdirAll(filepath.Join(string(f), "a.json", "b"), 0o700); err != nil { // nothing can take its place
		t.Fatal(err)
	}
	if err := f.Write("a.json", []byte("1")); err == nil {
		t.Error("was written")
	}
	if entries, err := os.ReadDir(string(f)); err != nil || len(entries) != 1 {
		t.Errorf("%v %v are left", entries, err)
	}
}

func TestFileName(t *testing.T) {
	if got := FileName(someTime); got != "emqx-export-2026-1-2-3-4-5.json" {
		t.Error(got)
	}
}
