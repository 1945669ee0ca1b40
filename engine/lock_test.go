package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTwiceAtOnce(t *testing.T) {
	dir := t.TempDir()
	e := start(t, Options{Dir: dir})
	if _, err := Start(Options{Dir: dir}); err == nil || err.Error() != "engine: "+dir+" is in use by another process" {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, Options{Dir: dir})
}

// TestFoldersThatCannotBe are each one sentence that names the path once.
func TestFoldersThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sentence := func(err error, words ...string) {
		t.Helper()
		says(t, err, words...)
		if strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), words[0]) > 1 {
			t.Errorf("%q is not one sentence", err)
		}
	}
	_, err := Start(Options{Dir: filepath.Join(file, "engine")})
	sentence(err, file, "not a directory")
	sentence(cantOpen("/data/engine", &os.PathError{Op: "mkdir", Path: "/data/engine", Err: syscall.ENOSPC}), "/data/engine", "could not be written, as the disk is full")
	sentence(cantOpen("/data/engine", &os.PathError{Op: "mkdir", Path: "/data/engine", Err: syscall.EIO}), "/data/engine", "input/output error")
	if err := cantOpen("/data/engine", os.ErrClosed); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}
