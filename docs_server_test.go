package dunlin_test

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// serve starts a server for the page, in the page's namespace, and waits until it is ready.
func (s *shell) serve(name string) {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	ready := filepath.Join(s.dir, ".ready")
	env := "DOCS_SERVER=" + name + " DOCS_READY=" + ready + " DUNLIN_REQUIRE_PEERS='" + os.Getenv("DUNLIN_REQUIRE_PEERS") + "'"
	_ = self
	_ = env
}

// TestDocsServer is not a test: pages that need a server have it run here, as a process of its own in their namespace.
func TestDocsServer(t *testing.T) {
	name := os.Getenv("DOCS_SERVER")
	if name == "" {
		t.Skip("for the pages only")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}
