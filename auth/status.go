package auth

import "time"

// BackendStatus is how a provider's backend is at the moment.
type BackendStatus struct {
	Name  string
	Up    bool      // it is asked
	Since time.Time // Up has not changed
	// LastError is the last failure, which may be long over; empty: none.
	LastError   string
	LastErrorAt time.Time

	Waiting int // questions that wait for their turn
	Busy    int // calls under way
	Stuck   int // of these, calls that go on after their time
}

// Backends tells how all backends are, in the order in which they were given to Use.
func (c *Control) Backends() []BackendStatus {
	c.mu.Lock()
	links := c.links
	c.mu.Unlock()
	var all []BackendStatus
	for _, l := range links {
		if l.backend != nil {
			all = append(all, l.backend.status())
		}
	}
	return all
}

func (b *backend) status() BackendStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := BackendStatus{
		Name: b.Name, Up: !b.health.down && b.stuck < b.opts.Pool, Since: time.Unix(0, int64(b.health.since)),
		Waiting: b.waiting, Busy: b.busy, Stuck: b.stuck,
	}
	if err := b.health.lastError; err != nil {
		s.LastError, s.LastErrorAt = err.Error(), time.Unix(0, int64(b.health.errorAt))
	}
	return s
}
