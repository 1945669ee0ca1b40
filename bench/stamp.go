package bench

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// stampSize is the room that a payload needs for a stamp, bytes.
const stampSize = 16

// stamp is what the tool writes into the front of a payload, so that whoever
// gets the message knows when it was sent, and a run knows which one it is.
type stamp struct {
	sent      int64  // Unix nanoseconds
	run       uint16 // 12 bits that tell runs apart
	publisher uint32 // below maxConnections, which takes 20 bits
	sequence  uint32 // from 0 on, per publisher
}

const publisherBits = 20

func (s stamp) put(payload []byte) {
	binary.BigEndian.PutUint64(payload, uint64(s.sent))
	binary.BigEndian.PutUint32(payload[8:], uint32(s.run)<<publisherBits|s.publisher)
	binary.BigEndian.PutUint32(payload[12:], s.sequence)
}

// stampOf reads the stamp; ok is false for what some other program sent. A
// stamp has no mark of its own: it is one if its time is within the last hour,
// or a second ahead when two machines' clocks differ.
func stampOf(payload []byte, now int64) (s stamp, ok bool) {
	if len(payload) < stampSize {
		return s, false
	}
	s.sent = int64(binary.BigEndian.Uint64(payload))
	who := binary.BigEndian.Uint32(payload[8:])
	s.run, s.publisher = uint16(who>>publisherBits), who&(1<<publisherBits-1)
	s.sequence = binary.BigEndian.Uint32(payload[12:])
	age := now - s.sent
	return s, age > -int64(time.Second) && age < int64(time.Hour)
}

// newRunTag makes it unlikely that two runs take each other's messages for
// their own.
func newRunTag() uint16 { return uint16(rand.Uint32N(1 << (32 - publisherBits))) }

// ledger finds out which of the messages that arrive came before. Messages of
// one flow are numbered from 0 on; memory is taken by flows and by gaps.
type ledger struct {
	next map[uint64]uint32 // per flow: one above the highest number seen
	gaps map[gap]struct{}  // numbers below it that have not come
	most int               // of these
}

type gap struct {
	flow   uint64
	number uint32
}

// The ledger's bounds: when more messages are missing than that, one that comes
// late after all is taken for a repeated one. What sessions have kept comes one
// session after the other, so that nearly all is missing for a while.
const (
	maxGaps       = 1 << 18
	maxGapsStored = 1 << 24 // about 600 MB
)

func newLedger(most int) *ledger {
	return &ledger{next: map[uint64]uint32{}, gaps: map[gap]struct{}{}, most: most}
}

// gapsOf is how many messages may be missing in a run.
func gapsOf(o *options) int {
	if !verbs[o.verb].stored {
		return maxGaps
	}
	return maxGapsStored
}

// first enters the arrival and reports whether it is the first of its number,
// and whether a higher one came before it.
func (l *ledger) first(flow uint64, number uint32) (first, late bool) {
	next := l.next[flow]
	if number < next {
		missing := gap{flow, number}
		_, late := l.gaps[missing]
		delete(l.gaps, missing)
		return late, late
	}
	for ; next < number && len(l.gaps) < l.most; next++ {
		l.gaps[gap{flow, next}] = struct{}{}
	}
	l.next[flow] = number + 1
	return true, false
}
