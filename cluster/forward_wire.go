package cluster

import (
	"encoding/binary"
	"errors"
)

// What goes from one node to another is a stream of records, cut into batches
// anywhere; a record is four bytes of length, its type, and what the type says.
const (
	recordPlain    = 1 // a message for the receiver's own subscribers
	recordDirected = 2 // group, filter, message: for one member of that group
	recordGuarded  = 3 // the same, and the sender wants to know what became of it
)

const recordHead = 5

// The types of messages of KindForward and KindConfirm.
const (
	typeBatch   = 1 // batch, bytes of the stream to the end
	typeConfirm = 1 // confirm
)

// batch is the head of a piece of a stream. Its numbers are of what came before
// it, so that the receiver sees at once what it has missed.
type batch struct {
	stream   uint64 // greater than those of earlier streams to the same node
	receiver uint64 // the start of the receiver that the sender knows; 0: none yet
	position
	guarded uint64 // records of this type that ended before
	results uint64 // confirmed results that have been seen
	skip    uint64 // bytes at the beginning that belong to a record begun before,
	skipped bool   // which is a guarded one
}

// position is how far a stream has come.
type position struct {
	bytes    uint64
	messages uint64 // records that have ended
}

// confirm is what a receiver says of a stream.
type confirm struct {
	stream   uint64
	receiver uint64 // its start
	position
	first   uint64 // the number of the first result
	results []result
}

// result is what became of a guarded record.
type result struct {
	record uint64 // counted from 1 in its stream
	fate   fate
}

type fate byte

const (
	fateLost   fate = iota // on the way
	fateKept               // a member has it
	fateNobody             // there was no member, or none that kept it
)

func appendBatch(dst []byte, b *batch) []byte {
	skip := b.skip << 1
	if b.skipped {
		skip |= 1
	}
	return appendHead(dst, typeBatch, b.stream, b.receiver, b.bytes, b.messages, b.guarded, b.results, skip)
}

func (r *reader) batch() (b batch) {
	b.stream, b.receiver = r.Number(), r.Number()
	b.position = position{r.Number(), r.Number()}
	b.guarded, b.results = r.Number(), r.Number()
	skip := r.Number()
	b.skip, b.skipped = skip>>1, skip&1 != 0
	return b
}

func appendConfirm(dst []byte, c *confirm) []byte {
	dst = appendHead(dst, typeConfirm, c.stream, c.receiver, c.bytes, c.messages, c.first, uint64(len(c.results)))
	for _, res := range c.results {
		dst = binary.AppendUvarint(dst, res.record<<2|uint64(res.fate))
	}
	return dst
}

func (r *reader) confirm() (c confirm) {
	c.stream, c.receiver = r.Number(), r.Number()
	c.position = position{r.Number(), r.Number()}
	c.first = r.Number()
	c.results = make([]result, 0, r.Count())
	for range cap(c.results) {
		n := r.Number()
		c.results = append(c.results, result{n >> 2, fate(n & 3)})
	}
	return c
}

// beginRecord leaves room for the length, which endRecord fills in.
func beginRecord(dst []byte, kind byte) []byte { return append(dst, 0, 0, 0, 0, kind) }

func endRecord(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// recordSize is how many bytes the record that begins b has, its length
// included; 0: b is too short to tell.
func recordSize(b []byte) int {
	if len(b) < recordHead {
		return 0
	}
	return int(binary.BigEndian.Uint32(b)) + 4
}

var errRecordSize = errors.New("a record is longer than a node may send, or has no type")
