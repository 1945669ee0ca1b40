package mqtt

// AppendForwarded appends those properties that travel with a message
// (ForwardedProps), as MQTT 5 writes them but without the length of the
// section: for one who hands messages to another broker. nil has none.
func (p *Properties) AppendForwarded(dst []byte) []byte {
	if !p.Has(ForwardedProps) {
		return dst
	}
	return p.append(dst, ForwardedProps)
}

// ReadForwarded reads what AppendForwarded wrote; nil for none. Nothing of b is
// kept. The error says what doesn't belong there.
func ReadForwarded(b []byte) (*Properties, error) {
	if len(b) == 0 {
		return nil, nil //nolint:nilnil // no properties are the usual case, and not an error
	}
	p := new(Properties)
	r := propertyReader{reader: reader{left: b, packet: TypePublish}, section: b}
	for len(r.left) > 0 {
		r.property(p, ForwardedProps)
	}
	if r.err != nil {
		return nil, r.err
	}
	return p, nil
}
