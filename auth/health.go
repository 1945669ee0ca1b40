package auth

import (
	"time"
)

// How a backend is given up and taken back.
const (
	failuresInARow = 5 // fewer can be one client's odd request
	firstRetry     = 100 * time.Millisecond
	lastRetry      = 5 * time.Second
)

// health is whether a backend is worth asking. It is down after some failures
// in a row; then its Ping, or one request on trial, finds out whether it is
// back, after a pause that doubles each time. Its backend locks it.
type health struct {
	down  bool
	since time.Duration // of the present state
	fails int           // in a row
	pause time.Duration // before the next try; 0: the last request succeeded
	retry time.Duration // when one request may go on trial
	trial bool          // it is under way

	lastError error
	errorAt   time.Duration
}

// refuses reports whether no request may pass. pinged: one on trial neither.
func (h *health) refuses(now time.Duration, pinged bool) bool {
	return h.down && (pinged || h.trial || now < h.retry)
}

// succeeded notes that an answer came, and reports whether that is news.
func (h *health) succeeded(now time.Duration) (back bool) {
	if back = h.down; back {
		h.since = now
	}
	h.down, h.trial, h.fails, h.pause = false, false, 0, 0
	return back
}

// failed notes a failure and reports whether the backend goes down with it.
// While it is down, only the failure of a trial tells anything new.
func (h *health) failed(now time.Duration, err error, trial bool) (fell bool) {
	h.lastError, h.errorAt = err, now
	if h.down {
		if trial {
			h.postpone(now)
		}
		return false
	}
	if h.fails++; h.fails < failuresInARow {
		return false
	}
	h.down, h.since = true, now
	h.postpone(now)
	return true
}

// postpone sets when to try again.
func (h *health) postpone(now time.Duration) {
	h.pause = min(max(2*h.pause, firstRetry), lastRetry)
	h.retry, h.trial = now+h.pause, false
}

// answeredPing takes the backend back on probation: as pings may be answered
// while requests are not, the next failure brings it down again, and for longer.
func (h *health) answeredPing(now time.Duration) {
	h.down, h.since, h.fails = false, now, failuresInARow-1
}
