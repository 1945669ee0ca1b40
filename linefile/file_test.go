package linefile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// writeLines writes lines of four bytes each.
func writeLines(t *testing.T, f *File, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if _, err := fmt.Fprintf(f, "%03d\n", i); err != nil {
			t.Fatal(err)
		}
	}
}

func mustOpen(t *testing.T, path string, size int64, keep int) *File {
	t.Helper()
	f := &File{Path: path, Mode: 0o600, Size: size, Keep: keep}
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestFileRotates(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	f := mustOpen(t, path, 10, 2)
	check := func(want ...string) {
		t.Helper()
		for i, name := range []string{"f", "f.1", "f.2", "f.3"} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if i >= len(want) {
				if err == nil {
					t.Errorf("%s is kept: %q", name, got)
				}
			} else if string(got) != want[i] {
				t.Errorf("%s has %q, want %q", name, got, want[i])
			}
		}
	}
	writeLines(t, f, 1, 2)
	check("001\n002\n")
	writeLines(t, f, 3, 3) // would be over the size
	check("003\n", "001\n002\n")
	writeLines(t, f, 4, 9)
	check("009\n", "007\n008\n", "005\n006\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = mustOpen(t, path, 10, 2) // goes on where it was
	writeLines(t, f, 10, 11)
	check("011\n", "009\n010\n", "007\n008\n")
	if _, err := f.Write([]byte("longer than a file\n")); err != nil { // has one of its own
		t.Fatal(err)
	}
	writeLines(t, f, 12, 12)
	check("012\n", "longer than a file\n", "011\n")
}

func TestFileThatIsNotRotatedEnds(t *testing.T) {
	f := mustOpen(t, filepath.Join(t.TempDir(), "f"), 10, 0)
	writeLines(t, f, 1, 2)
	if _, err := f.Write([]byte("003\n")); err != ErrFull {
		t.Errorf("got %v", err)
	}
	writeLines(t, mustOpen(t, filepath.Join(t.TempDir(), "f"), 0, 0), 1, 100)
}

// TestFileComesBack after its folder was gone, with word of what was lost.
func TestFileComesBack(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, filepath.Join(dir, "log", "f"), 0, 0)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Write([]byte("lost\n")); n != 0 || err == nil {
		t.Errorf("written to no folder: %d %v", n, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeLines(t, f, 1, 1)
	if got := contents(t, dir, "log", "f"); got != "001\n" {
		t.Errorf("has %q", got)
	}
}

// TestFileThatCantBeRenamed is written to further: its place for an old file
// is a folder with something in it.
func TestFileThatCantBeRenamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "f.1", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, filepath.Join(dir, "f"), 6, 1)
	writeLines(t, f, 1, 3)
	if got := contents(t, dir, "f"); got != "001\n002\n003\n" {
		t.Errorf("has %q", got)
	}
}

func contents(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFileStaysInItsFolder although its path leads out of it.
func TestFileStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := (&File{Path: "../out", Root: root, Mode: 0o600}).Open(); err == nil {
		t.Error("a file is made outside of the folder")
	}
	f := &File{Path: "f", Root: root, Mode: 0o600, Size: 8, Keep: 1}
	writeLines(t, f, 1, 3)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if now, old := contents(t, dir, "in", "f"), contents(t, dir, "in", "f.1"); now != "003\n" || old != "001\n002\n" {
		t.Errorf("has %q and %q", now, old)
	}
	if info, err := root.Stat("f"); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
