package node

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// TestLogMakesItsFolder, and says which setting is wrong if it can't.
func TestLogMakesItsFolder(t *testing.T) {
	dir := t.TempDir()
	l, _, c := openLog(t, func(c *LogConfig) { c.To, c.Dir = "file", filepath.Join(dir, "made", "too") })
	l.Close()
	c.Dir = filepath.Join(dir, "made", "too", "emqx.log", "x")
	if _, err := c.Open(nil); err == nil || !strings.HasPrefix(err.Error(), "log.dir = ") {
		t.Errorf("got %v", err)
	}
	c.Dir, c.File = dir, "made"
	if _, err := c.Open(nil); err == nil || !strings.HasPrefix(err.Error(), "log.file = ") {
		t.Errorf("got %v", err)
	}
}
