// Package retain keeps the retained messages: the last message of each topic
// that was published with the retain flag, for those who subscribe later.
//
// It stores and finds; who gets a message, and when, is the broker's matter.
// Messages are kept in memory.
package retain

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// Store holds the retained messages of one node. It is safe for concurrent
// use.
type Store struct {
	cfg Config

	mu   sync.RWMutex
	msgs map[string]*mqtt.Message
}

// New makes an empty store.
func New(cfg Config) *Store {
	return &Store{cfg: cfg, msgs: make(map[string]*mqtt.Message)}
}

// StopPublishClearMsg is Config's.
func (s *Store) StopPublishClearMsg() bool { return s.cfg.StopPublishClearMsg }

// Put stores m as the retained message of its topic, in the place of an
// earlier one [MQTT-3.3.1-5]. The error says which limit keeps it out.
func (s *Store) Put(m *mqtt.Message, now int64) error {
	if max := s.cfg.MaxPayload; max > 0 && int64(len(m.Payload)) > int64(max) {
		return fmt.Errorf("its payload of %d bytes is larger than retainer.max_payload_size = %v", len(m.Payload), max)
	}
	if m.ExpiresAt == 0 && s.cfg.Expiry > 0 && !m.Sys {
		m = m.Keep().Copy()
		m.ExpiresAt = now + s.cfg.Expiry.Milliseconds()
	}
	m = m.Keep()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.msgs[m.Topic]; !there && s.cfg.MaxMessages > 0 && len(s.msgs) >= s.cfg.MaxMessages {
		return fmt.Errorf("retainer.max_retained_messages = %d are stored", s.cfg.MaxMessages)
	}
	s.msgs[m.Topic] = m
	return nil
}

// Delete removes the retained message of a topic [MQTT-3.3.1-6].
func (s *Store) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.msgs, name)
}

// Match finds the messages whose topics match a filter and which haven't
// expired, oldest first. The messages are shared and must not be changed.
func (s *Store) Match(filter string, now int64) []*mqtt.Message {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !topic.HasWildcard(filter) {
		if m := s.msgs[filter]; m != nil && !m.Expired(now) {
			return []*mqtt.Message{m}
		}
		return nil
	}
	var found []*mqtt.Message
	for name, m := range s.msgs {
		if topic.Match(filter, name) && !m.Expired(now) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *mqtt.Message) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	return found
}

// Expire removes what has expired.
func (s *Store) Expire(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, m := range s.msgs {
		if m.Expired(now) {
			delete(s.msgs, name)
		}
	}
}

// Len is the number of messages stored, expired ones that were not removed
// yet included.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.msgs)
}
