package dashboard_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/build"
)

// TestInBrowser runs the scenarios of e2e, each over a broker of its own with
// real clients, in a headless Chromium. `go test ./dashboard -run InBrowser
// -artifacts` keeps their screenshots and says where.
func TestInBrowser(t *testing.T) {
	chromium := needProgram(t, "chromium")
	needProgram(t, "node")
	modules := needModules(t)
	program, err := build.Program(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("e2e/*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".mjs")
		if name == "harness" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			run(t, file, "DUNLIN_PROGRAM="+program, "DUNLIN_MODULES="+modules, "DUNLIN_SHOTS="+t.ArtifactDir(), "CHROMIUM="+chromium)
		})
	}
}

// run runs a scenario, which ends what it started also when it takes too long.
func run(t *testing.T, file string, env ...string) {
	const longest, ending = 3 * time.Minute, 30 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	c := exec.CommandContext(ctx, "node", file)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = ending
	c.Env = append(c.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("node %s: %v\n%s", file, err, out)
	}
}

func needProgram(t *testing.T, name string) string {
	t.Helper()
	found, err := exec.LookPath(name)
	need(t, err == nil, name)
	return found
}

// needModules returns the package.json beside which playwright-core and MQTT.js
// are installed.
func needModules(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../testenv/node")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"playwright-core", "mqtt"} {
		_, err := os.Stat(filepath.Join(root, "node_modules", name))
		need(t, err == nil, name)
	}
	return filepath.Join(root, "package.json")
}

// need is how a test says what it can't do without: where every peer is
// promised its lack is an error, elsewhere the test skips and says so.
func need(t *testing.T, there bool, what string) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("DUNLIN_REQUIRE_PEERS") == "1":
		t.Fatalf("%s is needed and DUNLIN_REQUIRE_PEERS=1: run scripts/setup-debian.sh", what)
	default:
		t.Skipf("%s is needed: run scripts/setup-debian.sh", what)
	}
}
