package auth

import (
	"sync"
	"time"
)

// A ban that holds from now on also ends the connections of those it is about,
// on each node those that it has. So it is with what an operator bans; who is
// banned for coming too often keeps the connection that it has got at last.

// Evict ends the connections of all clients whose ids are among these or of
// whom banned, if not nil, says so. It is not called twice at a time.
type Evict func(ids []string, banned func(*Client) bool)

// eviction has connections ended for bans that are new, all that have come
// meanwhile at once.
type eviction struct {
	mu      sync.Mutex
	evict   Evict
	run     func(func()) // starts a goroutine
	running bool
	ids     []string
	others  *Bans // by user name and address; nil: none
}

// OnBan has f end connections for bans that come from now on, those of other
// nodes too.
func (c *Control) OnBan(f Evict) {
	e := &c.bans.eviction
	e.mu.Lock()
	defer e.mu.Unlock()
	e.evict, e.run = f, c.crew.run
}

// add takes a ban that has begun; it doesn't block.
func (e *eviction) add(b *Ban) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.evict == nil || !b.evicts(time.Now()) {
		return
	}
	if b.Kind == BanClientID {
		e.ids = append(e.ids, b.Who)
	} else {
		if e.others == nil {
			e.others = newBans(nil)
		}
		e.others.put(b)
	}
	if !e.running {
		e.running = true
		e.run(e.work)
	}
}

// work goes on until there is nothing left.
func (e *eviction) work() {
	for {
		e.mu.Lock()
		ids, others := e.ids, e.others
		e.ids, e.others = nil, nil
		if ids == nil && others == nil {
			e.running = false
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
		var banned func(*Client) bool
		if others != nil {
			banned = func(who *Client) bool { return others.Banned(who, time.Now()) }
		}
		e.evict(ids, banned)
	}
}
