package mqtt

func readDisconnect(s *Stream, r *reader) *Disconnect {
	p := new(Disconnect)
	if s.Version == V5 {
		p.Code, p.Props = r.result(nil, disconnectProps)
		switch {
		case !s.Client && p.Props.Has(PropServerReference):
			r.fail(broken(ProtocolError, "DISCONNECT: a client may not send %v", PropServerReference))
		case s.Client && p.Props.Has(PropSessionExpiry): // [MQTT-3.14.2-2]
			r.fail(broken(ProtocolError, "DISCONNECT: a server may not send %v", PropSessionExpiry))
		}
	}
	r.end()
	return p
}

func (p *Disconnect) append(dst []byte, v Version) []byte {
	dst, at := begin(dst, TypeDisconnect)
	if v == V5 {
		dst = appendResult(dst, p.Code, p.Props, disconnectProps)
	}
	return finish(dst, at, 0)
}
