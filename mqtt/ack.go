package mqtt

func (d *Decoder) readAck(s *Stream, r *reader) *Ack {
	a := &d.ack
	a.Kind, a.PacketID = r.packet, r.packetID()
	a.Code, a.Props = Success, nil
	if s.Version == V5 && len(r.left) > 0 {
		a.Code, a.Props = r.result(&d.props, resultProps)
	}
	r.end()
	return a
}

// result reads what version 5 leaves out when there is nothing to say: a code,
// and behind it the properties.
func (r *reader) result(into *Properties, allowed Prop) (ReasonCode, *Properties) {
	if len(r.left) == 0 {
		return Success, nil
	}
	code := ReasonCode(r.byte("reason code"))
	if r.strict && !code.fits(r.packet) {
		r.fail(broken(ProtocolError, "%v: reason code 0x%02X is none of its own", r.packet, byte(code)))
	}
	if len(r.left) == 0 {
		return code, nil
	}
	return code, r.properties(V5, into, allowed)
}

func (a *Ack) append(dst []byte, v Version) []byte {
	if !a.Props.Has(resultProps) {
		return AppendAck(dst, a.Kind, a.PacketID, a.Code, v)
	}
	dst, at := begin(dst, a.Kind)
	dst = appendUint16(dst, a.PacketID)
	if v == V5 {
		dst = appendResult(dst, a.Code, a.Props, resultProps)
	}
	return finish(dst, at, 0)
}

// appendResult appends code and properties in the shortest form, which may be
// nothing at all.
func appendResult(dst []byte, code ReasonCode, p *Properties, allowed Prop) []byte {
	switch {
	case p.Has(allowed):
		return appendProperties(append(dst, byte(code)), V5, p, allowed)
	case code != Success:
		return append(dst, byte(code))
	}
	return dst
}

// AppendAck appends an Ack without properties; kind is one of its four types.
func AppendAck(dst []byte, kind Type, id uint16, code ReasonCode, v Version) []byte {
	first := byte(kind)<<4 | reservedFlags(kind)
	if code == Success || v != V5 {
		return append(dst, first, 2, byte(id>>8), byte(id))
	}
	return append(dst, first, 3, byte(id>>8), byte(id), byte(code))
}
