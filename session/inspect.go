package session

// InFlight is one delivery that has a place in the window.
type InFlight struct {
	Delivery        // without message once PUBREC has come, or while it is Pending
	ID       uint16 // packet identifier
	Sent     int64  // for the first time, Unix milliseconds
	Released bool   // PUBREC has come, and PUBCOMP is waited for
	Held     bool   // not sent yet, see Session.Held
}

// InflightPage returns the deliveries in flight from the one numbered from on,
// at most limit of them, in the order in which they were sent. Their messages
// are shared and must not be changed. It takes as long as the window is large.
func (s *Session) InflightPage(from, limit int) (some []InFlight) {
	n := 0
	for i := range s.flights.slots.n {
		e := s.flights.slots.at(i)
		if e.phase == done {
			continue
		}
		if len(some) == limit {
			break
		}
		if n >= from {
			in := InFlight{e.delivery(), e.id, e.firstSent(), e.phase.released(), e.phase.held()}
			if in.Released || isPlaceholder(in.Msg) {
				in.Msg = nil
			}
			some = append(some, in)
		}
		n++
	}
	return some
}

// Waiting is one delivery in the mqueue.
type Waiting struct {
	Delivery
	Priority int // of its topic; those of a higher one get more turns
}

// QueuePage returns the deliveries that wait from the one numbered from on, at
// most limit of them: the higher priority first, in each the older one. Their
// messages are shared and must not be changed. It takes as long as the page is.
func (s *Session) QueuePage(from, limit int) (some []Waiting) {
	if s.queue == nil {
		return nil
	}
	for i := range s.queue.levels {
		l := &s.queue.levels[i]
		n := int(l.waiting.n)
		for ; from < n && len(some) < limit; from++ {
			some = append(some, Waiting{*l.waiting.at(uint32(from)), int(l.rank)})
		}
		from = max(from-n, 0)
	}
	return some
}

// EachLogged calls f for each delivery from the log that isn't done with, in flight
// without PUBREC or queued, in the order of sending. f must not call the session.
func (s *Session) EachLogged(f func(Delivery)) {
	for i := range s.flights.slots.n {
		if e := s.flights.slots.at(i); e.phase != done && !e.phase.released() && e.msg != nil && !e.msg.At().Zero() {
			f(e.delivery())
		}
	}
	if s.queue == nil {
		return
	}
	for i := range s.queue.levels {
		waiting := &s.queue.levels[i].waiting
		for j := range waiting.n {
			if d := waiting.at(j); !d.Msg.At().Zero() {
				f(*d)
			}
		}
	}
}
