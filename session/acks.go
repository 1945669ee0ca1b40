package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Puback ends a QoS 1 delivery, whatever the code says [MQTT-4.3.2-3], and
// drains the queue. The Delivery is the one that was acknowledged. The error
// is mqtt.PacketIdentifierNotFound, or mqtt.PacketIdentifierInUse if the
// identifier belongs to a flow that doesn't wait for PUBACK; nothing has
// changed then.
func (s *Session) Puback(id uint16, _ mqtt.ReasonCode, out Sender, now int64) (Delivery, error) {
	pos, fault := s.flights.expect(id, awaitPuback)
	if fault != mqtt.Success {
		return Delivery{}, fault
	}
	d := s.flights.slots.at(pos).delivery()
	s.finish(pos, out, now)
	return d, nil
}

// Pubrec handles the first acknowledgement of a QoS 2 delivery: a failed code
// ends the flow, any other is answered with PUBREL [MQTT-4.3.3-4]. The
// Delivery is the one that was acknowledged. The errors are those of Puback;
// an unknown identifier is answered too, with 0x92, and a repeated PUBREC with
// another PUBREL.
func (s *Session) Pubrec(id uint16, code mqtt.ReasonCode, out Sender, now int64) (Delivery, error) {
	pos, fault := s.flights.expect(id, awaitPubrec)
	if fault == mqtt.PacketIdentifierNotFound {
		out.Ack(mqtt.TypePubrel, id, fault)
		return Delivery{}, fault
	}
	e := s.flights.slots.at(pos)
	if fault != mqtt.Success {
		if e.phase == awaitPubcomp {
			out.Ack(mqtt.TypePubrel, id, mqtt.Success)
		}
		return Delivery{}, fault
	}
	d := e.delivery()
	if code.Failed() {
		s.finish(pos, out, now)
		return d, nil
	}
	e.phase, e.msg, e.sub, e.sentAt = awaitPubcomp, nil, nil, now
	out.Ack(mqtt.TypePubrel, id, mqtt.Success)
	return d, nil
}

// Pubcomp ends a QoS 2 delivery and drains the queue. The errors are those of
// Puback.
func (s *Session) Pubcomp(id uint16, _ mqtt.ReasonCode, out Sender, now int64) error {
	pos, fault := s.flights.expect(id, awaitPubcomp)
	if fault != mqtt.Success {
		return fault
	}
	s.finish(pos, out, now)
	return nil
}

// finish ends a flight and uses the room in the window.
func (s *Session) finish(pos uint32, out Sender, now int64) {
	s.flights.end(pos)
	s.Drain(out, now)
}
