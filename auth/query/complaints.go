package query

import (
	"log/slog"
	"sync"
	"time"
)

// complaints are about what is wrong in a backend: one may come up with each
// request, so only one line a minute is written.
type complaints struct {
	log *slog.Logger

	mu     sync.Mutex
	next   time.Time // when the next may be written
	untold int
}

const complainEvery = time.Minute

// newComplaints takes a nil log for one that writes nothing.
func newComplaints(log *slog.Logger) *complaints {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &complaints{log: log}
}

// say writes a warning, with the number of those that were left out before.
func (c *complaints) say(msg string, attrs ...any) {
	c.mu.Lock()
	now := time.Now()
	if now.Before(c.next) {
		c.untold++
		c.mu.Unlock()
		return
	}
	untold := c.untold
	c.next, c.untold = now.Add(complainEvery), 0
	c.mu.Unlock()
	c.log.Warn(msg, append(attrs, "left_out", untold)...)
}
