package session

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// The record of a durable session's state, all numbers varints:
//
//	version · when the session was created · last packet identifier ·
//	how many flows there were · shards, and for each the position that is read next ·
//	flights in their order · 0 · queued deliveries in their order · 0 ·
//	messages from the client · 0
//
//	delivery: head (1) · packet identifier, of flights · filter, if new ·
//	          shard and how far before the position read next, if it is logged
//	message:  packet identifier · when it came · last flow number − its own ·
//	          1 if it is logged · shard and position it isn't before
//
// The head has the QoS, which isn't 0, flags, and which of the filters seen
// last it is for. Of a delivery that isn't in the log only its identifier at
// QoS 2 is there, as one that the client has to release.
const recordVersion = 1

const (
	headQoS      = 0b11
	headRetain   = 1 << 2
	headReleased = 1 << 3 // PUBREC has come, or the message can't be had again
	headFilter   = 5      // shift
	headFilters  = 7      // how many filters are remembered; this one is new
)

// filterNames are those that a record has named last.
type filterNames struct {
	recent [headFilters]string
	next   int
}

// place is where the filter is remembered; headFilters: it was not, now it is.
func (f *filterNames) place(filter string) byte {
	for i := range f.recent {
		if f.recent[i] == filter && filter != "" {
			return byte(i)
		}
	}
	f.remember(filter)
	return headFilters
}

func (f *filterNames) remember(filter string) {
	f.recent[f.next] = filter
	f.next = (f.next + 1) % headFilters
}

func (s *Session) appendRecord(dst []byte) []byte {
	d := s.lasts()
	dst = append(dst, recordVersion)
	dst = binary.AppendVarint(dst, s.created)
	dst = binary.AppendUvarint(dst, uint64(s.flights.lastID))
	dst = binary.AppendUvarint(dst, d.lastFlow-s.firstFlow())
	dst = binary.AppendUvarint(dst, uint64(len(d.read)))
	for _, next := range d.read {
		dst = binary.AppendUvarint(dst, next)
	}
	var seen filterNames
	for i := range s.flights.slots.n {
		e := s.flights.slots.at(i)
		switch logged := e.msg != nil && !e.msg.At().Zero(); {
		case e.phase == done || e.phase == awaitPuback && !logged:
		case e.phase.released() || !logged:
			dst = append(dst, 2|headReleased)
			dst = binary.AppendUvarint(dst, uint64(e.id))
		default:
			dst = s.appendDelivery(dst, e.delivery(), e.id, &seen)
		}
	}
	dst = append(dst, 0)
	if s.queue != nil {
		for i := range s.queue.levels {
			waiting := &s.queue.levels[i].waiting
			for j := range waiting.n {
				if d := waiting.at(j); d.QoS > 0 && !d.Msg.At().Zero() {
					dst = s.appendDelivery(dst, *d, 0, &seen)
				}
			}
		}
	}
	return s.appendFlows(append(dst, 0))
}

func (s *Session) appendDelivery(dst []byte, d Delivery, id uint16, seen *filterNames) []byte {
	filter := ""
	if d.Sub != nil {
		filter = d.Sub.Filter
	}
	at := seen.place(filter)
	head := byte(d.QoS) | at<<headFilter
	if d.Retain {
		head |= headRetain
	}
	dst = append(dst, head)
	if id != 0 {
		dst = binary.AppendUvarint(dst, uint64(id))
	}
	if at == headFilters {
		dst = fields.AppendText(dst, filter)
	}
	dst = binary.AppendUvarint(dst, uint64(int(d.Msg.LogShard)))
	return binary.AppendVarint(dst, int64(s.Read(int(d.Msg.LogShard))-d.Msg.LogSeq))
}

func (s *Session) appendFlows(dst []byte) []byte {
	d := s.lasts()
	for id, f := range d.flows {
		if f.leaving() {
			continue
		}
		logged := byte(0)
		if f.phase == flowLogged {
			logged = 1
		}
		dst = binary.AppendUvarint(dst, uint64(id))
		dst = binary.AppendVarint(dst, s.awaiting[id])
		dst = binary.AppendUvarint(dst, d.lastFlow-f.num)
		dst = append(dst, logged)
		dst = binary.AppendUvarint(dst, uint64(f.from.Shard))
		dst = binary.AppendUvarint(dst, f.from.Seq)
	}
	return append(dst, 0)
}

// Load fills a new durable session, which has its subscriptions already, from
// the record that Save made of it. The deliveries in it have no messages yet:
// the caller reads those that Pending names from the log, gives them to Fill,
// and only then calls Connected. A record of another session of the client,
// created at another time, which a crash has kept from being deleted, changes
// nothing. The session keeps nothing of record. The error says what is wrong
// with it; the session must not be used then.
func (s *Session) Load(record []byte) error {
	if s.flights.slots.n > 0 || !s.Durable() {
		return errors.New("session record: the session is not new and durable")
	}
	r := &recordReader{Reader: fields.Reader{Left: record}, s: s}
	r.Version(recordVersion)
	if created := r.Signed(); r.Err == nil && created != s.created {
		return nil
	}
	lastID := r.id()
	d := s.lasts()
	d.lastFlow = s.firstFlow() + r.Number()
	d.read = make([]uint64, r.Count())
	for i := range d.read {
		d.read[i] = r.Number()
	}
	r.flights()
	s.flights.resume(lastID)
	r.queue()
	r.flows()
	d.changed, d.wanted = false, false
	if err := r.End(); err != nil {
		return fmt.Errorf("session record: %w", err)
	}
	return nil
}

// recordReader takes a record apart; after an error it reads zeros.
type recordReader struct {
	fields.Reader
	s    *Session
	seen filterNames
	used identifiers
}

func (r *recordReader) id() uint16 { return uint16(r.Below(1<<16, "a packet identifier")) }

func (r *recordReader) at() mqtt.At { return mqtt.At{Shard: int(r.Below(1<<16, "a shard"))} }

func (r *recordReader) flights() {
	for {
		head := r.Byte()
		if head == 0 {
			return
		}
		id := r.id()
		if !r.used.take(id) {
			r.Fail(fmt.Errorf("the packet identifier %d of a delivery is 0 or another one's", id))
			return
		}
		e := flight{id: id, phase: awaitPubcomp, retain: head&headRetain != 0}
		if head&headReleased == 0 {
			d := r.delivery(head)
			if e.msg, e.sub, e.phase = d.Msg, d.Sub, awaitPubrec; d.QoS == 1 {
				e.phase = awaitPuback
			}
		}
		if r.Err != nil {
			return
		}
		r.s.flights.add(e)
	}
}

func (r *recordReader) queue() {
	for {
		head := r.Byte()
		if head == 0 {
			return
		}
		d := r.delivery(head)
		if r.Err != nil {
			return
		}
		r.s.requeue(d)
	}
}

func (r *recordReader) delivery(head byte) Delivery {
	d := Delivery{QoS: mqtt.QoS(head & headQoS), Retain: head&headRetain != 0}
	if d.QoS == 0 || d.QoS > 2 {
		r.Fail(fmt.Errorf("a delivery has QoS %d, want 1 or 2", d.QoS))
	}
	var filter string
	if at := head >> headFilter; at < headFilters {
		filter = r.seen.recent[at]
	} else {
		filter = r.Text()
		r.seen.remember(filter)
	}
	if filter != "" {
		if d.Sub = r.s.subs.get(filter); d.Sub == nil { // the subscription is gone; the message still goes out
			d.Sub = &Subscription{Filter: filter}
		}
	}
	at := r.at()
	at.Seq = r.s.Read(at.Shard) - uint64(r.Signed())
	if r.Err == nil && at.Seq == 0 {
		r.Fail(errors.New("a delivery has the position 0"))
	}
	d.Msg = placeholder(at)
	return d
}

func (r *recordReader) flows() {
	s, d := r.s, r.s.lasts()
	for {
		id := r.id()
		if id == 0 {
			return
		}
		if s.awaiting[id] != 0 || d.flows[id] != nil {
			r.Fail(fmt.Errorf("the message from the client with packet identifier %d is there twice", id))
			return
		}
		since := r.Signed()
		f := &flow{num: d.lastFlow - r.Number(), phase: flowDoubtful}
		if r.Byte() == 1 {
			f.phase = flowLogged
		}
		f.from = r.at()
		f.from.Seq = r.Number()
		if r.Err != nil {
			return
		}
		if d.flows == nil {
			d.flows, s.awaiting = make(map[uint16]*flow), make(map[uint16]int64)
		}
		d.flows[id], s.awaiting[id] = f, since
	}
}
