package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Acked is a delivery that the client has acknowledged.
type Acked struct {
	Delivery
	Sent int64 // for the first time, Unix milliseconds
}

// Puback ends a QoS 1 delivery, whatever the code says [MQTT-4.3.2-3], and
// drains the queue. Acked is what was acknowledged. The error is
// mqtt.PacketIdentifierNotFound, or mqtt.PacketIdentifierInUse if the
// identifier belongs to a flow that doesn't wait for PUBACK; nothing has
// changed then.
func (s *Session) Puback(id uint16, _ mqtt.ReasonCode, out Sender, now int64) (Acked, error) {
	pos, fault := s.flights.expect(id, awaitPuback)
	if fault != mqtt.Success {
		return Acked{}, fault
	}
	d := s.flights.slots.at(pos).acked()
	s.finish(pos, out, now)
	return d, nil
}

// Pubrec handles the first acknowledgement of a QoS 2 delivery: a failed code
// ends the flow, any other is answered with PUBREL [MQTT-4.3.3-4], by a durable
// session once it is saved. Acked and the errors are as for Puback; an unknown
// identifier is answered too, with 0x92, and a repeated PUBREC with another
// PUBREL.
func (s *Session) Pubrec(id uint16, code mqtt.ReasonCode, out Sender, now int64) (Acked, error) {
	pos, fault := s.flights.expect(id, awaitPubrec)
	if fault == mqtt.PacketIdentifierNotFound {
		out.Ack(mqtt.TypePubrel, id, fault)
		return Acked{}, fault
	}
	e := s.flights.slots.at(pos)
	if fault != mqtt.Success {
		if e.phase == awaitPubcomp {
			out.Ack(mqtt.TypePubrel, id, mqtt.Success)
		}
		return Acked{}, fault
	}
	d := e.acked()
	if code.Failed() {
		s.finish(pos, out, now)
		return d, nil
	}
	e.phase, e.sub = awaitPubcomp, nil
	if e.sent(now); s.flights.ways&timed != 0 {
		e.msg = &mqtt.Message{Topic: d.Msg.Topic, Timestamp: d.Msg.Timestamp}
	} else {
		e.msg = nil
	}
	if s.Durable() {
		e.phase = holdPubrel
		s.want()
	} else {
		out.Ack(mqtt.TypePubrel, id, mqtt.Success)
	}
	return d, nil
}

// Pubcomp ends a QoS 2 delivery and drains the queue. Acked has no message
// unless SetTimed was on at its PUBREC, and then only its topic and times. The
// errors are those of Puback.
func (s *Session) Pubcomp(id uint16, _ mqtt.ReasonCode, out Sender, now int64) (Acked, error) {
	pos, fault := s.flights.expect(id, awaitPubcomp)
	if fault != mqtt.Success {
		return Acked{}, fault
	}
	d := s.flights.slots.at(pos).acked()
	s.finish(pos, out, now)
	return d, nil
}

// finish ends a flight and uses the room in the window.
func (s *Session) finish(pos uint32, out Sender, now int64) {
	s.flights.end(pos)
	s.change()
	s.Drain(out, now)
}
