package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Received notes the packet identifier of a QoS 2 PUBLISH from the client. The
// message is the caller's to route now, unless dup says that it was routed
// before and the client repeats it until it sees PUBREC [MQTT-4.3.3-10]. The
// error is mqtt.PacketIdentifierInUse beside dup if it was routed on the present
// connection, where only a repetition marked with DUP makes sense; without dup
// it is mqtt.ReceiveMaximumExceeded: the table is full and the message must
// not be routed. A caller that refuses the message with a failed PUBREC calls
// Released, because the flow ends there.
func (s *Session) Received(id uint16, now int64) (dup bool, err error) {
	if since, dup := s.awaiting[id]; dup {
		if since > s.offlineAt {
			return true, mqtt.PacketIdentifierInUse
		}
		return true, nil
	}
	if f := s.flow(id); f != nil { // on its way out
		if f.refused() {
			f.answer = true
			return true, nil
		}
		return true, mqtt.PacketIdentifierInUse
	}
	if most := s.cfg.MaxAwaitingRel; most > 0 && len(s.awaiting) >= most {
		return false, mqtt.ReceiveMaximumExceeded
	}
	if s.awaiting == nil {
		s.awaiting = make(map[uint16]int64)
	}
	s.awaiting[id] = now
	s.touch(now)
	if timeout := s.cfg.AwaitRelTimeout.Milliseconds(); timeout > 0 {
		s.wakeBy(now + timeout)
	}
	return false, nil
}

// Released notes a PUBREL from the client, which frees its packet identifier
// [MQTT-4.3.3-11]; waited is false if nothing waited for it. The caller answers
// with PUBCOMP, unless it is for later: then Saved does, when the identifier
// has left the record of a durable session. Before that, the client could use
// it again, and after a crash its new message would look like the old one.
func (s *Session) Released(id uint16) (waited, later bool) {
	if f := s.flow(id); f != nil {
		later = s.releaseFlow(id, f)
		return later, later
	}
	_, waited = s.awaiting[id]
	delete(s.awaiting, id)
	return waited, false
}

// Awaits reports whether a message was received under this identifier and not
// released.
func (s *Session) Awaits(id uint16) bool {
	_, awaits := s.awaiting[id]
	return awaits
}

// AwaitingRel counts the QoS 2 messages received and not yet released.
func (s *Session) AwaitingRel() int { return len(s.awaiting) }

// AwaitRelTimeouts counts the identifiers that were forgotten because PUBREL
// didn't come in time.
func (s *Session) AwaitRelTimeouts() uint64 {
	if s.rare == nil {
		return 0
	}
	return s.rare.Forgotten
}

// forget drops the identifiers whose PUBREL is overdue.
func (s *Session) forget(now int64) {
	timeout := s.cfg.AwaitRelTimeout.Milliseconds()
	if timeout <= 0 {
		return
	}
	for id, since := range s.awaiting {
		if since+timeout <= now {
			if f := s.flow(id); f == nil {
				delete(s.awaiting, id)
			} else if !s.forgetFlow(id, f) {
				continue // its message is on the way to the log, which takes no longer than a moment
			}
			s.count().Forgotten++
		} else {
			s.wakeBy(since + timeout)
		}
	}
}
