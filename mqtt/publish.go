package mqtt

// The bits of PUBLISH's fixed header, MQTT 5 clause 3.3.1.
const (
	flagRetain = 1 << 0
	shiftQoS   = 1
	flagDup    = 1 << 3
)

// checkPublishFlags judges the flags of PUBLISH; 3.1 gave DUP no meaning at
// QoS 0 and did not forbid it either.
func (s *Stream) checkPublishFlags(flags byte) *Error {
	switch {
	case flags>>shiftQoS&3 == 3: // [MQTT-3.3.1-4]
		return malformed(wordBadHeader, "PUBLISH: QoS is 3, expected 0 to 2")
	case flags&flagDup != 0 && flags>>shiftQoS&3 == 0 && s.Version != V31: // [MQTT-3.3.1-2]
		return malformed(wordBadHeader, "PUBLISH: DUP is set at QoS 0")
	}
	return nil
}

func (d *Decoder) readPublish(s *Stream, r *reader, flags byte) *Publish {
	p := &d.publish
	p.QoS = QoS(flags >> shiftQoS & 3)
	p.Dup = flags&flagDup != 0 && p.QoS > 0
	p.Retain = flags&flagRetain != 0
	p.Topic = s.readTopic(r)
	p.PacketID = 0
	if p.QoS > 0 {
		p.PacketID = r.packetID()
	}
	p.Props = nil
	if s.Version == V5 {
		p.Props = r.properties(V5, &d.props, publishProps)
		if p.Props.Has(PropSubscriptionID) && !s.Client { // [MQTT-3.3.4-6]
			r.fail(broken(ProtocolError, "PUBLISH: a client may not send %v", PropSubscriptionID))
		}
	}
	p.Payload = r.left
	return p
}

// readTopic gives the stream's last topic again if it is the same, which saves
// the check and the allocation. An empty one leaves the name to the alias and
// is not remembered.
func (s *Stream) readTopic(r *reader) string {
	b := r.view("topic name")
	if string(b) == s.topic || len(b) == 0 {
		return s.topic[:len(b)]
	}
	r.checkText(b, "topic name")
	if r.err != nil {
		return ""
	}
	s.topic = string(b)
	return s.topic
}

func (p *Publish) append(dst []byte, v Version) []byte {
	dst = append(dst, publishFirst(p.QoS, p.Retain, p.Dup), 0)
	at := len(dst)
	dst = appendString(dst, p.Topic)
	if p.QoS > 0 {
		dst = appendUint16(dst, p.PacketID)
	}
	dst = appendProperties(dst, v, p.Props, publishProps)
	return append(finish(dst, at, len(p.Payload)), p.Payload...)
}

// publishFirst is the first byte of a PUBLISH.
func publishFirst(q QoS, retain, dup bool) byte {
	first := byte(TypePublish)<<4 | byte(q)<<shiftQoS
	if retain {
		first |= flagRetain
	}
	if dup && q > 0 {
		first |= flagDup
	}
	return first
}
