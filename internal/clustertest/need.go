package clustertest

import (
	"os"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. It is far above what
// anything takes, because the machine may be busy with other tests.
const patience = 2 * time.Minute

// need is how a test says what it can't do without: where everything is
// promised its lack is an error, elsewhere the test skips and says so.
func need(t testing.TB, there bool, what string, why error) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("DUNLIN_REQUIRE_PEERS") == "1":
		t.Fatalf("%s is needed and DUNLIN_REQUIRE_PEERS=1 (%v)", what, why)
	default:
		t.Skipf("%s is needed (%v)", what, why)
	}
}
