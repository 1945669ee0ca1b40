package broker

import (
	"fmt"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// movedReader takes a moved session apart; after an error it reads zeros.
type movedReader struct {
	fields.Reader
	subs []*session.Subscription
}

// parseMoved reads what encodeMoved wrote for this client. The result has nothing
// of b's memory.
func parseMoved(id string, b []byte) (*movedSession, error) {
	r := &movedReader{Reader: fields.Reader{Left: b}}
	r.Version(movedVersion)
	m := &movedSession{session: *r.session(id)}
	gone := r.session(id)
	for _, all := range [][]durable.Subscription{m.session.Subscriptions, gone.Subscriptions} {
		for _, sub := range all {
			r.subs = append(r.subs, &session.Subscription{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions, ID: sub.ID})
		}
	}
	m.state = r.state(&m.session)
	if r.Flag() {
		m.place, m.state.Durable = r.place()
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("the state of a moved session: %w", err)
	}
	return m, nil
}

func (r *movedReader) id() uint16 { return uint16(r.Below(1<<16, "a packet identifier")) }

func (r *movedReader) at() mqtt.At {
	return mqtt.At{Shard: int(r.Below(1<<16, "a shard")), Seq: r.Number()}
}

func (r *movedReader) numbers() []uint64 {
	all := make([]uint64, r.Count())
	for i := range all {
		all[i] = r.Number()
	}
	return all
}

func (r *movedReader) session(id string) *durable.Session {
	record := r.Bytes()
	if r.Err != nil {
		return new(durable.Session)
	}
	s, err := durable.ParseSession(id, record)
	if err != nil {
		r.Fail(err)
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
	st.Inflight = make([]session.InflightState, r.Count())
	for i := range st.Inflight {
		st.Inflight[i] = session.InflightState{ID: r.id(), SentAt: r.Signed(), Delivery: r.delivery()}
	}
	st.Queue = make([]session.Delivery, r.Count())
	for i := range st.Queue {
		st.Queue[i] = r.delivery()
	}
	st.AwaitingRel = make([]session.AwaitingState, r.Count())
	for i := range st.AwaitingRel {
		st.AwaitingRel[i] = session.AwaitingState{ID: r.id(), Since: r.Signed()}
	}
	t := &st.Tally
	t.Delivered, t.Queued, t.Forgotten = r.Number(), r.Number(), r.Number()
	copy(t.Dropped[:], r.numbers()) // another version may know other reasons
	return st
}

func (r *movedReader) delivery() session.Delivery {
	head := r.Byte()
	d := session.Delivery{QoS: mqtt.QoS(head & movedQoS), Retain: head&movedRetain != 0}
	if n := r.Below(uint64(len(r.subs))+1, "the subscription of a delivery"); n > 0 {
		d.Sub = r.subs[n-1]
	}
	if head&movedMessage == 0 || r.Err != nil {
		return d
	}
	var at mqtt.At
	if head&movedLogged != 0 {
		at = r.at()
	}
	name, record := r.Text(), r.Bytes()
	if r.Err != nil {
		return d
	}
	m, err := durable.ParseMessage(at, name, record)
	if err != nil {
		r.Fail(err)
		return d
	}
	d.Msg = m.Message
	return d
}

func (r *movedReader) place() (*movedPlace, *session.DurableState) {
	p := &movedPlace{epoch: r.Number(), chunks: int(r.Below(1<<20, "the number of its parts")), layout: uint32(r.Below(1<<32, "their layout")), missed: r.Signed(), cut: r.Flag()}
	d := &session.DurableState{Read: r.numbers(), LastFlow: r.Number()}
	d.Flows = make([]session.FlowState, r.Count())
	for i := range d.Flows {
		d.Flows[i] = session.FlowState{ID: r.id(), Num: r.Number(), From: r.at(), Logged: r.Flag()}
	}
	return p, d
}
