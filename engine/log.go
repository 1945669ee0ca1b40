package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dunlin-mq/dunlin/topic"
)

const (
	defaultShards = 4
	maxShards     = 256
	maxTopic      = math.MaxUint16
	logPrefix     = "LOG_" // before the name of a log
)

// LogOptions say how a log is kept.
type LogOptions struct {
	Shards   int           // 1 to 256, 0: 4; of a log that is there already its own number holds
	MaxAge   time.Duration // entries that are older are removed; 0: none
	MaxBytes int64         // the oldest entries of a shard are removed above its part of this; 0: none
}

// Log is an order of messages for each of its shards. A topic belongs to one
// shard, so that the order within a topic is kept. It is safe for concurrent use.
type Log struct {
	name   string
	shards []*stream
}

// At is a place in a log. The first entry of a shard has number 1; numbers
// grow, and there may be gaps.
type At struct {
	Shard int
	Seq   uint64
}

// Entry is a message of a log.
type Entry struct {
	At
	Topic  string
	Time   int64 // milliseconds since 1970 when it was appended
	Record []byte
}

// Log opens a log, and makes it when it isn't there.
func (e *Engine) Log(name string, o LogOptions) (*Log, error) {
	if !properName.MatchString(name) {
		return nil, fmt.Errorf("engine: log %q: a name is 1 to 64 letters, digits, - and _", name)
	}
	if o.Shards == 0 {
		o.Shards = defaultShards
	}
	if o.Shards < 1 || o.Shards > maxShards || o.MaxAge < 0 || o.MaxBytes < 0 {
		return nil, fmt.Errorf("engine: log %s: %+v: there are 1 to %d shards, and bounds are not negative", name, o, maxShards)
	}
	l := &Log{name: name}
	for i := range o.Shards {
		s, err := e.stream(&nats.StreamConfig{
			Name: fmt.Sprintf(logPrefix+"%s_%d", name, i), Subjects: []string{fmt.Sprintf("L.%s.%d", name, i)},
			MaxAge: o.MaxAge, MaxBytes: perShard(o), AllowDirect: true,
		})
		if err != nil {
			return nil, err
		}
		l.shards = append(l.shards, s)
	}
	return l, nil
}

func perShard(o LogOptions) int64 {
	if o.MaxBytes == 0 {
		return -1
	}
	return max(o.MaxBytes/int64(o.Shards), 1)
}

// Shards is the number of shards.
func (l *Log) Shards() int { return len(l.shards) }

// Shard is where a topic belongs.
func (l *Log) Shard(topic string) int {
	h := fnv.New32a()
	h.Write([]byte(topic))
	return int(h.Sum32() % uint32(len(l.shards)))
}

var errTopic = fmt.Errorf("engine: a topic has 1 to %d bytes", maxTopic)

// Append adds a message at the end of its shard. The record is the engine's
// until done has run, once, in order within a shard, on a goroutine of the
// engine that it must not block. Above a bound of what is on its way it fails
// at once, on the caller's goroutine, with ErrBusy.
func (l *Log) Append(topic string, rec []byte, done func(at At, err error)) {
	i := l.Shard(topic)
	if topic == "" || len(topic) > maxTopic {
		done(At{Shard: i}, errTopic)
		return
	}
	data := makeEntry(topic, time.Now().UnixMilli(), rec)
	l.shards[i].writer.write(fmt.Sprintf("L.%s.%d", l.name, i), nil, data, func(seq uint64, err error) { done(At{i, seq}, err) })
}

const (
	entryVersion = 1 // the first byte of what is stored
	entryHead    = 9 // bytes in front of the topic
)

// makeEntry makes what is stored: version, time in 6 bytes, length of the
// topic in 2, topic, record.
func makeEntry(topic string, millis int64, rec []byte) []byte {
	data := make([]byte, 0, entryHead+len(topic)+len(rec))
	head := uint64(entryVersion)<<56 | uint64(millis)&(1<<48-1)<<8
	data = binary.BigEndian.AppendUint64(data, head)[:7]
	data = binary.BigEndian.AppendUint16(data, uint16(len(topic)))
	return append(append(data, topic...), rec...)
}

var errEntry = errors.New("an entry that makes no sense")

// entryTopic is the topic of what is stored, a part of data.
func entryTopic(data []byte) ([]byte, error) {
	if len(data) < entryHead || data[0] != entryVersion {
		return nil, errEntry
	}
	n := int(binary.BigEndian.Uint16(data[7:]))
	if len(data) < entryHead+n {
		return nil, errEntry
	}
	return data[entryHead : entryHead+n], nil
}

// parseEntry takes apart what is stored. Record is a part of data.
func parseEntry(data []byte) (e Entry, err error) {
	name, err := entryTopic(data)
	if err != nil {
		return e, err
	}
	e.Time = int64(binary.BigEndian.Uint64(data) << 8 >> 16)
	e.Topic, e.Record = string(name), data[entryHead+len(name):]
	return e, nil
}

func (l *Log) of(shard int) (*stream, error) {
	if shard < 0 || shard >= len(l.shards) {
		return nil, fmt.Errorf("engine: log %s has no shard %d", l.name, shard)
	}
	return l.shards[shard], nil
}

// Tail calls f for every entry behind after, in order, each once, on a
// goroutine of its own, until stop. The record belongs to f, which must not
// change it.
func (l *Log) Tail(shard int, after uint64, f func(Entry)) (stop func(), err error) {
	s, err := l.of(shard)
	if err != nil {
		return nil, err
	}
	return s.feed.follow(after, func(r record) {
		e, err := parseEntry(r.data)
		if err != nil {
			s.e.log.Error(fmt.Sprintf("engine: log %s, shard %d, entry %d: %v", l.name, shard, r.seq, err))
			return
		}
		if e.At = (At{shard, r.seq}); e.Topic != "" {
			f(e)
		}
	}, nil), nil
}

// OnGrowth has f called when news comes that other nodes have appended to a
// shard, on a goroutine of the engine that it must not block; nil: no more.
func (l *Log) OnGrowth(f func(shard int)) {
	for i, s := range l.shards {
		if f == nil {
			s.grown.Store(nil)
			continue
		}
		grown := func() { f(i) }
		s.grown.Store(&grown)
	}
}

// Read returns entries from a number on that match any of the filters, all
// when there are none, in order, most of them at most, and where to go on:
// behind the last entry of the shard when the end was reached.
func (l *Log) Read(ctx context.Context, shard int, from uint64, filters []string, most int) (entries []Entry, next uint64, err error) {
	s, err := l.of(shard)
	if err != nil {
		return nil, from, err
	}
	for next = max(from, s.first.Load(), 1); len(entries) < most && next <= s.last.Load(); {
		if err := ctx.Err(); err != nil {
			return entries, next, err
		}
		began := next
		if entries, next, err = s.shelf.read(entries, next, s.last.Load(), filters, most-len(entries)); err != nil {
			s.e.log.Warn("engine: " + err.Error())
		}
		if next == began { // the files don't have it
			if entries, next, err = l.ask(s, entries, next, filters, most-len(entries)); err != nil {
				return entries, next, err
			}
		}
		if next == began { // retention took it, or this node of a cluster doesn't have it yet
			if next = max(next, s.first.Load()); next == began {
				break
			}
		}
	}
	for i := range entries {
		entries[i].Shard = shard
	}
	return entries, next, nil
}

// ask reads a portion through the server.
func (l *Log) ask(s *stream, entries []Entry, from uint64, filters []string, most int) ([]Entry, uint64, error) {
	records, next, err := s.get(from, feedMost)
	if err != nil {
		return entries, from, err
	}
	for _, r := range records {
		e, err := parseEntry(r.data)
		if err != nil {
			return entries, r.seq, fmt.Errorf("engine: %s, entry %d: %w", s.name, r.seq, err)
		}
		if !matchesAny(filters, e.Topic) {
			continue
		}
		e.Seq = r.seq
		if entries = append(entries, e); most == 1 {
			return entries, r.seq + 1, nil
		}
		most--
	}
	return entries, next, nil
}

// matchesAny reports whether an entry of a topic is wanted. One without a topic
// says nothing (see doubt).
func matchesAny[T string | []byte](filters []string, name T) bool {
	if len(name) == 0 {
		return false
	}
	for _, f := range filters {
		if topic.Match(f, string(name)) {
			return true
		}
	}
	return len(filters) == 0
}

// Bounds returns the numbers of the first and the last entry of a shard; last
// is before first when it is empty.
func (l *Log) Bounds(shard int) (first, last uint64) {
	s, err := l.of(shard)
	if err != nil {
		return 1, 0
	}
	return s.first.Load(), s.last.Load()
}
