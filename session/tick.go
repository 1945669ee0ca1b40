package session

// idleAfter is for how long, in milliseconds, a session keeps the buffers of
// its rings and tables once it no longer uses them: far longer than the pause
// between the messages of a steady trickle, short beside an idle night.
const idleAfter = 10_000

// NextTick is the time, Unix milliseconds, at which the session wants Tick to
// be called; 0 never. Any other call may bring it forward; only Tick puts it
// off.
func (s *Session) NextTick() int64 { return s.wake }

// Tick does what is due at now: it repeats what was sent a retry interval ago
// and isn't acknowledged, forgets QoS 2 identifiers whose PUBREL is overdue,
// drops expired messages at the head of the queue, and gives back memory that
// is no longer used. It returns what NextTick would. An early or late call
// does no harm.
func (s *Session) Tick(out Sender, now int64) (next int64) {
	s.wake = 0
	s.retry(out, now)
	s.forget(now)
	s.dropExpired(out, now)
	s.release(now)
	return s.wake
}

// SetRetry switches the repetition of unacknowledged packets on a living
// connection on or off; it is on to begin with. Version 5 forbids it
// [MQTT-4.4.0-1], and EMQ X does it nevertheless.
func (s *Session) SetRetry(on bool) { s.flights.ways.set(unrepeated, !on) }

// SetTimed has a QoS 2 delivery in flight remember topic and times of its
// message after PUBREC, so that Pubcomp can tell what it has completed.
func (s *Session) SetTimed(on bool) { s.flights.ways.set(timed, on) }

// retry repeats in order what is overdue. Congested output isn't made worse:
// then the rest waits for another interval.
func (s *Session) retry(out Sender, now int64) {
	interval := s.retryInterval()
	if !s.online || interval == 0 {
		return
	}
	f := &s.flights
	for i := range f.slots.n - f.unsent {
		e := f.slots.at(i)
		if !e.phase.sent() {
			continue
		}
		due := e.sentAt + interval
		if due <= now {
			due = now + interval
			if !out.Full() {
				s.repeat(e, out, now)
			}
		}
		s.wakeBy(due)
	}
}

func (s *Session) retryInterval() int64 {
	if s.flights.ways&unrepeated != 0 {
		return 0
	}
	return s.cfg.RetryInterval.Milliseconds()
}

func (s *Session) wakeForRetry(now int64) {
	if interval := s.retryInterval(); interval > 0 {
		s.wakeBy(now + interval)
	}
}

func (s *Session) dropExpired(out Sender, now int64) {
	if s.queue == nil {
		return
	}
	for i := range s.queue.levels {
		l := &s.queue.levels[i]
		for l.waiting.n > 0 && l.waiting.at(0).Msg.Expired(now) {
			s.drop(s.queue.pop(l), Expired, out)
		}
	}
}

// touch notes that the session uses memory that it didn't have when new.
func (s *Session) touch(now int64) {
	s.active = true
	s.wakeBy(now + idleAfter)
}

// release gives back what wasn't used since the last Tick.
func (s *Session) release(now int64) {
	if !s.active {
		s.trim()
	}
	s.active = false
	if s.online && (s.flights.slots.buf != nil || s.queue != nil || s.awaiting != nil) {
		s.wakeBy(now + idleAfter)
	}
}

// trim gives back everything that is empty.
func (s *Session) trim() {
	if s.flights.slots.n == 0 {
		s.flights.slots = ring[flight]{}
	}
	if s.Queued() == 0 {
		s.queue = nil
	}
	if len(s.awaiting) == 0 {
		s.awaiting = nil
	}
}

// wakeBy makes sure that Tick is called no later than at.
func (s *Session) wakeBy(at int64) {
	if s.wake == 0 || at < s.wake {
		s.wake = at
	}
}
