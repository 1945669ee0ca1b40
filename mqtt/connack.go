package mqtt

func readConnack(s *Stream, r *reader) *Connack {
	flags := r.byte("flags")
	c := &Connack{SessionPresent: flags&1 != 0 && s.Version != V31, Code: ReasonCode(r.byte("reason code"))}
	if s.Version != V5 {
		code, ok := fromConnackV3(byte(c.Code))
		if !ok {
			r.fail(broken(ProtocolError, "CONNACK: return code is %d, expected 0 to 5", byte(c.Code)))
		}
		c.Code = code
	}
	c.Props = r.properties(s.Version, nil, connackProps)
	r.end()
	switch {
	case flags > 1 && s.Version != V31: // [MQTT-3.2.2-1]
		r.fail(malformed(wordMalformed, "CONNACK: flags are %08b, expected 0 or 1", flags))
	case c.SessionPresent && c.Code != Success: // [MQTT-3.2.2-6]
		r.fail(broken(ProtocolError, "CONNACK: a refusal with a session present"))
	}
	return c
}

func (c *Connack) append(dst []byte, v Version) []byte {
	dst, at := begin(dst, TypeConnack)
	flags, code := byte(0), byte(c.Code)
	if c.SessionPresent && v != V31 {
		flags = 1
	}
	if v != V5 {
		code = connackV3(c.Code)
	}
	dst = append(dst, flags, code)
	return finish(appendProperties(dst, v, c.Props, connackProps), at, 0)
}
