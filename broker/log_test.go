package broker

import (
	"log/slog"
	"strings"
	"testing"
)

func TestThrottle(t *testing.T) {
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	var th throttle
	f := func(now int64, want string) {
		t.Helper()
		out.Reset()
		th.warn(log, now, "text", "key", 1)
		_, got, _ := strings.Cut(strings.TrimSpace(out.String()), "msg=")
		if got != want {
			t.Errorf("at %d: %q, want %q", now, got, want)
		}
	}
	f(100_000, "text key=1")
	f(100_001, "")
	f(159_999, "")
	f(160_000, "text key=1 skipped=2")
	f(160_001, "")
	f(250_000, "text key=1 skipped=1")
	f(310_000, "text key=1")
}
