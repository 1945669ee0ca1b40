package broker

import (
	"encoding/binary"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// moved is a session on its way from one node to another.
type movedSession struct {
	session durable.Session // with all subscriptions
	state   *session.State  // its subscriptions and will are the session's
	place   *movedPlace     // nil: it is not durable
}

// movedPlace is what a durable session has in the log and the maps.
type movedPlace struct {
	epoch  uint64
	chunks int
	layout uint32
	missed int64
	cut    bool
}

// A moved session, all numbers varints:
//
//	version (1) · record of the session · subscriptions that are gone and that
//	deliveries are for · packet identifier used last · deliveries in flight ·
//	deliveries that wait · messages to be released · counts ·
//	1 if it is durable: its place · positions · flows
//
// A delivery names its subscription by its place among both kinds, from 1; 0 is
// none.
const movedVersion = 1

const (
	movedQoS     = 0b11
	movedRetain  = 1 << 2
	movedMessage = 1 << 3
	movedLogged  = 1 << 4
)

// movedWriter writes one.
type movedWriter struct {
	dst  []byte
	subs map[session.Subscription]uint64
}

func encodeMoved(m *movedSession) []byte {
	w := &movedWriter{dst: []byte{movedVersion}, subs: make(map[session.Subscription]uint64)}
	w.bytes(durable.AppendSession(nil, &m.session))
	st := m.state
	for _, sub := range m.session.Subscriptions {
		w.subs[session.Subscription{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions, ID: sub.ID}] = uint64(len(w.subs)) + 1
	}
	gone := durable.Session{}
	note := func(d *session.Delivery) {
		if d.Sub != nil && w.subs[*d.Sub] == 0 {
			w.subs[*d.Sub] = uint64(len(w.subs)) + 1
			gone.Subscriptions = append(gone.Subscriptions, durable.Subscription{Filter: d.Sub.Filter, SubscribeOptions: d.Sub.SubscribeOptions, ID: d.Sub.ID})
		}
	}
	for i := range st.Inflight {
		note(&st.Inflight[i].Delivery)
	}
	for i := range st.Queue {
		note(&st.Queue[i])
	}
	w.bytes(durable.AppendSession(nil, &gone))
	w.state(st)
	w.place(m)
	return w.dst
}

func (w *movedWriter) number(n uint64) { w.dst = binary.AppendUvarint(w.dst, n) }
func (w *movedWriter) signed(n int64)  { w.dst = binary.AppendVarint(w.dst, n) }
func (w *movedWriter) count(n int)     { w.number(uint64(n)) }

func (w *movedWriter) bytes(b []byte) {
	w.count(len(b))
	w.dst = append(w.dst, b...)
}

func (w *movedWriter) numbers(all []uint64) {
	w.count(len(all))
	for _, n := range all {
		w.number(n)
	}
}

func (w *movedWriter) at(at mqtt.At) {
	w.count(at.Shard)
	w.number(at.Seq)
}

func (w *movedWriter) flag(is bool) {
	if is {
		w.dst = append(w.dst, 1)
	} else {
		w.dst = append(w.dst, 0)
	}
}

func (w *movedWriter) state(st *session.State) {
	w.number(uint64(st.LastID))
	w.count(len(st.Inflight))
	for i := range st.Inflight {
		in := &st.Inflight[i]
		w.number(uint64(in.ID))
		w.signed(in.SentAt)
		w.delivery(&in.Delivery)
	}
	w.count(len(st.Queue))
	for i := range st.Queue {
		w.delivery(&st.Queue[i])
	}
	w.count(len(st.AwaitingRel))
	for _, a := range st.AwaitingRel {
		w.number(uint64(a.ID))
		w.signed(a.Since)
	}
	w.number(st.Tally.Delivered)
	w.number(st.Tally.Queued)
	w.number(st.Tally.Forgotten)
	w.numbers(st.Tally.Dropped[:])
}

func (w *movedWriter) delivery(d *session.Delivery) {
	head := byte(d.QoS) & movedQoS
	if d.Retain {
		head |= movedRetain
	}
	if d.Msg != nil {
		head |= movedMessage
		if !d.Msg.At().Zero() {
			head |= movedLogged
		}
	}
	w.dst = append(w.dst, head)
	if d.Sub != nil {
		w.number(w.subs[*d.Sub])
	} else {
		w.number(0)
	}
	if d.Msg == nil {
		return
	}
	if head&movedLogged != 0 {
		w.at(d.Msg.At())
	}
	w.bytes([]byte(d.Msg.Topic))
	w.bytes(durable.AppendMessage(nil, durable.Message{Message: d.Msg}))
}

func (w *movedWriter) place(m *movedSession) {
	r, d := m.place, m.state.Durable
	w.flag(r != nil && d != nil)
	if r == nil || d == nil {
		return
	}
	w.number(r.epoch)
	w.count(r.chunks)
	w.number(uint64(r.layout))
	w.signed(r.missed)
	w.flag(r.cut)
	w.numbers(d.Read)
	w.number(d.LastFlow)
	w.count(len(d.Flows))
	for _, f := range d.Flows {
		w.number(uint64(f.ID))
		w.number(f.Num)
		w.at(f.From)
		w.flag(f.Logged)
	}
}
