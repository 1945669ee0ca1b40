// Package build builds the command, for tests that run it as a process of its
// own. It starts nothing: how a process is configured, and when it is ready, is
// for each test to know.
package build

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program compiles the command into a folder, named dunlin, and returns its path.
func Program(folder string) (path string, err error) {
	path = filepath.Join(folder, "dunlin")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/dunlin-mq/dunlin/cmd/dunlin").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/dunlin: %w\n%s", err, out)
	}
	return path, nil
}

// Main is for a TestMain whose tests all need the command: it builds it into a
// folder that ends with the tests, tells where it is, and runs them. It returns
// what the process has to exit with.
func Main(m *testing.M, built func(path string)) (code int) {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	folder, err := os.MkdirTemp("", "dunlin-build")
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := os.RemoveAll(folder); err != nil {
			code = fail(err)
		}
	}()
	path, err := Program(folder)
	if err != nil {
		return fail(err)
	}
	built(path)
	return m.Run()
}
