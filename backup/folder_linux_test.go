package backup

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipesAreNotRead: nobody may ever write into one.
func TestPipesAreNotRead(t *testing.T) {
	f := Folder(t.TempDir())
	if err := syscall.Mkfifo(filepath.Join(string(f), "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := f.Read("pipe.json"); !errors.Is(err, ErrNotFound) {
		t.Errorf("read %q, %v", text, err)
	}
	if all, err := f.List(); err != nil || len(all) != 0 {
		t.Errorf("%v %v are listed", all, err)
	}
}
