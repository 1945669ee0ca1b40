package session

// durable is what a session has beside if it is to survive its process. Its
// record (Save) is kept by the caller, and what depends on the record being
// kept waits for Saved. What has to wait is exactly this:
//
//   - PUBLISH at QoS 2, for the identifier in the record. The client remembers
//     the identifier until PUBREL; a broker that has forgotten it would send a
//     new message under it, which the client would take for the old one.
//   - PUBREL, for the PUBREC in the record. The client forgets the identifier
//     then; a broker that doesn't know would send the message once more.
//   - the appending of a QoS 2 message from the client, for the identifier in
//     the record. Else the client, repeating it, would have it appended twice.
//   - PUBCOMP, or a failed PUBREC, for the identifier gone from the record. The
//     client uses it for another message then, which a broker that still has
//     it would take for a repetition and lose.
type durable struct {
	read     []uint64         // by shard of the log, see Read
	flows    map[uint16]*flow // QoS 2 messages from the client that go to the log
	lastFlow uint64
	cleared  []Flow // what Saved returns, to be used again
	mark     uint32 // of the save begun last
	held     uint32 // flights whose PUBLISH hasn't been sent
	changed  bool   // the record would differ from the one marked last
	wanted   bool   // and something waits for it
}

// SetDurable says whether the session is to survive its process. It is for the
// time before the first connection or between two; a session that is no more
// durable stops waiting for saves.
func (s *Session) SetDurable(on bool) {
	if on == s.Durable() {
		return
	}
	s.flights.ways.set(lasting, on)
	if on {
		if s.lasts() == nil {
			s.rarely().durable = &durable{lastFlow: s.firstFlow()}
		}
		s.want()
		return
	}
	f := &s.flights
	for i := range f.slots.n {
		switch e := f.slots.at(i); {
		case e.phase.held():
			e.phase = readyPublish
		case e.phase.released():
			e.phase = awaitPubcomp
		}
	}
	s.forgetFlows()
	d := s.lasts()
	d.changed, d.wanted = false, false
}

// firstFlow is where the session's flow numbers begin: where no other session
// of its client counts, as none has a million flows in each millisecond.
func (s *Session) firstFlow() uint64 { return uint64(s.created) << 20 }

// lasts is what the session has if it is durable or was once, else nil.
func (s *Session) lasts() *durable {
	if s.rare == nil {
		return nil
	}
	return s.rare.durable
}

// Durable reports what SetDurable said.
func (s *Session) Durable() bool { return s.flights.ways&lasting != 0 }

// Read is the first position of a shard of the log that the session has not
// been given: all that is before was given to Deliver, or was not for this
// client.
func (s *Session) Read(shard int) uint64 {
	if d := s.lasts(); d != nil && shard < len(d.read) {
		return d.read[shard]
	}
	return 0
}

// SetRead moves Read. Between the first delivery of an entry of the log and
// SetRead behind it there must be no Save, or the entry is delivered twice
// after a crash. The session must be durable.
func (s *Session) SetRead(shard int, next uint64) {
	d := s.lasts()
	for shard >= len(d.read) {
		d.read = append(d.read, 0)
	}
	d.read[shard] = next
	d.changed = true
}

// Held counts the deliveries at QoS 2 that have their identifier and wait for
// a save, or for a connection after it. They are neither queued nor delivered
// yet.
func (s *Session) Held() int {
	if d := s.lasts(); d != nil {
		return int(d.held)
	}
	return 0
}

// Unsaved reports whether something waits for a save that hasn't begun: the
// caller saves as soon as the save before has ended.
func (s *Session) Unsaved() bool {
	d := s.lasts()
	return d != nil && d.wanted
}

// Changed reports whether the record would be another one than last time.
// What has changed may be saved later, too: after a crash, messages of QoS 1
// come again that the client has acknowledged since.
func (s *Session) Changed() bool {
	d := s.lasts()
	return d != nil && d.changed
}

// change notes that a durable session's record would be another one.
func (s *Session) change() {
	if s.Durable() {
		s.rare.durable.changed = true
	}
}

// want notes that something waits for a save.
func (s *Session) want() {
	d := s.lasts()
	d.changed, d.wanted = true, true
}

// Save begins a save: it appends the session's record to dst, see record.go,
// and returns it with the mark for Saved or NotSaved. The caller keeps it
// under the client id; records must be kept in the order of their marks. If
// a save begins before the one before has ended, only the later one counts.
// The session must be durable.
func (s *Session) Save(dst []byte) (record []byte, mark uint32) {
	d := s.lasts()
	d.mark++
	d.changed, d.wanted = false, false
	f := &s.flights
	for i := range f.slots.n {
		switch e := f.slots.at(i); e.phase {
		case holdPublish:
			e.phase = savePublish
		case holdPubrel:
			e.phase = savePubrel
		}
	}
	for _, fl := range d.flows {
		switch fl.phase {
		case flowHeld:
			fl.phase = flowSaving
		case flowLeaving:
			fl.phase = flowLeavingSaved
		}
	}
	return s.appendRecord(dst), d.mark
}

// NotSaved ends the save with this mark: its record could not be kept, or
// nobody knows. What waited goes on waiting, and Unsaved is true.
func (s *Session) NotSaved(mark uint32) {
	if s.Durable() && mark == s.lasts().mark {
		s.want()
	}
}

// Saved ends the save with this mark: its record is kept, and what waited for
// it goes out. The result says which messages from the client may be appended
// to the log now and which of its QoS 2 messages are to be answered with a
// failed PUBREC; it is valid until the next call.
func (s *Session) Saved(mark uint32, out Sender, now int64) []Flow {
	if !s.Durable() || mark != s.lasts().mark {
		return nil
	}
	f := &s.flights
	for i := range f.slots.n {
		switch e := f.slots.at(i); e.phase {
		case savePublish:
			e.phase = readyPublish
		case savePubrel:
			e.phase = awaitPubcomp
			if s.online && i < f.slots.n-f.unsent {
				s.repeat(e, out, now)
			}
		}
	}
	flows := s.flowsSaved(out)
	s.Drain(out, now)
	return flows
}

// hold gives a delivery at QoS 2 its identifier and its place in the window.
func (s *Session) hold(d Delivery, id uint16) Outcome {
	s.flights.add(flight{msg: d.Msg.Keep(), sub: d.Sub, id: id, phase: holdPublish, retain: d.Retain})
	s.lasts().held++
	s.want()
	return Queued
}

// publishHeld sends what was held and is saved now, as far as the output takes
// it; on a new connection what comes before is repeated first.
func (s *Session) publishHeld(out Sender, now int64) {
	if s.Held() == 0 {
		return
	}
	f := &s.flights
	for i := uint32(0); i < f.slots.n-f.unsent && !out.Full(); {
		n := f.slots.n
		if e := f.slots.at(i); e.phase == readyPublish && !s.publishFirst(e, out, now) {
			f.end(i)
		}
		if f.slots.n == n { // else the flights behind have moved up
			i++
		}
	}
}

// publishFirst sends a held delivery. False: it is dropped.
func (s *Session) publishFirst(e *flight, out Sender, now int64) bool {
	d := e.delivery()
	s.lasts().held--
	s.change()
	if d.Msg.Expired(now) {
		s.drop(d, Expired, out)
		return false
	}
	if !out.Publish(d, e.id, false) {
		s.drop(d, TooLarge, out)
		return false
	}
	s.delivered++
	e.phase, e.sentAt = awaitPubrec, now
	s.touch(now)
	s.wakeForRetry(now)
	return true
}

// dropHeld drops what was never sent.
func (s *Session) dropHeld(why Drop, out Sender) {
	if s.Held() == 0 {
		return
	}
	f := &s.flights
	for i := range f.slots.n {
		if e := f.slots.at(i); e.phase.held() {
			s.drop(e.delivery(), why, out)
		}
	}
	s.lasts().held = 0
}

// flow returns the QoS 2 message from the client with this identifier, if it
// is one for the log.
func (s *Session) flow(id uint16) *flow {
	if d := s.lasts(); d != nil {
		return d.flows[id]
	}
	return nil
}
