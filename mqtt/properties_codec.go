package mqtt

import "math/bits"

// Which properties each packet may carry, MQTT 5 table 2-4.
const (
	connectProps = PropSessionExpiry | PropReceiveMaximum | PropMaximumPacketSize | PropTopicAliasMaximum |
		PropRequestResponseInfo | PropRequestProblemInfo | PropUserProperty | PropAuthMethod | PropAuthData
	willProps    = ForwardedProps | PropWillDelay
	connackProps = PropSessionExpiry | PropReceiveMaximum | PropMaximumQoS | PropRetainAvailable |
		PropMaximumPacketSize | PropAssignedClientID | PropTopicAliasMaximum | PropReasonString | PropUserProperty |
		PropWildcardSubAvailable | PropSubscriptionIDAvailable | PropSharedSubAvailable | PropServerKeepAlive |
		PropResponseInfo | PropServerReference | PropAuthMethod | PropAuthData
	publishProps     = ForwardedProps | PropTopicAlias | PropSubscriptionID
	subscribeProps   = PropSubscriptionID | PropUserProperty
	unsubscribeProps = PropUserProperty
	resultProps      = PropReasonString | PropUserProperty // of the four acks, SUBACK and UNSUBACK
	disconnectProps  = resultProps | PropSessionExpiry | PropServerReference
	authProps        = resultProps | PropAuthMethod | PropAuthData
)

// properties reads the property section, if the packet has one, into p; a nil
// p is allocated when there is something to hold. It returns nil for none.
func (r *reader) properties(v Version, p *Properties, allowed Prop) *Properties {
	if v != V5 {
		return nil
	}
	if len(r.left) > 0 && r.left[0] == 0 { // mostly there are none
		r.left = r.left[1:]
		return nil
	}
	length := r.varint("property length")
	section := r.take(int(length), "properties")
	if len(section) == 0 {
		return nil
	}
	if p == nil {
		p = new(Properties)
	}
	*p = Properties{}
	s := propertyReader{reader: reader{left: section, packet: r.packet, strict: r.strict}, section: section}
	for len(s.left) > 0 {
		s.property(p, allowed)
	}
	if s.err == nil && p.Has(PropAuthData) && !p.Has(PropAuthMethod) {
		s.fail(broken(ProtocolError, "%v: %v without %v", r.packet, PropAuthData, PropAuthMethod))
	}
	if s.err != nil {
		r.fail(s.err)
	}
	return p
}

// propertyReader reads one section; all its strings share one allocation.
type propertyReader struct {
	reader
	section []byte
	text    string // copy of section, once a string is met
}

func (r *propertyReader) property(p *Properties, allowed Prop) {
	id := r.varint("property identifier")
	if r.err != nil {
		return
	}
	which := propOf(id)
	switch {
	case which == 0:
		r.fail(malformed(wordFunctionClause, "%v: property 0x%02X does not exist", r.packet, id))
		return
	case which&allowed == 0:
		r.fail(malformed(wordFunctionClause, "%v may not carry %v", r.packet, which))
		return
	case which&p.Present != 0 && !r.mayRepeat(which):
		r.fail(broken(ProtocolError, "%v carries %v twice", r.packet, which))
		return
	}
	p.Present |= which
	r.value(p, which)
}

// mayRepeat: user properties may, and the identifiers of all the
// subscriptions that a PUBLISH met.
func (r *propertyReader) mayRepeat(which Prop) bool {
	return which == PropUserProperty || which == PropSubscriptionID && r.packet == TypePublish
}

func (r *propertyReader) value(p *Properties, which Prop) {
	name := which.String()
	switch f := p.field(which).(type) {
	case *byte:
		if *f = r.byte(name); *f > 1 { // all of them are yes or no, or a QoS below 2
			r.fail(broken(ProtocolError, "%v: %s is %d, expected 0 or 1", r.packet, name, *f))
		}
	case *uint16:
		if *f = r.uint16(name); *f == 0 && r.err == nil {
			r.checkZero(which)
		}
	case *uint32:
		if *f = r.uint32(name); *f == 0 && r.err == nil {
			r.checkZero(which)
		}
	case *string:
		*f = r.string(name)
	case *[]byte:
		*f = r.binary(name)
	case *[]uint32:
		id := r.varint(name)
		if id == 0 && r.err == nil {
			r.checkZero(which)
		}
		*f = append(*f, id)
	case *[]UserProperty:
		key := r.string(name)
		*f = append(*f, UserProperty{key, r.string(name)})
	}
}

func (r *propertyReader) checkZero(which Prop) {
	switch which {
	case PropTopicAlias: // [MQTT-3.3.2-8]
		r.fail(broken(TopicAliasInvalid, "%v: %v is 0, expected 1 to 65535", r.packet, which))
	case PropReceiveMaximum, PropMaximumPacketSize, PropSubscriptionID:
		r.fail(broken(ProtocolError, "%v: %v is 0, which is not allowed", r.packet, which))
	}
}

// string hides reader's: it cuts the string out of one copy of the section.
func (r *propertyReader) string(field string) string {
	b := r.view(field)
	r.checkText(b, field)
	if r.err != nil {
		return ""
	}
	if r.text == "" {
		r.text = string(r.section)
	}
	end := len(r.section) - len(r.left)
	return r.text[end-len(b) : end]
}

// appendProperties appends the section with its length: those of p that are
// allowed, which for nil p are none. Before version 5 there is no section.
func appendProperties(dst []byte, v Version, p *Properties, allowed Prop) []byte {
	if v != V5 {
		return dst
	}
	dst = append(dst, 0)
	if !p.Has(allowed) {
		return dst
	}
	at := len(dst)
	return finish(p.append(dst, allowed), at, 0)
}

// append appends the properties without the length of the section.
func (p *Properties) append(dst []byte, allowed Prop) []byte {
	for set := p.Present & allowed; set != 0; set &= set - 1 {
		i := bits.TrailingZeros32(uint32(set))
		dst = appendProperty(dst, propTable[i].id, p.field(1<<i))
	}
	return dst
}

func appendProperty(dst []byte, id byte, field any) []byte {
	switch f := field.(type) {
	case *byte:
		return append(dst, id, *f)
	case *uint16:
		return appendUint16(append(dst, id), *f)
	case *uint32:
		return appendUint32(append(dst, id), *f)
	case *string:
		return appendString(append(dst, id), *f)
	case *[]byte:
		return appendBinary(append(dst, id), *f)
	case *[]uint32:
		for _, v := range *f {
			dst = appendVarint(append(dst, id), v)
		}
	case *[]UserProperty:
		for _, u := range *f {
			dst = appendString(appendString(append(dst, id), u.Key), u.Value)
		}
	}
	return dst
}
