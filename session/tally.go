package session

// Tally counts what became of the deliveries of one session since it was made.
// At every step, for those that the caller gave to Deliver or to Drop,
//
//	given = Delivered + Session.Queued() + Session.Held() + Σ Dropped + queued ones taken by Surrender
type Tally struct {
	Delivered uint64                   // first handed to a connection
	Queued    uint64                   // put into the mqueue or held, whatever became of them
	Dropped   [Unsubscribed + 1]uint64 // by Drop
	Forgotten uint64                   // QoS 2 messages of the client whose PUBREL didn't come in time
}

// Lost is the sum of Dropped but for NoLocal: what the client would have got.
func (t *Tally) Lost() (n uint64) {
	for why, dropped := range t.Dropped {
		if Drop(why) != NoLocal {
			n += dropped
		}
	}
	return n
}

// Tally returns the counts as they are now.
func (s *Session) Tally() Tally {
	var t Tally
	if s.rare != nil {
		t = s.rare.Tally
	}
	t.Delivered = s.delivered
	return t
}

// count is the part of the tally that most sessions never need.
func (s *Session) count() *Tally { return &s.rarely().Tally }

// rare is what most sessions never need.
type rare struct {
	Tally
	durable *durable // nil until the session became durable
}

func (s *Session) rarely() *rare {
	if s.rare == nil {
		s.rare = new(rare)
	}
	return s.rare
}

// CountDropped books deliveries that never came to the session, because they
// wait in the broker's log: n that the client won't get, and Tally has.
func (s *Session) CountDropped(why Drop, n uint64) { s.count().Dropped[why] += n }

func (s *Session) restoreTally(t Tally) {
	s.delivered = t.Delivered
	if t != (Tally{Delivered: t.Delivered}) {
		*s.count() = t
	}
}
