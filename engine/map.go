package engine

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dunlin-mq/dunlin/keep"
)

// eachMost is how many records of a map are read at once, unless they are large.
const eachMost = 4096

const (
	sharedMaps = "MAPS"
	bigMap     = "MAP_" // before the name
	// markKept is how long the mark of a deleted key stays. Who follows the map
	// and was away for less than that is told of it.
	markKept = "24h"
)

var (
	properName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	errNoKey   = errors.New("engine: a key is not empty")
)

// Map is a map from keys, which are any bytes but none, to values. In a cluster
// all nodes have the same. It is safe for concurrent use.
type Map struct {
	name   string
	prefix string // of the subjects
	s      *stream
	told   *told
}

// Change is what happened to a key.
type Change = keep.Change

// Map opens a map for up to some thousand records that change now and then. All
// of this kind share what an idle map costs, and who opens one reads them all.
func (e *Engine) Map(name string) (*Map, error) { return e.openMap(name, sharedMaps) }

// BigMap opens a map for many records, or such that change all the time.
func (e *Engine) BigMap(name string) (*Map, error) { return e.openMap(name, bigMap+name) }

func (e *Engine) openMap(name, stream string) (*Map, error) {
	if !properName.MatchString(name) {
		return nil, fmt.Errorf("engine: map %q: a name is 1 to 64 letters, digits, - and _", name)
	}
	subjects := "M.>"
	prefix := "M." + name + "."
	if stream != sharedMaps {
		prefix = "B." + name + "."
		subjects = prefix + "*"
	}
	s, err := e.stream(&nats.StreamConfig{
		Name: stream, Subjects: []string{subjects}, MaxMsgsPerSubject: 1,
		AllowDirect: true, AllowMsgTTL: true, Discard: nats.DiscardNew,
	})
	if err != nil {
		return nil, err
	}
	return &Map{name, prefix, s, s.toldOf(prefix)}, nil
}

// Put sets a key to value and returns when that is kept, and when all watches of
// the map in this process were told of it, or of a later change of the key. So
// no function that watches the map may call it.
func (m *Map) Put(key string, value []byte) error {
	return wait(func(done func(error)) { m.PutLater(key, value, done) })
}

// Delete removes a key and returns when that is kept and told, as Put does. One that isn't there is
// no error.
func (m *Map) Delete(key string) error {
	return wait(func(done func(error)) { m.DeleteLater(key, done) })
}

// DeleteIf is Delete for a key of whose value is reports true. Who changes it
// meanwhile, on any node, has the last word.
func (m *Map) DeleteIf(key string, is func(value []byte) bool) error {
	value, revision, ok, err := m.GetAt(key)
	if err != nil || !ok || !is(value) {
		return err
	}
	err = wait(func(done func(error)) { m.DeleteAt(key, revision, func(_ uint64, err error) { done(err) }) })
	if errors.Is(err, ErrChanged) {
		return nil
	}
	return err
}

func wait(start func(done func(error))) error {
	result := make(chan error, 1)
	start(func(err error) { result <- err })
	return <-result
}

// PutLater sets a key to a copy of value. done, if not nil, runs once that is
// kept and told as Put's, or with why not, in the order of the calls, on a
// goroutine of the engine that it must not block; on the caller's if it fails at
// once, as with ErrBusy above a bound of what is on its way.
func (m *Map) PutLater(key string, value []byte, done func(error)) {
	m.change(isValue, key, value, nil, done)
}

// PutLaterFor is PutLater for a record that goes by itself after ttl, rounded up
// to seconds; 0: it doesn't. No watch is told of its end.
func (m *Map) PutLaterFor(key string, value []byte, ttl time.Duration, done func(error)) {
	var header nats.Header
	if ttl > 0 {
		header = nats.Header{"Nats-TTL": {strconv.FormatInt(int64((ttl+time.Second-1)/time.Second), 10) + "s"}}
	}
	m.change(isValue, key, value, header, done)
}

// DeleteLater removes a key; done is as PutLater's.
func (m *Map) DeleteLater(key string, done func(error)) {
	m.change(isDeleted, key, nil, nats.Header{"Nats-TTL": {markKept}}, done)
}

func (m *Map) change(kind byte, key string, value []byte, header nats.Header, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	m.write(kind, key, value, header, func(_ uint64, err error) { done(err) })
}

// write writes a record of a key; done gets its number.
func (m *Map) write(kind byte, key string, value []byte, header nats.Header, done func(uint64, error)) {
	if key == "" {
		done(0, errNoKey)
		return
	}
	token, long := keyToken(key)
	m.s.writer.write(m.prefix+token, header, appendKeyed(kind, key, long, value), func(seq uint64, err error) {
		m.told.ended(seq, err, func(err error) { done(seq, err) })
	})
}

// Get returns the value of a key, which belongs to the caller: what was kept last
// before the call as far as this node knows, or later. It knows what it has been
// told itself to be kept, and what was kept on any node before that; of others it
// hears a moment later. So behind a Put, nothing is missing that anybody was told.
func (m *Map) Get(key string) (value []byte, ok bool, err error) {
	value, _, ok, err = m.GetAt(key)
	return value, ok, err
}

// Each calls f for every record, in any order, until f returns an error, which
// is then Each's. The value belongs to f. A record that is put meanwhile may
// come twice, with its new value last.
func (m *Map) Each(f func(key string, value []byte) error) error {
	failed := false
	_, all, err := m.each(1, patience(), func(r record) error {
		c, err := m.parse(r)
		if err == nil && !c.Deleted {
			err = f(c.Key, c.Value)
		}
		failed = err != nil
		return err
	})
	switch {
	case failed || all:
		return err
	case err == nil:
		err = errBehind
	}
	return fmt.Errorf("engine: read map %s: %w", m.name, sentence(err))
}

// each goes through all records from a number on, marks of deleted ones too, as
// walk says.
func (m *Map) each(next uint64, wait func(error) bool, f func(record) error) (_ uint64, all bool, err error) {
	// All of the stream, also what is of other maps: with a filter the server
	// looks through all subjects anew for each answer.
	return m.s.walk(next, wait, func(r record) error {
		if !m.has(r.subject) {
			return nil
		}
		return f(r)
	})
}

// has reports whether the subject of a record is that of a key of the map.
func (m *Map) has(subject string) bool {
	token, is := strings.CutPrefix(subject, m.prefix)
	return is && token != voidToken
}

func (m *Map) parse(r record) (Change, error) {
	c, err := parseKeyed(strings.TrimPrefix(r.subject, m.prefix), r.data)
	if err != nil {
		return c, fmt.Errorf("engine: map %s, record %d: %w", m.name, r.seq, err)
	}
	return c, nil
}
