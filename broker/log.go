package broker

import (
	"log/slog"
	"sync/atomic"
)

// throttleTime is how long, in milliseconds, a throttle is silent after a line.
const throttleTime = 60_000

// throttle lets one line a minute through to the log and tells how many
// it has kept back: for what any client can cause as often as it likes.
type throttle struct {
	until   atomic.Int64
	skipped atomic.Int64
}

// warn writes a line if it is time for one; now is Unix milliseconds.
func (t *throttle) warn(log *slog.Logger, now int64, text string, args ...any) {
	until := t.until.Load()
	if now < until || !t.until.CompareAndSwap(until, now+throttleTime) {
		t.skipped.Add(1)
		return
	}
	if n := t.skipped.Swap(0); n > 0 {
		args = append(args, "skipped", n)
	}
	log.Warn(text, args...)
}

// throttles are the broker's, one for each kind of line.
type throttles struct {
	badDelay, delayedFull, delayedUnkept, notRetained, willDenied, badAutoSubscribe, notKept, notRead, notSaved, notRecorded, notOpened, notDeleted, notSettled throttle
}
