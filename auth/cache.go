package auth

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"
)

// Cache is what backends said about the topics of one connection. The zero
// Cache is empty and takes 16 bytes; all methods may be called at the same
// time. A nil Cache keeps nothing.
type Cache struct {
	mu sync.Mutex
	t  *cacheTable // nil: empty
}

// CacheEntry is one answer, as it is shown.
type CacheEntry struct {
	Action Action
	Topic  string
	Allow  bool
	At     time.Time
}

// cacheTable holds entries from the oldest to the newest. It is searched by
// the sums of their topics: dozens of them lie in one or two cache lines, and a
// map of the same would take five times the memory of a client's one topic.
type cacheTable struct {
	sums    []uint32
	entries []cached
}

type cached struct {
	topic  string
	at     time.Duration // since 1970
	action Action
	allow  bool
}

// cacheSeed only spreads sums; two topics of one sum are told apart.
var cacheSeed = maphash.MakeSeed()

func topicSum(action Action, topic string) uint32 {
	sum := uint32(maphash.String(cacheSeed, topic)) &^ 1
	if action == Subscribe {
		sum |= 1
	}
	return sum
}

// Drain forgets everything.
func (c *Cache) Drain() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = nil
}

// Entries returns all answers, the oldest first, those too old to be used as well.
func (c *Cache) Entries() []CacheEntry {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.t == nil {
		return nil
	}
	list := make([]CacheEntry, len(c.t.entries))
	for i, e := range c.t.entries {
		list[i] = CacheEntry{e.action, e.topic, e.allow, time.Unix(0, int64(e.at))}
	}
	return list
}

// get finds an answer that is not older than since. If even the newest is not, all
// are forgotten.
func (c *Cache) get(action Action, topic string, since time.Duration) (allow, ok bool) {
	if c == nil {
		return false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.t
	if t == nil {
		return false, false
	}
	i := t.find(action, topic)
	if i >= 0 && t.entries[i].at >= since {
		return t.entries[i].allow, true
	}
	if t.entries[len(t.entries)-1].at < since {
		c.t = nil
	}
	return false, false
}

// put keeps an answer as the newest; above size the oldest goes.
func (c *Cache) put(e cached, size int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.t == nil {
		c.t = new(cacheTable)
	}
	t := c.t
	if i := t.find(e.action, e.topic); i >= 0 {
		t.remove(i)
	}
	for len(t.entries) >= max(size, 1) {
		t.remove(0)
	}
	e.topic = strings.Clone(e.topic) // the caller's may be a view of its buffer
	t.sums = append(t.sums, topicSum(e.action, e.topic))
	t.entries = append(t.entries, e)
}

func (t *cacheTable) find(action Action, topic string) int {
	sum := topicSum(action, topic)
	for i, s := range t.sums {
		if s == sum && t.entries[i].topic == topic && t.entries[i].action == action {
			return i
		}
	}
	return -1
}

func (t *cacheTable) remove(i int) {
	t.sums = slices.Delete(t.sums, i, i+1)
	t.entries = slices.Delete(t.entries, i, i+1)
}
