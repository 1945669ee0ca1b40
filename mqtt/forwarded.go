package mqtt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Properties that travel with a message (ForwardedProps), as they are kept and
// handed on to other nodes:
//
//	length of the rest · which they are · payload format (1)? · expiry? ·
//	content type? · response topic? · correlation data? ·
//	user properties: how many, and of each its key and value ?
//
// What has a ? is there if it is among those that are. Numbers are varints, and
// so are the lengths before texts. It isn't MQTT's own form, since functions on
// hooks may have made the texts: these may be of any length and hold anything,
// also what no packet may.

// AppendForwarded appends those properties of p that travel with a message, for
// CutForwarded to read; none, as nil has, are one byte. It allocates nothing but
// dst's growth.
func (p *Properties) AppendForwarded(dst []byte) []byte {
	dst = append(dst, 0)
	if !p.Has(ForwardedProps) {
		return dst
	}
	at := len(dst)
	dst = binary.AppendUvarint(dst, uint64(p.Present&ForwardedProps))
	if p.Has(PropPayloadFormat) {
		dst = append(dst, p.PayloadFormat)
	}
	if p.Has(PropMessageExpiry) {
		dst = binary.AppendUvarint(dst, uint64(p.MessageExpiry))
	}
	if p.Has(PropContentType) {
		dst = appendText(dst, p.ContentType)
	}
	if p.Has(PropResponseTopic) {
		dst = appendText(dst, p.ResponseTopic)
	}
	if p.Has(PropCorrelationData) {
		dst = appendText(dst, p.CorrelationData)
	}
	if p.Has(PropUserProperty) {
		dst = binary.AppendUvarint(dst, uint64(len(p.UserProperties)))
		for _, u := range p.UserProperties {
			dst = appendText(appendText(dst, u.Key), u.Value)
		}
	}
	return finish(dst, at, 0)
}

// appendText is for texts of any length, unlike appendString.
func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

var (
	errForwardedShort = errors.New("properties: they end too early")
	errForwardedLong  = errors.New("properties: there is more than their fields")
)

// CutForwarded reads what AppendForwarded wrote off the front of b: nil for no
// properties. Their texts are parts of b if it is a string; of a slice they
// share one copy. The error says what is wrong, whatever b is.
func CutForwarded[T string | []byte](b T) (p *Properties, rest T, err error) {
	n, size := uvarint(b)
	if size == 0 || n > uint64(len(b)-size) {
		return nil, b, errForwardedShort
	}
	b = b[size:]
	if n > 0 {
		p, err = readForwarded(string(b[:n]))
	}
	return p, b[n:], err
}

func readForwarded(s string) (*Properties, error) {
	r := forwardedReader{left: s}
	p := &Properties{Present: Prop(r.uint32())}
	if wrong := p.Present &^ ForwardedProps; wrong != 0 {
		return nil, fmt.Errorf("properties: the set %#x has some that don't belong to a message", uint32(p.Present))
	}
	if p.Has(PropPayloadFormat) {
		p.PayloadFormat = r.byte()
	}
	if p.Has(PropMessageExpiry) {
		p.MessageExpiry = r.uint32()
	}
	if p.Has(PropContentType) {
		p.ContentType = r.text()
	}
	if p.Has(PropResponseTopic) {
		p.ResponseTopic = r.text()
	}
	if p.Has(PropCorrelationData) {
		p.CorrelationData = []byte(r.text())
	}
	if p.Has(PropUserProperty) {
		p.UserProperties = r.userProperties()
	}
	switch {
	case r.short || p.Present == 0:
		return nil, errForwardedShort
	case r.left != "":
		return nil, errForwardedLong
	}
	return p, nil
}

// forwardedReader takes fields off the front of left; behind its end it reads
// zeros.
type forwardedReader struct {
	left  string
	short bool
}

func (r *forwardedReader) take(n uint64) string {
	if n > uint64(len(r.left)) {
		r.left, r.short = "", true
		return ""
	}
	s := r.left[:n]
	r.left = r.left[n:]
	return s
}

func (r *forwardedReader) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *forwardedReader) number() uint64 {
	n, size := uvarint(r.left)
	if size == 0 {
		r.left, r.short = "", true
		return 0
	}
	r.left = r.left[size:]
	return n
}

func (r *forwardedReader) uint32() uint32 {
	n := r.number()
	if n >= 1<<32 {
		r.left, r.short = "", true
		return 0
	}
	return uint32(n)
}

func (r *forwardedReader) text() string { return r.take(r.number()) }

func (r *forwardedReader) userProperties() []UserProperty {
	n := r.number()
	if n > uint64(len(r.left))/2 { // each has two lengths at least
		r.left, r.short = "", true
		return nil
	}
	list := make([]UserProperty, n)
	for i := range list {
		list[i] = UserProperty{Key: r.text(), Value: r.text()}
	}
	return list
}

// uvarint is binary.Uvarint, of strings too; size 0: b has no whole number that
// fits.
func uvarint[T string | []byte](b T) (n uint64, size int) {
	for i := range min(len(b), binary.MaxVarintLen64) {
		n |= uint64(b[i]&0x7F) << (7 * i)
		if b[i] < 0x80 {
			if i == binary.MaxVarintLen64-1 && b[i] > 1 {
				return 0, 0
			}
			return n, i + 1
		}
	}
	return 0, 0
}
