package engine

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestClock fails when the server has its clock elsewhere.
func TestClock(t *testing.T) {
	began := clockTime.Load()
	put(t, openMap(t, started(t), "m"), "k", "v")
	if users, now := clockUsers.Load(), clockTime.Load(); users < 2 || now <= began || time.Since(time.Unix(0, now)) > time.Hour {
		t.Errorf("%d users, the time is %d", users, now)
	}
	stacks := make([]byte, 1<<20)
	if all := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(all, "ats.Register") {
		t.Error("the server's own clock is ticking")
	}
}

// TestLookIsNoDivisor: see clock.go.
func TestLookIsNoDivisor(t *testing.T) {
	const precision = 100 * time.Millisecond // the server's
	if past := forgetAfter % lookEvery; past <= precision || lookEvery-past <= precision {
		t.Errorf("after %v the clock is set at a multiple of %v", forgetAfter, lookEvery)
	}
}
