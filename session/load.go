package session

import "github.com/dunlin-mq/dunlin/mqtt"

// placeholder stands for a message of the log until Fill; no message there has
// an empty topic.
func placeholder(at mqtt.At) *mqtt.Message {
	m := new(mqtt.Message)
	m.SetAt(at)
	return m.Own()
}

func isPlaceholder(m *mqtt.Message) bool { return m != nil && m.Topic == "" && !m.At().Zero() }

// Pending lists where in the log the messages are that a loaded session needs
// before it can be connected, in the order of sending; one may be there more
// than once. It is empty for any other session.
func (s *Session) Pending() (all []mqtt.At) {
	for i := range s.flights.slots.n {
		if e := s.flights.slots.at(i); isPlaceholder(e.msg) {
			all = append(all, e.msg.At())
		}
	}
	if s.queue == nil {
		return all
	}
	for i := range s.queue.levels {
		waiting := &s.queue.levels[i].waiting
		for j := range waiting.n {
			if d := waiting.at(j); isPlaceholder(d.Msg) {
				all = append(all, d.Msg.At())
			}
		}
	}
	return all
}

// Fill gives a loaded session the messages that Pending lists; find returns
// nil for one that the log has no more. A delivery in flight without its
// message ends: at QoS 1 at once, at QoS 2 with the PUBREL that frees its
// identifier at the client. A queued one is dropped.
func (s *Session) Fill(find func(mqtt.At) *mqtt.Message, out Sender) {
	f := &s.flights
	for i := uint32(0); i < f.slots.n; {
		n := f.slots.n
		if e := f.slots.at(i); isPlaceholder(e.msg) {
			if m := find(e.msg.At()); m != nil {
				e.msg = m.Keep()
			} else if s.change(); e.phase == awaitPuback {
				f.end(i)
			} else {
				e.phase, e.msg, e.sub = awaitPubcomp, nil, nil
			}
		}
		if f.slots.n == n {
			i++
		}
	}
	old := s.queue
	if old == nil {
		return
	}
	s.queue = nil
	for i := range old.levels {
		for l := &old.levels[i]; l.waiting.n > 0; {
			d := l.waiting.pop()
			if isPlaceholder(d.Msg) {
				m := find(d.Msg.At())
				if m == nil {
					s.change()
					s.drop(d, LogRetention, out)
					continue
				}
				d.Msg = m.Keep()
			}
			s.requeue(d)
		}
	}
}

// requeue puts a delivery back into the queue, whatever its bounds.
func (s *Session) requeue(d Delivery) {
	if s.queue == nil {
		s.queue = new(mqueue)
	}
	s.queue.push(s.queue.level(s.cfg.rank(d.Msg.Topic)), d)
}
