package broker

import "sync"

// exclusive knows who holds the $exclusive subscriptions: one client a topic.
type exclusive struct {
	mu      sync.Mutex
	holders map[string]*Client
}

// claim is true if c has the topic for itself from now on, or had it.
func (e *exclusive) claim(c *Client, name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if holder := e.holders[name]; holder != nil && holder != c {
		return false
	}
	e.holders[name] = c
	return true
}

func (e *exclusive) release(c *Client, name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.holders[name] == c {
		delete(e.holders, name)
	}
}
