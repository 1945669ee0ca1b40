package session

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// State is all of a session that has to move to another process with its
// messages. What a durable session leaves when its process ends is its record, see
// Save; to move while it lives it has a State as well. It encodes with
// encoding/gob without loss, and with encoding/json if its strings are valid
// UTF-8, which they are unless a zone tolerates others.
//
// What it points to is shared with the session and must not be changed.
type State struct {
	Created        int64 // Unix milliseconds
	OfflineAt      int64 // Unix milliseconds; 0 if the client was connected
	ExpiryInterval uint32
	Will           *Will
	Subscriptions  []*Subscription // by filter
	LastID         uint16          // the packet identifier used last
	Inflight       []InflightState // in the order of their sending
	Queue          []Delivery      // per priority in the order of their coming
	AwaitingRel    []AwaitingState // by identifier
	Tally          Tally
	Durable        *DurableState // nil: the session is not durable
}

// DurableState is what a durable session has beside.
type DurableState struct {
	Read     []uint64 // by shard, see Session.Read
	LastFlow uint64
	Flows    []FlowState // by their numbers
}

// FlowState is one of AwaitingRel whose message was for the log.
type FlowState struct {
	ID     uint16
	Num    uint64
	From   mqtt.At
	Logged bool // else it is in doubt, see Session.Doubtful
}

// InflightState is one delivery in flight. Without Msg it is at QoS 2 and has
// its PUBREC already.
type InflightState struct {
	ID     uint16
	SentAt int64 // Unix milliseconds
	Delivery
}

// AwaitingState is one QoS 2 message received and not yet released.
type AwaitingState struct {
	ID    uint16
	Since int64 // Unix milliseconds
}

// State returns the session's state as it is now.
func (s *Session) State() *State {
	st := &State{
		Created: s.created, OfflineAt: s.offlineAt, ExpiryInterval: s.expiry,
		Will: s.will, LastID: s.flights.lastID, Tally: s.Tally(),
	}
	if s.online {
		st.OfflineAt = 0
	}
	st.Subscriptions = slices.SortedFunc(s.subs.all, func(a, b *Subscription) int {
		return strings.Compare(a.Filter, b.Filter)
	})
	for i := range s.flights.slots.n {
		switch e := s.flights.slots.at(i); {
		case e.phase == done:
		case e.phase.held():
			st.Queue = append(st.Queue, e.delivery())
		case e.phase.released():
			st.Inflight = append(st.Inflight, InflightState{e.id, e.sentAt, Delivery{QoS: 2, Retain: e.retain}})
		default:
			st.Inflight = append(st.Inflight, InflightState{e.id, e.sentAt, e.delivery()})
		}
	}
	if s.queue != nil {
		for i := range s.queue.levels {
			waiting := &s.queue.levels[i].waiting
			for j := range waiting.n {
				st.Queue = append(st.Queue, *waiting.at(j))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.awaiting)) {
		st.AwaitingRel = append(st.AwaitingRel, AwaitingState{id, s.awaiting[id]})
	}
	if s.Durable() {
		st.Durable = s.lasts().state()
	}
	return st
}

func (d *durable) state() *DurableState {
	st := &DurableState{Read: slices.Clone(d.read), LastFlow: d.lastFlow}
	for id, f := range d.flows {
		if !f.leaving() {
			st.Flows = append(st.Flows, FlowState{id, f.num, f.from, f.phase == flowLogged})
		}
	}
	slices.SortFunc(st.Flows, func(a, b FlowState) int { return cmp.Compare(a.Num, b.Num) })
	return st
}

// Restore makes a session from a state, which it takes over. The client is
// offline; if it was connected (OfflineAt is 0) the caller calls Disconnected,
// and only then the expiry runs. The mqueue's bounds apply from the next
// message on. The error says what in st can't be.
func Restore(cfg *Config, st *State) (*Session, error) {
	s := New(cfg, st.Created)
	s.offlineAt, s.expiry, s.will = st.OfflineAt, st.ExpiryInterval, st.Will
	s.restoreTally(st.Tally)
	if s.will != nil {
		if s.will.Msg == nil {
			return nil, errors.New("session state: the will has no message")
		}
		s.will.Msg = s.will.Msg.Keep()
	}
	shared := make(map[Subscription]*Subscription)
	for i, sub := range st.Subscriptions {
		if sub == nil || s.subs.get(sub.Filter) != nil {
			return nil, fmt.Errorf("session state: subscription %d is empty or there twice", i)
		}
		s.subs.set(sub)
		shared[*sub] = sub
	}
	if err := s.restoreInflight(st, shared); err != nil {
		return nil, err
	}
	for i, d := range st.Queue {
		if d.Msg == nil || d.QoS > 2 {
			return nil, fmt.Errorf("session state: queued delivery %d has no message or QoS %d", i, d.QoS)
		}
		if s.queue == nil {
			s.queue = new(mqueue)
		}
		d.Msg, d.Sub = d.Msg.Keep(), share(shared, d.Sub)
		s.queue.push(s.queue.level(cfg.rank(d.Msg.Topic)), d)
	}
	for _, a := range st.AwaitingRel {
		if a.ID == 0 {
			return nil, errors.New("session state: a message awaiting release has packet identifier 0")
		}
		if s.awaiting == nil {
			s.awaiting = make(map[uint16]int64, len(st.AwaitingRel))
		}
		s.awaiting[a.ID] = a.Since
	}
	return s, s.restoreDurable(st.Durable)
}

// restoreDurable makes the session durable if st is of one. What goes out next at
// QoS 2 waits for a save here.
func (s *Session) restoreDurable(st *DurableState) error {
	if st == nil {
		return nil
	}
	s.flights.ways.set(lasting, true)
	d := &durable{lastFlow: st.LastFlow, read: slices.Clone(st.Read)}
	s.rarely().durable = d
	for i := range s.flights.slots.n {
		if e := s.flights.slots.at(i); e.phase == awaitPubcomp {
			e.phase = holdPubrel
		}
	}
	for _, f := range st.Flows {
		if _, received := s.awaiting[f.ID]; !received || d.flows[f.ID] != nil {
			return fmt.Errorf("session state: the message with packet identifier %d was not received, or is there twice", f.ID)
		}
		if d.flows == nil {
			d.flows = make(map[uint16]*flow)
		}
		d.flows[f.ID] = &flow{num: f.Num, from: f.From, phase: flowDoubtful}
		if f.Logged {
			d.flows[f.ID].phase = flowLogged
		}
	}
	s.want()
	return nil
}

func (s *Session) restoreInflight(st *State, shared map[Subscription]*Subscription) error {
	f := &s.flights
	var used identifiers
	for i, in := range st.Inflight {
		e := flight{sub: share(shared, in.Sub), sentAt: in.SentAt, id: in.ID, retain: in.Retain}
		switch {
		case in.QoS == 1 && in.Msg != nil:
			e.phase = awaitPuback
		case in.QoS == 2 && in.Msg != nil:
			e.phase = awaitPubrec
		case in.QoS == 2:
			e.phase = awaitPubcomp
		default:
			return fmt.Errorf("session state: delivery %d in flight has QoS %d, want 1 or 2, or no message", i, in.QoS)
		}
		if in.Msg != nil {
			e.msg = in.Msg.Keep()
		}
		if !used.take(in.ID) {
			return fmt.Errorf("session state: delivery %d in flight has packet identifier %d, which is 0 or another one's", i, in.ID)
		}
		f.add(e)
	}
	f.resume(st.LastID)
	return nil
}

// identifiers is a set of packet identifiers.
type identifiers [65536 / 64]uint64

// take puts one in; false: it is 0 or in already.
func (s *identifiers) take(id uint16) bool {
	word, bit := &s[id/64], uint64(1)<<(id%64)
	free := id != 0 && *word&bit == 0
	*word |= bit
	return free
}

// resume goes on behind the identifier that was used last. With all flights in
// their cyclic order that is the last one's or one behind it.
func (f *inflight) resume(lastID uint16) {
	if f.slots.n > 0 && lastID != f.lastID {
		first := f.slots.at(0).id
		f.mixed = f.mixed || lastID == 0 || distance(first, lastID) < distance(first, f.lastID)
	}
	f.lastID = lastID
}

// share returns the subscription that is equal to sub and was seen first, so
// that restored deliveries don't hold a copy each.
func share(seen map[Subscription]*Subscription, sub *Subscription) *Subscription {
	if sub == nil {
		return nil
	}
	if first := seen[*sub]; first != nil {
		return first
	}
	seen[*sub] = sub
	return sub
}
