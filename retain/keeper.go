package retain

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/metrics"
)

// Keeper is the map that keeps retained messages, by topic, on all nodes.
type Keeper interface {
	// Watch is keep.Map's. Whoever is told done of a change was told of the
	// change by the watch.
	Watch(f func(keep.Change)) (stop func(), err error)
	// PutLaterFor is keep.Later's PutLater. After ttl, if that isn't 0, the key
	// goes by itself, without a change that is told. done may be called before
	// it returns, if it fails.
	PutLaterFor(key string, value []byte, ttl time.Duration, done func(error))
	DeleteLater(key string, done func(error))
}

const (
	window      = 256     // puts on their way
	windowBytes = 8 << 20 // of them
	// maxUnkept bounds the topics whose message is not kept yet. It is far more
	// than a keeper that works is ever behind.
	maxUnkept = 100_000
)

// errUnkept is for a message that the store has no room for, as the keeper is
// too slow or keeps nothing.
var errUnkept = fmt.Errorf("%d retained messages wait to be kept", maxUnkept)

// keeping is what a store has to do with its keeper. All of it is guarded by the
// store's lock.
//
// A change is in the tree at once, since whoever publishes and then subscribes
// finds what it has published, and goes to the keeper afterwards: of each topic
// one at a time and then the newest, so that a topic that changes all the time
// costs no more than the keeper is able to do. When nothing more of a topic is
// under way, the tree has what the keeper said last of it. So what can't be kept
// is undone, and of changes by several nodes all have the last in the order of
// the keeper.
type keeping struct {
	keeper Keeper
	failed *metrics.Counter
	log    *slog.Logger
	said   time.Time // when it was logged last that a message can't be kept

	topics  map[string]*unkept
	queue   []string // topics that may be written now
	flying  int
	bytes   int
	pumping bool
}

// unkept is a topic of which something is being written, or will be.
type unkept struct {
	name   string
	base   record // what the keeper said last; "": none
	dirty  bool   // the tree has something newer than what is being written
	flying bool
	heard  bool // base is newer than the last time nothing was being written
	size   int  // of what is being written
	done   []func(error)
	next   []func(error) // for the write after that
}

// Keep has all messages kept, and brings in those that are. It is for before
// anybody uses the store. What can't be read is left out and logged.
func (s *Store) Keep(k Keeper, r *metrics.Registry, log *slog.Logger) error {
	s.keeping = &keeping{
		keeper: k, log: log, topics: make(map[string]*unkept),
		failed: r.Counter("messages.retained.failed", "retained messages, or deletions of them, that could not be kept"),
	}
	current := make(chan struct{})
	_, err := k.Watch(func(c keep.Change) {
		if c.Current {
			close(current)
		} else if err := s.told(c); err != nil {
			log.Error("a retained message that was kept is left out", "topic", c.Key, "err", err)
		}
	})
	if err == nil {
		<-current
	}
	return err
}

// told takes a change of the keeper in.
func (s *Store) told(c keep.Change) error {
	var r record
	if !c.Deleted {
		var err error
		if r, err = parseKept(c.Key, c.Value); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.keeping.topics[c.Key]; u != nil {
		u.base, u.heard = r, true
	} else {
		s.set(c.Key, r)
	}
	return nil
}

// set makes r, which may be empty, what the tree has for a topic, and returns
// what it had; mu is held.
func (s *Store) set(name string, r record) (old record) {
	if r == "" {
		old = s.tree.remove([]byte(name))
	} else {
		old = s.tree.put(r)
		s.sweeper.note(r.expires())
	}
	s.changes.Add(1)
	return old
}

// change is set for a change of our own, which is to be kept: waits tells that
// done, which may be nil, will be called when that has ended. mu is held, and
// pump is to be called without it.
func (s *Store) change(name string, r record, done func(error)) (waits bool) {
	old := s.set(name, r)
	k := s.keeping
	if k == nil || r != "" && r[0]&recSys != 0 || old == "" && r == "" && k.topics[name] == nil {
		return false
	}
	u := k.topics[name]
	if u == nil {
		u = &unkept{name: owner(r, old), base: old}
		if old != "" && old[0]&recSys != 0 {
			u.base = "" // those are not kept
		}
		k.topics[u.name] = u
	}
	if !u.dirty && !u.flying {
		k.queue = append(k.queue, u.name)
	}
	u.dirty = true
	if done != nil {
		u.next = append(u.next, done)
	}
	return true
}

// owner is the topic of the one of two records that is there: what a caller
// names it by may be borrowed.
func owner(r, old record) string {
	if r == "" {
		r = old
	}
	return r.topic()
}

// room reports whether a message may go in that has to be kept; mu is held.
func (s *Store) room(name string) bool {
	k := s.keeping
	return k == nil || len(k.topics) < maxUnkept || k.topics[name] != nil
}

// pump writes what waits for it, as much as may be on its way. mu is not held.
func (s *Store) pump() {
	k := s.keeping
	if k == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.pumping {
		return // that goroutine looks again
	}
	k.pumping = true
	for len(k.queue) > 0 && k.flying < window && (k.bytes < windowBytes) {
		name := k.queue[0]
		k.queue[0] = ""
		k.queue = k.queue[1:]
		u := k.topics[name]
		r := s.tree.get([]byte(name))
		u.dirty, u.flying, u.heard, u.size = false, true, false, len(r)
		u.done, u.next = u.next, nil
		k.flying++
		k.bytes += u.size
		s.mu.Unlock()
		write(k.keeper, name, r, func(err error) { s.written(name, err) })
		s.mu.Lock()
	}
	k.pumping = false
}

func write(k Keeper, name string, r record, done func(error)) {
	if r == "" {
		k.DeleteLater(name, done)
		return
	}
	var ttl time.Duration
	if at := r.expires(); at != 0 {
		ttl = max(time.Until(time.UnixMilli(at)), time.Second)
	}
	k.PutLaterFor(name, appendKept(r), ttl, done)
}

// written ends a write.
func (s *Store) written(name string, err error) {
	k := s.keeping
	s.mu.Lock()
	u := k.topics[name]
	k.flying--
	k.bytes -= u.size
	done := u.done
	u.flying, u.done = false, nil
	switch {
	case u.dirty:
		k.queue = append(k.queue, name)
	default:
		delete(k.topics, name)
		if err != nil || u.heard {
			s.settle(name, u.base)
		}
	}
	if err != nil {
		k.warn(name, err)
	}
	s.mu.Unlock()
	for _, f := range done {
		f(err)
	}
	s.pump()
}

// Flush waits until everything is kept that is to be, as long as patience lasts,
// and returns how many topics are left. It is for when nobody publishes any more.
func (s *Store) Flush(patience time.Duration) (left int) {
	if s.keeping == nil {
		return 0
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s.mu.RLock()
		left = len(s.keeping.topics)
		s.mu.RUnlock()
		if left == 0 || time.Now().After(end) {
			return left
		}
	}
}

// settle makes what the keeper said last what the tree has; mu is held.
func (s *Store) settle(name string, base record) {
	if s.tree.get([]byte(name)) != base {
		s.set(name, base)
	}
}

// warn counts, and says now and then, that something could not be kept.
func (k *keeping) warn(name string, err error) {
	k.failed.Inc()
	if now := time.Now(); now.Sub(k.said) > 10*time.Second {
		k.said = now
		k.log.Warn("a retained message can't be kept, and the one before it stays", "topic", name, "err", err)
	}
}

// keptForm is the first byte of what is kept, in front of the record.
const keptForm = 1

func appendKept(r record) []byte { return append(append(make([]byte, 0, 1+len(r)), keptForm), r...) }

var errNoRecord = errors.New("it is no record of a retained message")

// parseKept reads what is kept for a topic.
func parseKept(name string, value []byte) (record, error) {
	if len(value) == 0 || value[0] != keptForm {
		return "", errNoRecord
	}
	r := record(value[1:])
	if !r.valid() || r.topic() != name {
		return "", errNoRecord
	}
	return r, nil
}
