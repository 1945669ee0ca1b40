package trace

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestNoTraceToAPipe: until somebody reads it, nobody could ask for a trace, nor
// could the node stop.
func TestNoTraceToAPipe(t *testing.T) {
	k := newKit(t)
	path := filepath.Join(k.dir, "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.StartFile(Spec{Type: ClientID, Value: "c1"}, path); !errors.Is(err, Invalid(path+" is a pipe")) {
		t.Errorf("got %v", err)
	}
}
