package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Session is one client's state, which outlives its connections. It is made by
// New or Restore; the zero value is of no use. While nothing is queued or in
// flight it is one object of 144 bytes beside its subscriptions.
type Session struct {
	cfg       *Config
	subs      subscriptions
	queue     *mqueue // nil until something had to wait
	will      *Will
	awaiting  map[uint16]int64 // when each identifier came, Unix milliseconds; nil until there is one
	flights   inflight
	created   int64
	offlineAt int64
	wake      int64  // no later than Tick has something to do; 0 never
	delivered uint64 // handed to a connection for the first time
	rare      *rare  // nil until something had to wait, or was lost, or the session became durable
	expiry    uint32
	window    uint16 // of the present connection
	online    bool
	active    bool // since the last Tick
}

// New makes the session of a client that isn't connected yet. cfg must not
// change afterwards; created and all times are Unix milliseconds.
func New(cfg *Config, created int64) *Session {
	return &Session{cfg: cfg, created: created, offlineAt: created}
}

// SetConfig puts another configuration in force, between two connections. What
// waits already stays, and keeps its rank.
func (s *Session) SetConfig(cfg *Config) { s.cfg = cfg }

// Connected begins a connection, the first one or another. receiveMax is the
// client's Receive Maximum, 0 if it named none. All that is in flight is sent
// again in its old order, PUBLISH with DUP or PUBREL, then the queue is
// drained [MQTT-4.4.0-1]; what exceeds the new connection's window or output
// follows as acknowledgements come and with Drain.
func (s *Session) Connected(receiveMax uint16, out Sender, now int64) {
	s.online = true
	s.window = window(s.cfg.MaxInflight, receiveMax)
	s.flights.reconnected()
	s.Drain(out, now)
}

// window is the smaller of two bounds on the deliveries in flight, each of
// them 65535 when it is zero [MQTT-3.3.4-9].
func window(maxInflight int, receiveMax uint16) uint16 {
	const most = 65535
	if receiveMax == 0 {
		receiveMax = most
	}
	if maxInflight <= 0 || maxInflight > most {
		maxInflight = most
	}
	return min(uint16(maxInflight), receiveMax)
}

// Disconnected ends the connection; from now on the expiry interval runs.
func (s *Session) Disconnected(now int64) {
	s.online = false
	s.offlineAt = now
	s.hangUp()
	s.trim()
}

// End ends the session. What is queued or held is reported as dropped; what is
// in flight was handed to a connection once, counts as delivered, and is
// forgotten. Subscriptions stay readable so that the caller can remove their
// routes; nothing else may be called any more.
func (s *Session) End(out Sender) {
	for q := s.queue; q != nil && q.n > 0; {
		s.drop(q.pop(q.next()), SessionEnded, out)
	}
	s.dropHeld(SessionEnded, out)
	s.flights = inflight{lastID: s.flights.lastID, ways: s.flights.ways}
	s.awaiting = nil
	s.forgetFlows()
	s.online = false
	s.trim()
}

// Surrender takes out what other members of a shared group can still deliver,
// of those that of accepts: QoS 1 deliveries in flight without
// PUBACK, QoS 2 ones that are held for a save that has not begun, then all that
// are queued, each in order. A QoS 2 delivery in flight stays, because it must
// not go to another client [MQTT-4.8.2-5]. Those in flight count as delivered
// already, the held and queued ones as nothing any more. What is Pending stays.
// Neither function may call the session.
func (s *Session) Surrender(of func(Delivery) bool, take func(Delivery)) {
	f := &s.flights
	for i := uint32(0); i < f.slots.n; {
		e := f.slots.at(i)
		if e.phase != awaitPuback && e.phase != holdPublish || isPlaceholder(e.msg) || e.sub == nil || !of(e.delivery()) {
			i++
			continue
		}
		if e.phase == holdPublish {
			s.lasts().held--
		}
		s.change()
		take(e.delivery())
		before := f.slots.n
		f.end(i)
		if f.slots.n == before {
			i++
		}
	}
	if s.queue == nil {
		return
	}
	for i := range s.queue.levels {
		l := &s.queue.levels[i]
		l.waiting.filter(func(d *Delivery) bool {
			if isPlaceholder(d.Msg) || d.Sub == nil || !of(*d) {
				return true
			}
			s.queue.account(l, *d, -1)
			s.change()
			take(*d)
			return false
		})
	}
}

// Grant is the QoS at which msg goes out for sub: the lower of the two
// [MQTT-3.8.4-8], or the higher one with Config.UpgradeQoS.
func (s *Session) Grant(msg *mqtt.Message, sub *Subscription) mqtt.QoS {
	if s.cfg.UpgradeQoS {
		return max(msg.QoS, sub.QoS)
	}
	return min(msg.QoS, sub.QoS)
}

// Created is the time given to New.
func (s *Session) Created() int64 { return s.created }

// Online reports whether the client is connected.
func (s *Session) Online() bool { return s.online }

// Queued counts the deliveries that wait in the mqueue.
func (s *Session) Queued() int {
	if s.queue == nil {
		return 0
	}
	return s.queue.n
}

// QueuedBytes is the sum of the queued deliveries' payloads.
func (s *Session) QueuedBytes() int64 {
	if s.queue == nil {
		return 0
	}
	return s.queue.bytes
}

// Inflight counts the deliveries that have a place in the window: those that
// were sent and aren't acknowledged, and those that are held.
func (s *Session) Inflight() int { return int(s.flights.live) }
