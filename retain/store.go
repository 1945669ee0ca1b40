// Package retain keeps the retained messages: the last message of each topic
// that was published with the retain flag, for those who subscribe later.
//
// It stores and finds; who gets a message, and when, is the broker's matter.
// Messages are in memory; a Keeper has them outlive the process, and be the same
// on all nodes.
package retain

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// Store holds the retained messages of one node. It is safe for concurrent
// use; no method holds others up for more than some hundred microseconds.
type Store struct {
	cfg atomic.Pointer[Config]

	mu      sync.RWMutex
	tree    tree
	sweeper sweeper
	changes atomic.Uint64 // puts and removals so far; grows under mu

	keeping *keeping // nil: they are gone with the process
}

// New makes an empty store.
func New(cfg Config) *Store {
	s := &Store{sweeper: sweeper{soonest: math.MaxInt64}}
	s.cfg.Store(&cfg)
	return s
}

// Change puts another configuration in force, for what is stored from now on:
// nothing is removed because it would be too much now, and no life is changed.
func (s *Store) Change(cfg Config) { s.cfg.Store(&cfg) }

// Keeps reports whether messages outlive the process.
func (s *Store) Keeps() bool { return s.keeping != nil }

// StopPublishClearMsg is Config's.
func (s *Store) StopPublishClearMsg() bool { return s.cfg.Load().StopPublishClearMsg }

// Put stores m, which may be borrowed, as the retained message of its topic,
// in the place of an earlier one [MQTT-3.3.1-5]. The error says which limit
// keeps it out. A message that is too large still ends the life of the earlier
// one, which is no longer the topic's last; a full store only refuses topics
// that it doesn't have.
//
// now is Unix milliseconds, here and everywhere below.
func (s *Store) Put(m *mqtt.Message, now int64) error {
	_, err := s.PutKept(m, now, nil)
	return err
}

// PutKept is Put for who has to know when the message is kept: waits tells that
// done will be called, by another goroutine if need be before PutKept returns.
// It must not block, nor call the store. An error of it says why the message is
// not kept, and that the one before it is back.
func (s *Store) PutKept(m *mqtt.Message, now int64, done func(error)) (waits bool, err error) {
	if most := s.cfg.Load().MaxPayload; most > 0 && int64(len(m.Payload)) > int64(most) {
		s.Delete(m.Topic)
		return false, fmt.Errorf("its payload of %d bytes is larger than retainer.max_payload_size = %v", len(m.Payload), most)
	}
	if err := topic.ValidName(m.Topic); err != nil {
		return false, err
	}
	r := newRecord(m, s.lifeEnds(m, now))
	if waits, err = s.enter(m.Topic, r, done); err == nil {
		s.pump()
	}
	return waits, err
}

func (s *Store) enter(name string, r record, done func(error)) (waits bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most := s.cfg.Load().MaxMessages; most > 0 && s.tree.n >= most && s.tree.get([]byte(name)) == "" {
		return false, fmt.Errorf("retainer.max_retained_messages = %d are stored", most)
	}
	if !s.room(name) {
		s.keeping.failed.Inc()
		return false, errUnkept
	}
	return s.change(name, r, done), nil
}

// lifeEnds is when a message expires that says nothing of that itself; 0: not
// by us. An interval of 0 seconds in the message says: never.
func (s *Store) lifeEnds(m *mqtt.Message, now int64) int64 {
	expiry := s.cfg.Load().Expiry
	if expiry <= 0 || m.ExpiresAt != 0 || m.Sys || m.Props.Has(mqtt.PropMessageExpiry) {
		return 0
	}
	return now + expiry.Milliseconds()
}

// Delete removes the retained message of a topic [MQTT-3.3.1-6].
func (s *Store) Delete(name string) { s.DeleteKept(name, nil) }

// DeleteKept is Delete for who has to know when that is kept; waits and done are
// as PutKept's.
func (s *Store) DeleteKept(name string, done func(error)) (waits bool) {
	s.mu.Lock()
	waits = s.change(name, "", done)
	s.mu.Unlock()
	s.pump()
	return waits
}

// get returns the record of a topic, or the empty one.
func (s *Store) get(name string) record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tree.get([]byte(name))
}

// Match returns the messages whose topics match a valid filter and which
// haven't expired, oldest first. They are the caller's, but their payloads
// must not be written to. However many there are, they all come at once; Find
// is for those who needn't have that.
func (s *Store) Match(filter string, now int64) []*mqtt.Message {
	var records []aged
	for w := newWalk(topicFilter(filter)); !w.over; {
		s.some(&w, func(r record) bool {
			if !r.expired(now) {
				records = append(records, age(r))
			}
			return true
		})
	}
	slices.SortFunc(records, byAge)
	msgs, found := make([]mqtt.Message, len(records)), make([]*mqtt.Message, len(records))
	for i, r := range records {
		r.record.fill(&msgs[i])
		found[i] = &msgs[i]
	}
	return found
}

// All goes through all messages in the order of their topics, those that have
// expired but were not swept yet included. The messages are borrowed; the loop
// may use and change the store, and what is in it all the time comes once.
func (s *Store) All() iter.Seq[*mqtt.Message] {
	return func(yield func(*mqtt.Message) bool) {
		var m mqtt.Message
		for e := range s.Browse("") {
			if e.record.fill(&m); !yield(&m) {
				return
			}
		}
	}
}

// Len is the number of messages stored, expired ones that were not swept yet
// included.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tree.n
}

// slice is the work that is done under one lock, some 0.1 ms of it.
const slice = 256

// some goes a slice further on a walk, or until visit says no, and returns the
// work done.
func (s *Store) some(w *walk, visit func(record) bool) (work int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return w.some(&s.tree, slice, visit)
}
