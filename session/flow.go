package session

import (
	"cmp"
	"slices"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Flow is a QoS 2 message from the client of a durable session on its way into
// the log.
type Flow struct {
	ID      uint16          // packet identifier
	Num     uint64          // tells it from all other messages that the client has sent or will send under ID
	From    mqtt.At         // it isn't in the log before here
	Refused mqtt.ReasonCode // in the result of Saved: what PUBREC has to say; Success: the message may be appended
}

type flowPhase uint8

const (
	flowHeld         flowPhase = iota // a save that has it is still to begin
	flowSaving                        // one has begun
	flowDoubtful                      // it may be in the log or not
	flowLogged                        // it is
	flowLeaving                       // it ends; a save without it is still to begin
	flowLeavingSaved                  // one has begun
)

type flow struct {
	num    uint64
	from   mqtt.At
	phase  flowPhase
	code   mqtt.ReasonCode // why it was refused
	answer bool            // the client waits, on the present connection, to be told that it has ended
}

func (f *flow) leaving() bool { return f.phase >= flowLeaving }
func (f *flow) refused() bool { return f.leaving() && f.code != mqtt.Success }

// Await says that the message that was just Received has to go to the log. The
// caller appends it, with the identifier and the number returned as its
// origin, when Saved returns them, and then calls Appended or Refuse. from is
// a position that is not behind where the message will come to stand. The
// number is 0 for a session that isn't durable: then nothing has to wait.
func (s *Session) Await(id uint16, from mqtt.At) (num uint64) {
	if _, received := s.awaiting[id]; !received || !s.Durable() {
		return 0
	}
	d := s.lasts()
	if d.flows == nil {
		d.flows = make(map[uint16]*flow)
	}
	d.lastFlow++
	d.flows[id] = &flow{num: d.lastFlow, from: from}
	s.want()
	return d.lastFlow
}

// Appended notes that the message is in the log; the caller answers with
// PUBREC, on whatever connection the client has now. False: the session knows
// nothing of it any more.
func (s *Session) Appended(id uint16, num uint64) bool {
	f := s.flow(id)
	if f == nil || f.num != num || f.phase != flowDoubtful {
		return false
	}
	f.phase = flowLogged
	s.change()
	return true
}

// Refuse ends a message that is certainly not in the log and won't be: Saved
// tells when the client may hear of it, as its identifier is free then
// [MQTT-4.3.3-9]. If nobody knows whether it is in the log, the caller must
// not call Refuse, but leave it Unresolved and end the connection.
func (s *Session) Refuse(id uint16, num uint64, code mqtt.ReasonCode) {
	if f := s.flow(id); f != nil && f.num == num && !f.leaving() {
		s.leave(id, f, s.online)
		f.code = code
	}
}

// Missing ends a message of which the caller has found that it isn't in the
// log and won't be: when the client sends it again it is a new one.
func (s *Session) Missing(id uint16, num uint64) {
	if f := s.flow(id); f != nil && f.num == num && !f.leaving() {
		delete(s.lasts().flows, id)
		delete(s.awaiting, id)
		s.change()
	}
}

// Forgo lets a message that wasn't given to the log go its way without it: its
// identifier is awaited in memory only, and the caller answers at once. A record
// that has it says nothing wrong, because the log doesn't have the message.
func (s *Session) Forgo(id uint16, num uint64) {
	if f := s.flow(id); f != nil && f.num == num && f.phase < flowDoubtful {
		delete(s.lasts().flows, id)
		s.change()
	}
}

// Unresolved reports whether a message that was Received under this identifier
// has no answer yet: PUBREC comes after Appended or Saved, and a repetition
// gets none of its own.
func (s *Session) Unresolved(id uint16) bool {
	f := s.flow(id)
	return f != nil && (f.phase < flowLogged || f.refused())
}

// Doubtful lists, by their numbers, the messages that may be in the log or
// not: those whose appending is under way or ended without an answer, and after
// Load those that it was under way for when the record was saved. For the
// latter the caller looks into the log and calls Appended or Missing before
// the client connects.
func (s *Session) Doubtful() (flows []Flow) {
	d := s.lasts()
	if d == nil {
		return nil
	}
	for id, f := range d.flows {
		if f.phase == flowDoubtful {
			flows = append(flows, Flow{ID: id, Num: f.num, From: f.from})
		}
	}
	slices.SortFunc(flows, byNumber)
	return flows
}

func byNumber(a, b Flow) int { return cmp.Compare(a.Num, b.Num) }

// leave takes a message out of the record; it is gone when that is saved.
func (s *Session) leave(id uint16, f *flow, answer bool) {
	delete(s.awaiting, id)
	f.phase, f.answer = flowLeaving, answer
	s.want()
}

// releaseFlow is Released for a message that went to the log. False: the client
// releases what it has no PUBREC for.
func (s *Session) releaseFlow(id uint16, f *flow) bool {
	switch {
	case f.phase == flowLogged:
		s.leave(id, f, true)
	case f.leaving() && !f.refused():
		f.answer = true
	default:
		return false
	}
	return true
}

// forgetFlow ends a message whose PUBREL is overdue. False: it isn't even in
// the log.
func (s *Session) forgetFlow(id uint16, f *flow) bool {
	if f.phase != flowLogged {
		return false
	}
	s.leave(id, f, false)
	return true
}

// flowsSaved is Saved for the messages from the client.
func (s *Session) flowsSaved(out Sender) []Flow {
	d := s.lasts()
	d.cleared = d.cleared[:0]
	for id, f := range d.flows {
		switch f.phase {
		case flowSaving:
			f.phase = flowDoubtful
			d.cleared = append(d.cleared, Flow{ID: id, Num: f.num, From: f.from})
		case flowLeavingSaved:
			delete(d.flows, id)
			switch {
			case !f.answer || !s.online:
			case f.refused():
				d.cleared = append(d.cleared, Flow{ID: id, Num: f.num, From: f.from, Refused: f.code})
			default:
				out.Ack(mqtt.TypePubcomp, id, mqtt.Success)
			}
		}
	}
	slices.SortFunc(d.cleared, byNumber)
	return d.cleared
}

// hangUp notes that the connection has ended on which answers were waited for.
func (s *Session) hangUp() {
	if d := s.lasts(); d != nil {
		for _, f := range d.flows {
			f.answer = false
		}
	}
}

// forgetFlows ends them all; those that may not be in the log are received
// anew when the client repeats them.
func (s *Session) forgetFlows() {
	d := s.lasts()
	if d == nil {
		return
	}
	for id, f := range d.flows {
		if f.phase < flowLogged {
			delete(s.awaiting, id)
		}
	}
	d.flows = nil
}
