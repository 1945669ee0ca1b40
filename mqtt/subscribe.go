package mqtt

// The bits of a subscription's options byte, MQTT 5 clause 3.8.3.1.
const (
	maskSubQoS          = 0b11
	flagNoLocal         = 1 << 2
	flagRetainAsPub     = 1 << 3
	shiftRetainHandling = 4
	maskReserved        = 0b1100_0000
	maskReservedV3      = 0b1111_1100
)

func readSubscribe(s *Stream, r *reader) *Subscribe {
	p := &Subscribe{PacketID: r.packetID()}
	p.Props = r.properties(s.Version, nil, subscribeProps)
	for len(r.left) > 0 {
		f := SubscribeFilter{Filter: r.string("topic filter")}
		f.SubscribeOptions = r.subscribeOptions(s.Version)
		p.Filters = append(p.Filters, f)
	}
	if len(p.Filters) == 0 { // [MQTT-3.8.3-2]
		r.fail(broken(ProtocolError, "SUBSCRIBE without a topic filter"))
	}
	return p
}

func (r *reader) subscribeOptions(v Version) SubscribeOptions {
	b := r.byte("subscription options")
	o := SubscribeOptions{QoS: QoS(b & maskSubQoS)}
	if v == V5 {
		o.NoLocal = b&flagNoLocal != 0
		o.RetainAsPublished = b&flagRetainAsPub != 0
		o.RetainHandling = b >> shiftRetainHandling & 3
	}
	switch {
	case o.QoS == 3: // [MQTT-3.8.3-4] of 3.1.1
		r.fail(malformed(wordBadSubQoS, "SUBSCRIBE: QoS is 3, expected 0 to 2"))
	case o.RetainHandling == 3:
		r.fail(broken(ProtocolError, "SUBSCRIBE: retain handling is 3, expected 0 to 2"))
	case v == V5 && b&maskReserved != 0 || v == V311 && b&maskReservedV3 != 0: // [MQTT-3.8.3-5]
		r.fail(malformed(wordMalformed, "SUBSCRIBE: reserved bits of the options %08b are set", b))
	}
	return o
}

func (p *Subscribe) append(dst []byte, v Version) []byte {
	dst, at := begin(dst, TypeSubscribe)
	dst = appendUint16(dst, p.PacketID)
	dst = appendProperties(dst, v, p.Props, subscribeProps)
	for _, f := range p.Filters {
		dst = append(appendString(dst, f.Filter), f.bits(v))
	}
	return finish(dst, at, 0)
}

func (o SubscribeOptions) bits(v Version) byte {
	b := byte(o.QoS)
	if v != V5 {
		return b
	}
	if o.NoLocal {
		b |= flagNoLocal
	}
	if o.RetainAsPublished {
		b |= flagRetainAsPub
	}
	return b | o.RetainHandling<<shiftRetainHandling
}

func readSuback(s *Stream, r *reader) *Suback {
	p := &Suback{PacketID: r.packetID()}
	p.Props = r.properties(s.Version, nil, resultProps)
	p.Codes = r.codes()
	for _, c := range p.Codes {
		if c > GrantedQoS2 && c != UnspecifiedError && s.Version != V5 { // [MQTT-3.9.3-2] of 3.1.1
			r.fail(broken(ProtocolError, "SUBACK: return code is 0x%02X, expected 0 to 2 or 0x80", byte(c)))
		}
	}
	return p
}

// codes reads the reason codes up to the end of the packet.
func (r *reader) codes() []ReasonCode {
	if len(r.left) == 0 {
		r.fail(malformed(wordFunctionClause, "%v ends before its first reason code", r.packet))
		return nil
	}
	codes := make([]ReasonCode, len(r.left))
	for i, b := range r.left {
		codes[i] = ReasonCode(b)
		if r.strict && !codes[i].fits(r.packet) {
			r.fail(broken(ProtocolError, "%v: reason code 0x%02X is none of its own", r.packet, b))
		}
	}
	r.left = nil
	return codes
}

func (p *Suback) append(dst []byte, v Version) []byte {
	dst, at := begin(dst, TypeSuback)
	dst = appendUint16(dst, p.PacketID)
	dst = appendProperties(dst, v, p.Props, resultProps)
	for _, c := range p.Codes {
		if c.Failed() && v != V5 {
			c = UnspecifiedError // the one failure that 3.1.1 knows
		}
		dst = append(dst, byte(c))
	}
	return finish(dst, at, 0)
}
