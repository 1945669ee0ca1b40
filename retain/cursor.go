package retain

import (
	"slices"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

const (
	// chunk bounds what a cursor gathers ahead: 12 KB of references, which keep
	// at most chunkBytes of messages alive that were replaced meanwhile.
	chunk      = 512
	chunkBytes = 1 << 20

	// patience is the work that one Next does before it asks to be called
	// again: some milliseconds. A search that comes along a thousand branches
	// needs two thousand.
	patience = 16 << 10
)

// Cursor goes through the messages that match a filter. It holds a small part
// of the result at a time and no lock, so a slow reader may take its time.
// Results of up to 512 messages (or 1 MB) come oldest first, larger ones in
// pieces of that size of which each does.
//
// The store may change meanwhile. Each topic comes at most once, and with the
// message it has at that very moment, never an older one; what is there all
// the time does come. A Cursor belongs to one goroutine.
type Cursor struct {
	store *Store
	walk  walk

	piece []aged // being gathered, or, when it is sorted, handed out
	ready bool   // the latter
	given int    // how many of piece were handed out
	bytes int    // size of piece
	asOf  uint64 // the store's changes when gathering began

	msg mqtt.Message
}

// Find prepares to go through the messages that match a valid filter. It
// returns nil if a filter without wildcards finds nothing, which is what most
// subscriptions come to.
func (s *Store) Find(name string) *Cursor {
	if !topic.HasWildcard(name) && s.get(name) == "" {
		return nil
	}
	return &Cursor{store: s, walk: newWalk(topicFilter(name))}
}

// Next returns the next message that hasn't expired. If there is none it
// returns nil, and more tells whether that is the end or the search has only
// taken long enough for once and goes on with the next call.
//
// The message is borrowed until the call after; its payload isn't, but must
// not be written to.
func (c *Cursor) Next(now int64) (m *mqtt.Message, more bool) {
	for {
		for c.ready && c.given < len(c.piece) {
			r := c.current(c.piece[c.given].record)
			c.piece[c.given].record = ""
			c.given++
			if r != "" && !r.expired(now) {
				r.fill(&c.msg)
				return &c.msg, true
			}
		}
		if c.ready && c.walk.over {
			return nil, false
		}
		if c.ready = c.gather(); !c.ready {
			return nil, true
		}
	}
}

// current is what the store has for the topic of r now.
func (c *Cursor) current(r record) record {
	if c.store.changes.Load() == c.asOf {
		return r
	}
	return c.store.get(r.topic())
}

// gather adds to the next piece; false: it isn't complete yet.
func (c *Cursor) gather() bool {
	if c.given == len(c.piece) {
		c.piece, c.given, c.bytes = c.piece[:0], 0, 0
		c.asOf = c.store.changes.Load()
	}
	full := false
	for work := 0; !full && !c.walk.over; {
		if work >= patience {
			return false
		}
		work += c.store.some(&c.walk, func(r record) bool {
			c.piece = append(c.piece, age(r))
			c.bytes += len(r)
			full = len(c.piece) >= chunk || c.bytes >= chunkBytes
			return !full
		})
	}
	slices.SortFunc(c.piece, byAge)
	return true
}
