package mqtt

func readAuth(_ *Stream, r *reader) *Auth {
	p := new(Auth)
	p.Code, p.Props = r.result(nil, authProps)
	if !p.Code.fits(TypeAuth) {
		r.fail(broken(ProtocolError, "AUTH: reason code is 0x%02X, expected 0x00, 0x18 or 0x19", byte(p.Code)))
	}
	r.end()
	return p
}

func (p *Auth) append(dst []byte, v Version) []byte {
	if v != V5 {
		return dst
	}
	dst, at := begin(dst, TypeAuth)
	return finish(appendResult(dst, p.Code, p.Props, authProps), at, 0)
}
