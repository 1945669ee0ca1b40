package engine

import (
	"errors"
	"math"
	"strconv"

	"github.com/nats-io/nats.go"
)

// A revision tells what a key is at one moment from what it is at any other. It
// grows with each change; a deleted key has one too, for as long as its mark is
// kept.
const (
	Absent      uint64 = 0              // there is no such key, nor the mark of one
	AnyRevision uint64 = math.MaxUint64 // whatever there is
)

// ErrChanged says that a key is not what it was: nothing was done.
var ErrChanged = errors.New("engine: somebody else has changed it meanwhile")

// GetAt is Get, with the revision of the key; ok may be false beside one.
func (m *Map) GetAt(key string) (value []byte, revision uint64, ok bool, err error) {
	if key == "" {
		return nil, Absent, false, errNoKey
	}
	token, _ := keyToken(key)
	r, err := m.s.newest(m.prefix + token)
	if errors.Is(err, errNotFound) {
		return nil, Absent, false, nil
	}
	if err != nil {
		return nil, Absent, false, err
	}
	c, err := m.parse(r)
	if err != nil {
		return nil, Absent, false, err
	}
	return c.Value, r.seq, !c.Deleted, nil
}

// PutAt is PutLater if the key's revision is still was; else, or when another
// change of the key is under way, done gets ErrChanged. revision is the one that
// the key has from then on. After any other error nobody knows which it has.
func (m *Map) PutAt(key string, value []byte, was uint64, done func(revision uint64, err error)) {
	m.changeAt(isValue, key, value, nil, was, done)
}

// DeleteAt is DeleteLater if the key's revision is still was, as PutAt.
func (m *Map) DeleteAt(key string, was uint64, done func(revision uint64, err error)) {
	m.changeAt(isDeleted, key, nil, nats.Header{"Nats-TTL": {markKept}}, was, done)
}

func (m *Map) changeAt(kind byte, key string, value []byte, header nats.Header, was uint64, done func(uint64, error)) {
	if was != AnyRevision {
		if header == nil {
			header = make(nats.Header, 1)
		}
		header[nats.ExpectedLastSubjSeqHdr] = []string{strconv.FormatUint(was, 10)}
	}
	m.write(kind, key, value, header, func(seq uint64, err error) {
		if refused := new(serverError); errors.As(err, &refused) && (refused.ErrCode == wrongSequence || refused.ErrCode == wrongSequenceSoon) {
			err = ErrChanged
		}
		done(seq, err)
	})
}

// The server's numbers for a record that is no longer the last of its key, or
// won't be when another one that is on its way is kept.
const (
	wrongSequence     = 10071
	wrongSequenceSoon = 10164
)
