package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeLines writes lines of four bytes each.
func writeLines(t *testing.T, f *logFile, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		if _, err := fmt.Fprintf(f, "%03d\n", i); err != nil {
			t.Fatal(err)
		}
	}
}

func mustOpen(t *testing.T, path string, size int64, keep int) *logFile {
	t.Helper()
	f, err := openLogFile("log.file", path, size, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestLogFileRotates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "too")
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

func TestLogFileThatIsNotRotatedEnds(t *testing.T) {
	f := mustOpen(t, filepath.Join(t.TempDir(), "f"), 10, 0)
	writeLines(t, f, 1, 2)
	if _, err := f.Write([]byte("003\n")); err != errLogFull {
		t.Errorf("got %v", err)
	}
	writeLines(t, mustOpen(t, filepath.Join(t.TempDir(), "f"), 0, 0), 1, 100)
}

func TestLogFileThatWasRenamed(t *testing.T) {
	l, _, c := openLog(t, func(c *LogConfig) { c.To, c.Error = "file", "e" })
	l.Error("before")
	l.Reopen() // nothing was renamed: goes on in the same file
	l.Error("between")
	l.Close()
	if text := contents(t, c.Dir, "emqx.log"); strings.Count(text, "\n") != 2 {
		t.Errorf("has %q", text)
	}
	l, err := c.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"emqx.log", "e"} {
		if err := os.Rename(filepath.Join(c.Dir, name), filepath.Join(c.Dir, name+".old")); err != nil {
			t.Fatal(err)
		}
	}
	l.Reopen()
	l.Error("after")
	l.Close()
	for _, name := range []string{"emqx.log", "e"} {
		before, after := contents(t, c.Dir, name+".old"), contents(t, c.Dir, name)
		if !strings.Contains(before, "before") || strings.Contains(before, "after") || !strings.Contains(after, "after") {
			t.Errorf("%s has %q, the renamed one %q", name, after, before)
		}
	}
}

// TestLogFileComesBack after its folder was gone, with word of what was lost.
func TestLogFileComesBack(t *testing.T) {
	dir := t.TempDir()
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

// TestLogFileThatCantBeRenamed is written to further: its place for an old file
// is a folder with something in it.
func TestLogFileThatCantBeRenamed(t *testing.T) {
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

// TestLogOnAFullDisk has the device that is always full under the log.
func TestLogOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	console := new(bytes.Buffer)
	c := new(LogConfig)
	c.SetDefaults()
	c.To, c.Dir, c.File, c.Rotation = "both", "/dev", "full", false
	l, err := c.Open(console)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		l.Error("said")
	}
	l.Close()
	_, all := l.Levels()
	if all[0].Lost != 0 || all[1].Lost != 10 {
		t.Errorf("lost: %+v", all)
	}
	if n := strings.Count(console.String(), "\n"); n != 10 {
		t.Errorf("the console has %d lines, want 10", n)
	}
}
