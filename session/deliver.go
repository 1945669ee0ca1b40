package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Deliver sends d, or queues it, or drops it; the Outcome says which, and a
// drop is also reported to out. The message is kept only if it must be stored.
//
// Messages of one topic and QoS leave in the order in which they came
// [MQTT-4.6.0-5, MQTT-4.6.0-6]: above QoS 0 a delivery queues behind whatever
// is queued, at QoS 0 behind queued ones of QoS 0.
func (s *Session) Deliver(d Delivery, out Sender, now int64) Outcome {
	if d.Msg.Expired(now) {
		return s.drop(d, Expired, out)
	}
	if !s.maySend(d.QoS) || out.Full() {
		return s.enqueue(d, out, now)
	}
	outcome := s.send(d, out, now)
	if outcome == Queued {
		s.count().Queued++
	}
	return outcome
}

// maySend reports whether a new delivery of this QoS may overtake what waits.
func (s *Session) maySend(qos mqtt.QoS) bool {
	if !s.online {
		return false
	}
	if qos == 0 {
		return s.queue == nil || s.queue.zeros == 0
	}
	return s.Queued() == 0 && s.open()
}

// Room reports whether a delivery would go out at once, whatever its QoS, if
// the output isn't congested.
func (s *Session) Room() bool { return s.maySend(0) && s.maySend(1) }

// open reports whether the window has room for a new delivery.
func (s *Session) open() bool {
	f := &s.flights
	return f.unsent == 0 && f.sent < uint32(s.window) && f.next() != 0
}

// send sends d, which has its turn; at QoS 2 a durable session holds it, which
// is Queued.
func (s *Session) send(d Delivery, out Sender, now int64) Outcome {
	if d.QoS == 0 {
		if !out.Publish(d, 0, false) {
			return s.drop(d, TooLarge, out)
		}
		s.delivered++
		return Sent
	}
	id := s.flights.next()
	waitFor := awaitPuback
	if d.QoS == 2 {
		if s.Durable() {
			return s.hold(d, id)
		}
		waitFor = awaitPubrec
	}
	if !out.Publish(d, id, false) {
		return s.drop(d, TooLarge, out)
	}
	s.delivered++
	s.flights.add(flight{msg: d.Msg.Keep(), sub: d.Sub, sentAt: now, id: id, phase: waitFor, retain: d.Retain})
	s.touch(now)
	s.wakeForRetry(now)
	return Sent
}

// enqueue lets d wait. If there is no room, older ones go.
func (s *Session) enqueue(d Delivery, out Sender, now int64) Outcome {
	if d.QoS == 0 && !s.cfg.MqueueStoreQoS0 {
		return s.drop(d, QoS0, out)
	}
	if s.queue == nil {
		s.queue = new(mqueue)
	}
	q, size := s.queue, int64(len(d.Msg.Payload))
	i := q.level(s.cfg.rank(d.Msg.Topic))
	if !q.holds(i, size, int64(s.cfg.MaxMqueueBytes)) {
		return s.drop(d, QueueFull, out)
	}
	for l := q.victim(i, size, s.cfg); l != nil; l = q.victim(i, size, s.cfg) {
		old, why := q.pop(l), QueueFull
		if old.Msg.Expired(now) {
			why = Expired
		}
		s.drop(old, why, out)
	}
	d.Msg = d.Msg.Keep()
	q.push(i, d)
	s.count().Queued++
	s.touch(now)
	return Queued
}

// Drain sends what may be sent: the rest of what has to be repeated on a new
// connection, then the queue. The caller calls it when the connection's output
// has room again.
func (s *Session) Drain(out Sender, now int64) {
	if !s.online {
		return
	}
	s.publishHeld(out, now) // first: repeatAll has gone past it
	s.repeatAll(out, now)
	for q := s.queue; q != nil && q.n > 0 && !out.Full(); {
		l := q.next()
		if d := *l.waiting.at(0); d.Msg.Expired(now) {
			s.drop(q.pop(l), Expired, out)
			continue
		} else if d.QoS > 0 && !s.open() {
			return
		}
		l.credit--
		s.send(q.pop(l), out, now)
	}
}

// repeatAll goes on with the repetition that Connected began.
func (s *Session) repeatAll(out Sender, now int64) {
	for s.flights.unsent > 0 && s.flights.sent < uint32(s.window) && !out.Full() {
		if pos, ok := s.flights.repeatable(); ok && !s.repeat(s.flights.slots.at(pos), out, now) {
			s.flights.end(pos)
		}
	}
}

// repeat sends a flight again. False: the connection can't take the message,
// which then counts as completed [MQTT-3.1.2-25]. A message is repeated even
// if it has expired meanwhile: expiry is for what was never sent
// [MQTT-3.3.2-5, MQTT-4.3.3-7].
func (s *Session) repeat(e *flight, out Sender, now int64) bool {
	switch e.phase {
	case holdPublish, savePublish, holdPubrel, savePubrel:
		return true // its save is waited for
	case readyPublish:
		return s.publishFirst(e, out, now)
	case awaitPubcomp:
		out.Ack(mqtt.TypePubrel, e.id, mqtt.Success)
	default:
		if !out.Publish(e.delivery(), e.id, true) {
			return false
		}
	}
	e.sent(now)
	s.touch(now)
	s.wakeForRetry(now)
	return true
}

// Drop books a delivery that was not given to Deliver, because the caller knows
// a reason why the client must not get it, and reports it to out. It may be
// called after End.
func (s *Session) Drop(d Delivery, why Drop, out Sender) { s.drop(d, why, out) }

func (s *Session) drop(d Delivery, why Drop, out Sender) Outcome {
	s.count().Dropped[why]++
	out.Dropped(d, why)
	return Dropped
}
