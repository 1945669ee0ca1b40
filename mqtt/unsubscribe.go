package mqtt

func readUnsubscribe(s *Stream, r *reader) *Unsubscribe {
	p := &Unsubscribe{PacketID: r.packetID()}
	p.Props = r.properties(s.Version, nil, unsubscribeProps)
	for len(r.left) > 0 {
		p.Filters = append(p.Filters, r.string("topic filter"))
	}
	if len(p.Filters) == 0 { // [MQTT-3.10.3-2]
		r.fail(broken(ProtocolError, "UNSUBSCRIBE without a topic filter"))
	}
	return p
}

func (p *Unsubscribe) append(dst []byte, v Version) []byte {
	dst, at := begin(dst, TypeUnsubscribe)
	dst = appendUint16(dst, p.PacketID)
	dst = appendProperties(dst, v, p.Props, unsubscribeProps)
	for _, f := range p.Filters {
		dst = appendString(dst, f)
	}
	return finish(dst, at, 0)
}

func readUnsuback(s *Stream, r *reader) *Unsuback {
	p := &Unsuback{PacketID: r.packetID()}
	if s.Version == V5 {
		p.Props = r.properties(V5, nil, resultProps)
		p.Codes = r.codes()
	}
	r.end()
	return p
}

func (p *Unsuback) append(dst []byte, v Version) []byte {
	dst, at := begin(dst, TypeUnsuback)
	dst = appendUint16(dst, p.PacketID)
	if v == V5 {
		dst = appendProperties(dst, v, p.Props, resultProps)
		dst = appendCodes(dst, p.Codes)
	}
	return finish(dst, at, 0)
}
