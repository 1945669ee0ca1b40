package broker

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

var errMovedShort = errors.New("it ends too early")

// movedReader takes a moved session apart; after an error it reads zeros.
type movedReader struct {
	left []byte
	subs []*session.Subscription
	err  error
}

// parseMoved reads what encodeMoved wrote for this client. The result has nothing
// of b's memory.
func parseMoved(id string, b []byte) (*movedSession, error) {
	r := &movedReader{left: b}
	if v := r.byte(); r.err == nil && v != movedVersion {
		r.fail(fmt.Errorf("it has version %d, this program knows version %d", v, movedVersion))
	}
	m := &movedSession{session: *r.session(id)}
	gone := r.session(id)
	for _, all := range [][]durable.Subscription{m.session.Subscriptions, gone.Subscriptions} {
		for _, sub := range all {
			r.subs = append(r.subs, &session.Subscription{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions, ID: sub.ID})
		}
	}
	m.state = r.state(&m.session)
	if r.flag() {
		m.place, m.state.Durable = r.place()
	}
	if r.err == nil && len(r.left) > 0 {
		r.fail(fmt.Errorf("there are %d bytes behind its end", len(r.left)))
	}
	if r.err != nil {
		return nil, fmt.Errorf("the state of a moved session: %w", r.err)
	}
	return m, nil
}

func (r *movedReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.left = nil
}

func (r *movedReader) take(n uint64) []byte {
	if n > uint64(len(r.left)) {
		r.fail(errMovedShort)
		return nil
	}
	b := r.left[:n]
	r.left = r.left[n:]
	return b
}

func (r *movedReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *movedReader) flag() bool { return r.byte() == 1 }

func (r *movedReader) number() uint64 {
	n, size := binary.Uvarint(r.left)
	if size <= 0 {
		r.fail(errMovedShort)
		return 0
	}
	r.left = r.left[size:]
	return n
}

func (r *movedReader) signed() int64 {
	n := r.number()
	return int64(n>>1) ^ -int64(n&1)
}

// below reads a number that is less than bound.
func (r *movedReader) below(bound uint64) uint64 {
	n := r.number()
	if n >= bound {
		r.fail(fmt.Errorf("it has %d where less than %d is possible", n, bound))
		return 0
	}
	return n
}

// count reads how many things follow, each of one byte at least.
func (r *movedReader) count() int { return int(r.below(uint64(len(r.left)) + 1)) }

func (r *movedReader) bytes() []byte { return r.take(r.number()) }

func (r *movedReader) id() uint16 { return uint16(r.below(1 << 16)) }

func (r *movedReader) at() mqtt.At { return mqtt.At{Shard: int(r.below(1 << 16)), Seq: r.number()} }

func (r *movedReader) numbers() []uint64 {
	all := make([]uint64, r.count())
	for i := range all {
		all[i] = r.number()
	}
	return all
}

func (r *movedReader) session(id string) *durable.Session {
	record := r.bytes()
	if r.err != nil {
		return new(durable.Session)
	}
	s, err := durable.ParseSession(id, record)
	if err != nil {
		r.fail(err)
		return new(durable.Session)
	}
	return s
}

func (r *movedReader) state(s *durable.Session) *session.State {
	st := &session.State{Created: s.Created, OfflineAt: s.OfflineAt, ExpiryInterval: s.ExpiryInterval, Subscriptions: r.subs[:len(s.Subscriptions)]}
	if s.Will != nil {
		st.Will = &session.Will{Msg: s.Will.Message, Delay: s.Will.Delay}
	}
	st.LastID = r.id()
	st.Inflight = make([]session.InflightState, r.count())
	for i := range st.Inflight {
		st.Inflight[i] = session.InflightState{ID: r.id(), SentAt: r.signed(), Delivery: r.delivery()}
	}
	st.Queue = make([]session.Delivery, r.count())
	for i := range st.Queue {
		st.Queue[i] = r.delivery()
	}
	st.AwaitingRel = make([]session.AwaitingState, r.count())
	for i := range st.AwaitingRel {
		st.AwaitingRel[i] = session.AwaitingState{ID: r.id(), Since: r.signed()}
	}
	t := &st.Tally
	t.Delivered, t.Queued, t.Forgotten = r.number(), r.number(), r.number()
	copy(t.Dropped[:], r.numbers()) // another version may know other reasons
	return st
}

func (r *movedReader) delivery() session.Delivery {
	head := r.byte()
	d := session.Delivery{QoS: mqtt.QoS(head & movedQoS), Retain: head&movedRetain != 0}
	if n := r.below(uint64(len(r.subs)) + 1); n > 0 {
		d.Sub = r.subs[n-1]
	}
	if head&movedMessage == 0 || r.err != nil {
		return d
	}
	var at mqtt.At
	if head&movedLogged != 0 {
		at = r.at()
	}
	name, record := string(r.bytes()), r.bytes()
	if r.err != nil {
		return d
	}
	m, err := durable.ParseMessage(at, name, record)
	if err != nil {
		r.fail(err)
		return d
	}
	d.Msg = m.Message
	return d
}

func (r *movedReader) place() (*movedPlace, *session.DurableState) {
	p := &movedPlace{epoch: r.number(), chunks: int(r.below(1 << 20)), layout: uint32(r.below(1 << 32)), missed: r.signed(), cut: r.flag()}
	d := &session.DurableState{Read: r.numbers(), LastFlow: r.number()}
	d.Flows = make([]session.FlowState, r.count())
	for i := range d.Flows {
		d.Flows[i] = session.FlowState{ID: r.id(), Num: r.number(), From: r.at(), Logged: r.flag()}
	}
	return p, d
}
