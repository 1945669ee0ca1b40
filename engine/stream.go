package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// A stream is what the embedded server stores: an order of records, each with
// a subject. A shard of a log is one, and all small maps together are one.
type stream struct {
	e      *Engine
	name   string
	writer *writer
	last   atomic.Uint64 // number of the last record that was acknowledged
	first  atomic.Uint64 // number of the first record that is still there
	feed   feed
	shelf  *shelf

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
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if s := e.streams[want.Name]; s != nil {
		return s, nil
	}
	info, err := e.to().js.StreamInfo(want.Name)
	switch {
	case errors.Is(err, nats.ErrStreamNotFound):
		info, err = e.to().js.AddStream(want)
	case err == nil && differs(&info.Config, want):
		info, err = e.to().js.UpdateStream(want)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", want.Name, sentence(err))
	}
	s := &stream{e: e, name: want.Name}
	s.last.Store(info.State.LastSeq)
	s.first.Store(max(info.State.FirstSeq, 1))
	s.feed.s = s
	s.shelf = newShelf(s.dir(), s.name)
	s.feed.ready = sync.NewCond(&s.feed.mu)
	if s.writer, err = newWriter(s); err != nil {
		return nil, fmt.Errorf("engine: open %s: %w", want.Name, sentence(err))
	}
	e.streams[want.Name] = s
	return s, nil
}

// dir is where the server keeps the files of the stream.
func (s *stream) dir() string {
	return filepath.Join(s.e.to().store, "jetstream", "$G", "streams", s.name, "msgs")
}

// differs says whether what may be changed later is different.
func differs(a, b *nats.StreamConfig) bool {
	return a.MaxAge != b.MaxAge || a.MaxBytes != b.MaxBytes || a.Replicas != b.Replicas
}

// stored notes that a record is kept. Calls come in the order of the records.
func (s *stream) stored(r record) {
	s.last.Store(r.seq)
	s.feed.add(r)
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
