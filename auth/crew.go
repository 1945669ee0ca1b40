package auth

import (
	"sync"
	"time"
)

// crew is the owner of all goroutines of a Control.
type crew struct {
	mu      sync.Mutex
	off     bool
	working sync.WaitGroup
}

// run starts f on a goroutine of its own. After dismiss nobody waits for it
// any more.
func (c *crew) run(f func()) {
	if !c.join() {
		go f()
		return
	}
	go func() {
		defer c.working.Done()
		f()
	}()
}

// join makes the caller's goroutine one of the crew until it calls Done of
// working; false: there is no crew any more.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.off {
		c.working.Add(1)
	}
	return !c.off
}

// after is time.AfterFunc by one of the crew, as long as there is one.
func (c *crew) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		if c.join() {
			defer c.working.Done()
		}
		f()
	})
}

// dismiss waits until all are done, and reports whether they were in time.
func (c *crew) dismiss(patience time.Duration) bool {
	c.mu.Lock()
	c.off = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.working.Wait()
		close(done)
	}()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-done:
		return true
	case <-timeout.C:
		return false
	}
}
