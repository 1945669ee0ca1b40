package session

import (
	"math"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// phase says what a flight waits for.
type phase uint8

const (
	done phase = iota // nothing; its slot waits for those before it
	awaitPuback
	awaitPubrec
	awaitPubcomp

	// Of durable sessions, at QoS 2: what may go out only after a save.
	holdPublish  // a save that has it is still to begin
	savePublish  // one has begun
	readyPublish // it is kept: PUBLISH may go out, for the first time
	holdPubrel   // PUBREC has come: as above
	savePubrel
)

// sent reports whether something was sent and its acknowledgement is waited
// for.
func (p phase) sent() bool { return p >= awaitPuback && p <= awaitPubcomp }

// held reports whether the PUBLISH hasn't been sent yet.
func (p phase) held() bool { return p >= holdPublish && p <= readyPublish }

// released reports whether PUBREC has come.
func (p phase) released() bool { return p == awaitPubcomp || p >= holdPubrel }

// flight is a delivery above QoS 0 that was sent, or has its turn and waits for
// a save, and isn't acknowledged. It is kept to 32 bytes: the QoS follows from
// the phase.
type flight struct {
	msg    *mqtt.Message // nil once PUBREC has come, or without its payload, see SetTimed
	sub    *Subscription
	sentAt int64  // last
	after  uint32 // how long after it was first sent that was, milliseconds
	id     uint16
	phase  phase
	retain bool
}

func (f *flight) delivery() Delivery {
	qos := mqtt.QoS(2)
	if f.phase == awaitPuback {
		qos = 1
	}
	return Delivery{Msg: f.msg, Sub: f.sub, QoS: qos, Retain: f.retain}
}

// inflight holds the flights in the order in which they were first sent, which
// is the order in which they are repeated [MQTT-4.6.0-1] and the cyclic order
// of their packet identifiers. A flight that ends out of order leaves its slot
// behind as done, so a flight is where its identifier's distance from the
// first one says, unless slots were squeezed out; then it is nearer.
type inflight struct {
	slots  ring[flight] // the first one is never done
	live   uint32       // slots that aren't done
	sent   uint32       // of these, sent on the present connection; the rest is behind them
	unsent uint32       // slots, done or not, at the end that aren't sent on it
	lastID uint16
	mixed  bool // identifiers have come round past an old flight: their order isn't cyclic any more
	ways   ways
}

// ways are bits about the handling of flights.
type ways uint8

const (
	unrepeated ways = 1 << iota // on a living connection, see SetRetry
	timed                       // see SetTimed
	lasting                     // see SetDurable
)

func (w *ways) set(bit ways, on bool) {
	if *w &^= bit; on {
		*w |= bit
	}
}

// firstSent is when the flight was sent for the first time.
func (f *flight) firstSent() int64 { return f.sentAt - int64(f.after) }

// sent notes that something of the flight was sent again.
func (f *flight) sent(now int64) {
	f.after = uint32(min(max(now-f.firstSent(), 0), math.MaxUint32))
	f.sentAt = now
}

// acked is the flight for who is told of its acknowledgement.
func (f *flight) acked() Acked { return Acked{f.delivery(), f.firstSent()} }

// distance counts the steps from identifier a to b; 1 follows 65535.
func distance(a, b uint16) uint32 {
	return uint32((int(b) - int(a) + 65535) % 65535)
}

func nextID(id uint16) uint16 {
	if id == 65535 {
		return 1
	}
	return id + 1
}

// next is the identifier for a new flight, the next one that no flight has
// [MQTT-2.2.1-4]; 0 if all are in use.
func (f *inflight) next() uint16 {
	id := nextID(f.lastID)
	if !f.mixed && (f.slots.n == 0 || f.slots.at(0).id != id) {
		return id
	}
	for range 65535 {
		if _, used := f.scan(id); !used {
			return id
		}
		id = nextID(id)
	}
	return 0
}

// add appends a flight that was just sent under f.next.
func (f *inflight) add(e flight) {
	if f.slots.full() && f.live <= f.slots.n/4*3 {
		f.slots.filter(func(e *flight) bool { return e.phase != done })
	}
	if n := f.slots.n; n > 0 && distance(f.slots.at(0).id, e.id) <= distance(f.slots.at(0).id, f.slots.at(n-1).id) {
		f.mixed = n > 1 || f.mixed
	}
	f.slots.push(e)
	f.lastID = e.id
	f.live++
	f.sent++
}

// find returns the place of the flight with this identifier.
func (f *inflight) find(id uint16) (pos uint32, ok bool) {
	if f.slots.n == 0 || id == 0 {
		return 0, false
	}
	if f.mixed {
		return f.scan(id)
	}
	first := f.slots.at(0).id
	want := distance(first, id)
	lo, hi := uint32(0), min(want, f.slots.n-1)
	for pos = hi; lo <= hi; pos = lo + (hi-lo)/2 {
		e := f.slots.at(pos)
		switch d := distance(first, e.id); {
		case d == want:
			return pos, e.phase != done
		case d < want:
			lo = pos + 1
		case pos == 0:
			return 0, false
		default:
			hi = pos - 1
		}
	}
	return 0, false
}

// scan is find without any order.
func (f *inflight) scan(id uint16) (pos uint32, ok bool) {
	for pos = range f.slots.n {
		if e := f.slots.at(pos); e.id == id && e.phase != done {
			return pos, true
		}
	}
	return 0, false
}

// expect is find for a packet that acknowledges the phase want; fault tells
// why it doesn't.
func (f *inflight) expect(id uint16, want phase) (pos uint32, fault mqtt.ReasonCode) {
	pos, ok := f.find(id)
	if !ok {
		return 0, mqtt.PacketIdentifierNotFound
	}
	if f.slots.at(pos).phase != want {
		return pos, mqtt.PacketIdentifierInUse
	}
	return pos, mqtt.Success
}

// end takes the flight at pos out and frees its identifier.
func (f *inflight) end(pos uint32) {
	if pos < f.slots.n-f.unsent {
		f.sent--
	}
	f.live--
	e := f.slots.at(pos)
	*e = flight{id: e.id}
	for f.slots.n > 0 && f.slots.at(0).phase == done {
		f.slots.pop()
	}
	f.mixed = f.mixed && f.slots.n > 0
	f.unsent = min(f.unsent, f.slots.n)
}

// reconnected makes all flights due for repetition on a new connection.
func (f *inflight) reconnected() { f.sent, f.unsent = 0, f.slots.n }

// repeatable returns the place of the next flight to repeat on the new
// connection and counts it as sent; false if there is none.
func (f *inflight) repeatable() (pos uint32, ok bool) {
	for f.unsent > 0 {
		pos = f.slots.n - f.unsent
		f.unsent--
		if f.slots.at(pos).phase != done {
			f.sent++
			return pos, true
		}
	}
	return 0, false
}
