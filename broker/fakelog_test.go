package broker

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/topic"
)

// fakeLog is a Log in memory. Appends are acknowledged by a goroutine for each
// shard, late and in order; what isn't acknowledged may be there or not.
type fakeLog struct {
	shards  []*fakeShard
	done    sync.WaitGroup
	chunk   int  // at most so many entries are read at once; 0: as asked
	late    bool // acknowledge after a random while
	closing chan struct{}
	delayed *keeptest.Map // nil: delayed messages are not kept
}

type fakeShard struct {
	mu      sync.Mutex
	entries []engine.Entry // the first has number first
	first   uint64
	fail    error // of appends, and of reads
	reading bool  // but reads work
	unsure  error // of appends, which are kept nevertheless
	reads   int
	held    chan struct{} // not nil: acknowledgements wait until it is closed
	queue   chan func()
}

func newFakeLog(t testing.TB, shards int) *fakeLog {
	l := &fakeLog{closing: make(chan struct{})}
	for range shards {
		s := &fakeShard{first: 1, queue: make(chan func(), 1<<16)}
		l.shards = append(l.shards, s)
		l.done.Go(func() {
			for f := range s.queue {
				s.mu.Lock()
				held := s.held
				s.mu.Unlock()
				if held != nil {
					<-held
				}
				if l.late && rand.IntN(20) == 0 {
					time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
				}
				f()
			}
		})
	}
	t.Cleanup(func() {
		for _, s := range l.shards {
			close(s.queue)
		}
		l.done.Wait()
	})
	return l
}

// withLog gives the broker a log.
func withLog(l *fakeLog) func(*Options) {
	return func(o *Options) {
		o.Durable = &Durable{Messages: l, Sessions: newFakeMap(l), States: newFakeMap(l)}
		if l.delayed != nil {
			o.Durable.Delayed = l.delayed
		}
	}
}

func (l *fakeLog) Shards() int { return len(l.shards) }

func (l *fakeLog) Shard(name string) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() % uint32(len(l.shards)))
}

func (l *fakeLog) Append(name string, record []byte, done func(engine.At, error)) {
	i := l.Shard(name)
	s := l.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail; err != nil {
		s.queue <- func() { done(engine.At{Shard: i}, err) }
		return
	}
	at := engine.At{Shard: i, Seq: s.first + uint64(len(s.entries))}
	s.entries = append(s.entries, engine.Entry{At: at, Topic: name, Record: slices.Clone(record)})
	err := s.unsure
	s.queue <- func() {
		if err != nil {
			at.Seq = 0
		}
		done(at, err)
	}
}

func (l *fakeLog) OnGrowth(func(shard int)) {} // nobody else appends

func (l *fakeLog) Read(ctx context.Context, shard int, from uint64, filters []string, most int) (entries []engine.Entry, next uint64, err error) {
	s := l.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.fail != nil && !s.reading {
		return nil, from, s.fail
	}
	if l.chunk > 0 {
		most = min(most, l.chunk)
	}
	for next = max(from, s.first); next < s.first+uint64(len(s.entries)); next++ {
		if len(entries) == most {
			return entries, next, nil
		}
		e := s.entries[next-s.first]
		if len(filters) == 0 || slices.ContainsFunc(filters, func(f string) bool { return topic.Match(f, e.Topic) }) {
			entries = append(entries, e)
		}
	}
	return entries, next, ctx.Err()
}

func (l *fakeLog) Bounds(shard int) (first, last uint64) {
	s := l.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.first + uint64(len(s.entries)) - 1
}

// cut deletes all but the last n entries of each shard.
func (l *fakeLog) cut(n int) {
	for _, s := range l.shards {
		s.mu.Lock()
		if over := len(s.entries) - n; over > 0 {
			s.entries, s.first = slices.Clone(s.entries[over:]), s.first+uint64(over)
		}
		s.mu.Unlock()
	}
}

// lose takes the last n entries of each shard back, as a machine does that loses
// its power.
func (l *fakeLog) lose(n int) {
	for _, s := range l.shards {
		s.mu.Lock()
		s.entries = s.entries[:len(s.entries)-n]
		s.mu.Unlock()
	}
}

// become makes it another log, with n entries in each shard.
func (l *fakeLog) become(n int) {
	for i, s := range l.shards {
		s.mu.Lock()
		s.entries, s.first = nil, 1
		for seq := range uint64(n) {
			s.entries = append(s.entries, engine.Entry{At: engine.At{Shard: i, Seq: seq + 1}, Topic: "t/foreign", Record: []byte("none")})
		}
		s.mu.Unlock()
	}
}

// wipe deletes everything.
func (m *fakeMap) wipe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.all)
}

// entries are how many the log has taken.
func (l *fakeLog) len() (n int) {
	for _, s := range l.shards {
		s.mu.Lock()
		n += int(s.first) - 1 + len(s.entries)
		s.mu.Unlock()
	}
	return n
}

var errFake = errors.New("the fake log fails")

// failing has the log fail from now on, or not.
func (l *fakeLog) failing(err error) {
	for _, s := range l.shards {
		s.mu.Lock()
		s.fail = err
		s.mu.Unlock()
	}
}

// unsure has appends fail with err although they are kept.
func (l *fakeLog) unsure(err error) {
	for _, s := range l.shards {
		s.mu.Lock()
		s.unsure = err
		s.mu.Unlock()
	}
}

// hold keeps acknowledgements back until the function that it returns is called.
func (l *fakeLog) hold() (goOn func()) {
	var all []func()
	for _, s := range l.shards {
		all = append(all, s.hold())
	}
	return func() {
		for _, goOn := range all {
			goOn()
		}
	}
}

func (s *fakeShard) hold() (goOn func()) {
	held := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	return func() {
		s.mu.Lock()
		s.held = nil
		s.mu.Unlock()
		close(held)
	}
}

func (s *fakeShard) readCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// fakeMap is a Map in memory, which acknowledges as its log's first shard does.
type fakeMap struct {
	log *fakeLog
	mu  sync.Mutex
	all map[string][]byte
	at  map[string]uint64 // revisions, of deleted keys too
	n   int               // changes
	m   int               // with those that failed

	history []mapChange
}

// mapChange is one of a fakeMap; value nil: the key is deleted.
type mapChange struct {
	key   string
	value []byte
}

// revise notes that a key has changed; mu is held.
func (m *fakeMap) revise(key string, value []byte) (revision uint64) {
	m.history = append(m.history, mapChange{key, value})
	m.at[key] = uint64(len(m.history))
	return m.at[key]
}

func (m *fakeMap) PutAt(key string, value []byte, was uint64, done func(uint64, error)) {
	m.changeAt(key, append([]byte{}, value...), was, done)
}

func (m *fakeMap) DeleteAt(key string, was uint64, done func(uint64, error)) {
	m.changeAt(key, nil, was, done)
}

func (m *fakeMap) changeAt(key string, value []byte, was uint64, done func(uint64, error)) {
	refused, revision := false, uint64(0)
	m.change(func(err error) {
		if err == nil && refused {
			err = engine.ErrChanged
		}
		done(revision, err)
	}, func() {
		if refused = was != engine.AnyRevision && was != m.at[key]; refused {
			return
		}
		if m.all[key] = value; value == nil {
			delete(m.all, key)
		}
		revision = m.revise(key, value)
	})
}

func (m *fakeMap) GetAt(key string) (value []byte, revision uint64, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok = m.all[key]
	return value, m.at[key], ok, nil
}

func newFakeMap(l *fakeLog) *fakeMap {
	return &fakeMap{log: l, all: make(map[string][]byte), at: make(map[string]uint64)}
}

func (m *fakeMap) PutLater(key string, value []byte, done func(error)) {
	value = append([]byte{}, value...)
	m.change(done, func() {
		m.all[key] = value
		m.revise(key, value)
	})
}

func (m *fakeMap) DeleteLater(key string, done func(error)) {
	m.change(done, func() {
		delete(m.all, key)
		m.revise(key, nil)
	})
}

func (m *fakeMap) change(done func(error), do func()) {
	s := m.log.shards[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.fail
	m.mu.Lock()
	if m.m++; err == nil {
		do()
		m.n++
	}
	m.mu.Unlock()
	s.queue <- func() { done(err) }
}

func (m *fakeMap) copy() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.all)
}

func (m *fakeMap) Each(f func(key string, value []byte) error) error {
	m.mu.Lock()
	all := maps.Clone(m.all)
	m.mu.Unlock()
	for key, value := range all {
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (m *fakeMap) changes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

func (m *fakeMap) tries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.m
}
