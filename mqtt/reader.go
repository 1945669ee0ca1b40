package mqtt

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// reader takes the fields of one packet off the front of its bytes. The first
// failure sticks and takes away what is left, so that a decoder can read on
// and look at err once; field names serve the error's sentence.
type reader struct {
	left   []byte
	packet Type
	strict bool
	err    *Error
}

func (r *reader) fail(err *Error) {
	if r.err == nil {
		r.err = err
	}
	r.left = nil
}

func (r *reader) take(n int, field string) []byte {
	if n > len(r.left) {
		r.fail(malformed(wordFunctionClause, "%v ends inside its %s", r.packet, field))
		return nil
	}
	b := r.left[:n:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) byte(field string) byte {
	if b := r.take(1, field); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16(field string) uint16 {
	if b := r.take(2, field); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32(field string) uint32 {
	if b := r.take(4, field); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// varint reads a variable byte integer, which must use no more bytes than it
// needs [MQTT-1.5.5-1].
func (r *reader) varint(field string) uint32 {
	v, n := readVarint(r.left)
	switch {
	case n == 0 && len(r.left) < 4:
		r.fail(malformed(wordFunctionClause, "%v ends inside its %s", r.packet, field))
	case n == 0:
		r.fail(malformed(wordBadVarint, "%v: %s takes more than four bytes", r.packet, field))
	case n != varintSize(v):
		r.fail(malformed(wordBadVarint, "%v: %s takes %d bytes, expected %d", r.packet, field, n, varintSize(v)))
	default:
		r.left = r.left[n:]
		return v
	}
	return 0
}

// view reads bytes with a length before them; they stay where they are.
func (r *reader) view(field string) []byte {
	return r.take(int(r.uint16(field)), field)
}

// binary reads bytes with a length before them; never nil, so that present
// and empty differs from absent.
func (r *reader) binary(field string) []byte {
	return append([]byte{}, r.view(field)...)
}

func (r *reader) string(field string) string {
	b := r.view(field)
	r.checkText(b, field)
	return string(b)
}

// checkText refuses what no UTF-8 string of MQTT may hold [MQTT-1.5.4-1,
// MQTT-1.5.4-2] and, when strict, what it should not hold.
func (r *reader) checkText(b []byte, field string) {
	switch {
	case !utf8.Valid(b):
		r.fail(malformed(wordBadUTF8, "%v: %s is not UTF-8", r.packet, field))
	case bytes.IndexByte(b, 0) >= 0:
		r.fail(malformed(wordBadUTF8, "%v: %s holds the null character", r.packet, field))
	case r.strict && bytes.ContainsFunc(b, discouraged):
		r.fail(malformed(wordBadUTF8, "%v: %s holds a control or non-character", r.packet, field))
	}
}

// discouraged reports whether a rune is one that MQTT 5 clause 1.5.4 advises
// against: the control characters and Unicode's non-characters.
func discouraged(c rune) bool {
	return c < 0x20 || c >= 0x7F && c < 0xA0 || c >= 0xFDD0 && c <= 0xFDEF || c&0xFFFE == 0xFFFE
}

func (r *reader) packetID() uint16 {
	id := r.uint16("packet id")
	if id == 0 && r.err == nil { // [MQTT-2.2.1-3]
		r.fail(malformed(wordBadPacketID, "%v: packet id is 0, expected 1 to 65535", r.packet))
	}
	return id
}

// end is for packets whose last field has been read.
func (r *reader) end() {
	if n := len(r.left); n > 0 {
		r.fail(malformed(wordMalformed, "%v: length exceeds its fields by %d", r.packet, n))
	}
}

// readVarint reads the variable byte integer that begins b and returns its
// size; size 0: incomplete if b is shorter than four bytes, malformed if not.
func readVarint(b []byte) (v uint32, size int) {
	for i := 0; i < len(b) && i < 4; i++ {
		v |= uint32(b[i]&0x7F) << (7 * i)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

func varintSize(v uint32) int {
	switch {
	case v < 1<<7:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<21:
		return 3
	}
	return 4
}
