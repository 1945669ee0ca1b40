package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// A stream is what the embedded server stores: an order of records, each with
// a subject. A shard of a log is one, and all small maps together are one.
type stream struct {
	e       *Engine
	name    string
	want    *nats.StreamConfig
	writer  *writer
	last    atomic.Uint64 // number of the last record that was acknowledged
	first   atomic.Uint64 // number of the first record that is still there
	feed    feed
	read    func(question) (answer, error) // ask
	shelf   *shelf
	hinting atomic.Bool // the other members are about to be told of new records

	behind   atomic.Int64           // since when this node's copy is, nanoseconds; 0: it is not
	answered atomic.Pointer[string] // the member that has answered last for its copy
	isLog    bool
	grown    atomic.Pointer[func()] // is told of records from elsewhere; nil: nobody is

	toldMu sync.Mutex
	told   map[string]*told // by the prefix of a map's subjects
}

// record is one record of a stream.
type record struct {
	seq     uint64
	subject string
	data    []byte
}

// stream opens a stream, and makes it when it isn't there.
func (e *Engine) stream(want *nats.StreamConfig) (*stream, error) {
	e.opening.Lock()
	defer e.opening.Unlock()
	e.mu.Lock()
	s, closed := e.streams[want.Name], e.closed
	e.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if s != nil {
		return s, nil
	}
	want.Duplicates = idsKept
	if want.MaxAge > 0 {
		want.Duplicates = min(idsKept, want.MaxAge)
	}
	info, err := e.ensure(want)
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", want.Name, sentence(err))
	}
	s = &stream{e: e, name: want.Name, want: want, isLog: want.MaxMsgsPerSubject <= 0}
	s.last.Store(info.State.LastSeq)
	s.first.Store(max(info.State.FirstSeq, 1))
	s.feed.s, s.read = s, s.ask
	s.feed.followers = make(map[*follower]bool)
	s.shelf = newShelf(s.dir(), s.name)
	s.shelf.onDamage = s.damaged
	s.feed.ready = sync.NewCond(&s.feed.mu)
	if s.writer, err = newWriter(s); err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", want.Name, sentence(err))
	}
	e.mu.Lock()
	e.streams[want.Name] = s
	e.mu.Unlock()
	return s, nil
}

// ensure has the server have a stream. A cluster may have to elect first.
func (e *Engine) ensure(want *nats.StreamConfig) (info *nats.StreamInfo, err error) {
	l := e.to()
	once := func() (err error) {
		info, err = l.js.StreamInfo(want.Name)
		switch {
		case errors.Is(err, nats.ErrStreamNotFound):
			made := *want
			made.Replicas = e.copiesNow()
			info, err = l.js.AddStream(&made)
		case err == nil && differs(&info.Config, want):
			changed := info.Config
			changed.MaxAge, changed.MaxBytes, changed.Duplicates = want.MaxAge, want.MaxBytes, want.Duplicates
			info, err = l.js.UpdateStream(&changed)
		}
		return err
	}
	if !l.clustered {
		return info, once()
	}
	if err = try(openWithin, once); err != nil && !e.quorate() {
		err = ErrNoQuorum
	}
	return info, err
}

// openWithin is how long a stream is waited for in a cluster.
const openWithin = time.Minute

// dir is where the server keeps the files of the stream.
func (s *stream) dir() string {
	return filepath.Join(s.e.to().store, "jetstream", "$G", "streams", s.name, "msgs")
}

// differs says whether what may be changed later is different.
func differs(a, b *nats.StreamConfig) bool {
	return a.MaxAge != b.MaxAge || a.MaxBytes != b.MaxBytes
}

// stored notes that a record is kept. Calls come in the order of the records.
func (s *stream) stored(r record) {
	s.feed.add(r)
	s.hint()
}

func (s *stream) raise(last uint64) {
	for was := s.last.Load(); was < last && !s.last.CompareAndSwap(was, last); was = s.last.Load() {
	}
}

// heard takes news of how far the stream is elsewhere; 0: nothing is known.
func (s *stream) heard(first, last uint64) {
	if first > s.first.Load() {
		s.first.Store(first)
	}
	if last > s.last.Load() {
		s.raise(last)
		s.feed.wake()
		s.tellGrown()
	}
}

func (s *stream) tellGrown() {
	if f := s.grown.Load(); f != nil {
		(*f)()
	}
}

// reattach goes on with the link that the engine has now. wiped says that the
// records are others now.
func (s *stream) reattach(wiped bool) error {
	err := s.attach(wiped)
	if err != nil {
		return err
	}
	return s.writer.release()
}

// attach is reattach before anything is written.
func (s *stream) attach(wiped bool) error {
	info, err := s.e.ensure(s.want)
	if err != nil {
		return fmt.Errorf("engine: open %s: %w", s.name, sentence(err))
	}
	s.shelf.move(s.dir())
	s.first.Store(max(info.State.FirstSeq, 1))
	s.last.Store(info.State.LastSeq)
	s.feed.renew(wiped)
	s.tellGrown()
	return nil
}

// remember has those who follow note what they were told, before it is wiped.
func (s *stream) remember() (err error) {
	for _, fl := range s.feed.all() {
		if fl.remember != nil {
			err = errors.Join(err, fl.remember())
		}
	}
	return err
}

// damaged notes that a record can't be read.
func (s *stream) damaged(err error) {
	err = fmt.Errorf("engine: %s: %w", describe(s.name), err)
	if s.e.health.set(damageName+s.name, err) {
		s.e.log.Error(err.Error())
	}
}

// retained sees what retention has removed from the logs.
func (e *Engine) retained() {
	for _, s := range e.all() {
		if !s.isLog || s.first.Load() > s.last.Load() {
			continue // there is nothing to remove
		}
		info, err := e.to().js.StreamInfo(s.name, nats.MaxWait(lookEvery))
		if err != nil {
			continue // a writer will say so, if it lasts
		}
		first := max(info.State.FirstSeq, 1)
		if was := s.first.Swap(first); first > was {
			e.count.removed.Add(first - was)
		}
	}
}

func (s *stream) close() {
	s.writer.close()
	s.feed.close()
	s.shelf.close()
}

// sentence takes the marks of the library off an error.
func sentence(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "nats: "))
}
