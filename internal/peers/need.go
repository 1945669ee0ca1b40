package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// promised reports whether this machine is said to have every peer.
func promised() bool { return os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" }

// missing ends a test whose peer isn't here.
func missing(t testing.TB, what string) {
	t.Helper()
	if promised() {
		t.Fatalf("%s is missing and DUNLIN_REQUIRE_PEERS=1: run make services", what)
	}
	t.Skipf("%s is missing: make services gets it", what)
}

// program finds an executable by its name or by patterns of paths, and ends
// the test if there is none.
func program(t testing.TB, name string, patterns ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range append(patterns, "/usr/sbin/"+name, "/usr/local/sbin/"+name) {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return found[len(found)-1] // of several versions the highest
		}
	}
	missing(t, name)
	return ""
}

// fetched finds a file of .cache/peers, where scripts/peers.sh puts what no
// package manager of the system has, and ends the test if it isn't there.
func fetched(t testing.TB, path ...string) string {
	t.Helper()
	file, ok := cached(t, path...)
	if !ok {
		missing(t, filepath.Join(path...))
	}
	return file
}

// cached finds a file of .cache/peers, and reports whether it is there.
func cached(t testing.TB, path ...string) (file string, ok bool) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the test runs outside of the module")
		}
	}
	file = filepath.Join(append([]string{dir, ".cache", "peers"}, path...)...)
	_, err = os.Stat(file)
	return file, err == nil
}
