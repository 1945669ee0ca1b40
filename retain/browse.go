package retain

import (
	"iter"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Entry is a stored message of which nothing is unpacked before it is asked
// for: who looks through a million of them to show a hundred pays for those.
type Entry struct{ record record }

// Topic is its topic.
func (e Entry) Topic() string { return e.record.topic() }

// Timestamp is when it was published, Unix milliseconds.
func (e Entry) Timestamp() int64 { return e.record.timestamp() }

// ExpiresAt is when it will be gone, by its own or by the store's rules, Unix
// milliseconds; 0: never.
func (e Entry) ExpiresAt() int64 { return e.record.expires() }

// Message is the whole of it. Its payload must not be written to.
func (e Entry) Message() *mqtt.Message {
	m := new(mqtt.Message)
	e.record.fill(m)
	return m
}

// Browse goes through the messages whose topics match a valid filter, or
// through all for "", in the order of their topics, level by level. Those that
// have expired but were not swept yet are among them. The loop may use and
// change the store, and what is in it all the time comes once; the store is
// locked for a slice of some 0.1 ms at a time.
func (s *Store) Browse(filter string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		var records []record
		for w := newWalk(topicFilter(filter)); !w.over; {
			records = records[:0]
			s.some(&w, func(r record) bool {
				records = append(records, r)
				return true
			})
			for _, r := range records {
				if !yield(Entry{r}) {
					return
				}
			}
		}
	}
}

// Lookup returns the message of a topic; false: there is none.
func (s *Store) Lookup(name string) (Entry, bool) {
	r := s.get(name)
	return Entry{r}, r != ""
}
