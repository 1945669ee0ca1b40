package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	bolterr "go.etcd.io/bbolt/errors"
)

// dieWithParent has a process of a test end with the test.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatal("a small disk is needed and DUNLIN_REQUIRE_PEERS=1:", err)
		}
		t.Skip("no small disk could be mounted, TestSentenceOfAFullDisk stands in:", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	path := filepath.Join(dir, "dunlin.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := s.Map("m")
	put(t, m, "first", "1")
	err = m.Put("large", []byte(strings.Repeat("x", 200_000)))
	says(t, err, path, "could not be written, as the disk is full")
	expect(t, m, "first=1")
	put(t, m, "second", "2") // what is small still fits
	s.Close()
	s, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	expect(t, s.Map("m"), "first=1", "second=2")
}

func TestSentenceOfAFullDisk(t *testing.T) {
	s := &Store{path: "/data/dunlin.db"}
	err := s.failed("write", &os.PathError{Op: "write", Path: "/data/dunlin.db", Err: syscall.ENOSPC})
	says(t, err, "/data/dunlin.db", "the disk is full")
	err = s.failed("write", &os.PathError{Op: "write", Path: "/data/dunlin.db", Err: syscall.EIO})
	says(t, err, "/data/dunlin.db", "write", "input/output error")
	if err := s.failed("write", bolterr.ErrTxClosed); !errors.Is(err, bolterr.ErrTxClosed) {
		t.Error(err)
	}
}
