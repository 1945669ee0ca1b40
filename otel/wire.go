package otel

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// message is a message of Protocol Buffers that is being written; its methods
// append one field each. Zero values are written like others where they mean
// something.
type message []byte

// The wire types that OTLP needs.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func (m *message) tag(field, wire int) { *m = binary.AppendUvarint(*m, uint64(field)<<3|uint64(wire)) }

func (m *message) number(field int, v uint64) {
	m.tag(field, wireVarint)
	*m = binary.AppendUvarint(*m, v)
}

func (m *message) fixed64(field int, v uint64) {
	m.tag(field, wireFixed64)
	*m = binary.LittleEndian.AppendUint64(*m, v)
}

func (m *message) fixed32(field int, v uint32) {
	m.tag(field, wireFixed32)
	*m = binary.LittleEndian.AppendUint32(*m, v)
}

func (m *message) double(field int, v float64) { m.fixed64(field, math.Float64bits(v)) }

// text leaves an empty string out, which is what it means.
func (m *message) text(field int, s string) {
	if s == "" {
		return
	}
	m.tag(field, wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(s))), s...)
}

func (m *message) bytes(field int, b []byte) {
	m.tag(field, wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(b))), b...)
}

// packed64 is a list of numbers of eight bytes.
func (m *message) packed64(field int, all []uint64) {
	m.tag(field, wireBytes)
	*m = binary.AppendUvarint(*m, uint64(8*len(all)))
	for _, v := range all {
		*m = binary.LittleEndian.AppendUint64(*m, v)
	}
}

// inner is a message in this one; its length goes in front when it is known.
func (m *message) inner(field int, write func()) {
	m.tag(field, wireBytes)
	at := len(*m)
	write()
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(*m)-at))
	*m = slices.Insert(*m, at, length[:n]...)
}

// attribute is a key with a value that is text.
func (m *message) attribute(field int, key, value string) {
	m.inner(field, func() {
		m.text(1, key)
		m.inner(2, func() { m.bytes(1, []byte(value)) })
	})
}

// attributeNumber is a key with a whole number.
func (m *message) attributeNumber(field int, key string, value int64) {
	m.inner(field, func() {
		m.text(1, key)
		m.inner(2, func() { m.number(3, uint64(value)) })
	})
}

var errWire = errors.New("the collector's answer is no message of Protocol Buffers")

// eachField reads a message: f gets every field that is a number or bytes.
func eachField(text []byte, f func(field int, number uint64, bytes []byte)) error {
	for len(text) > 0 {
		tag, n := binary.Uvarint(text)
		if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
			return errWire
		}
		text = text[n:]
		field, skip := int(tag>>3), 0
		switch tag & 7 {
		case wireVarint:
			v, n := binary.Uvarint(text)
			if n <= 0 {
				return errWire
			}
			f(field, v, nil)
			skip = n
		case wireBytes:
			length, n := binary.Uvarint(text)
			if n <= 0 || length > uint64(len(text)-n) {
				return errWire
			}
			skip = n + int(length)
			f(field, 0, text[n:skip])
		case wireFixed64:
			skip = 8
		case wireFixed32:
			skip = 4
		default:
			return errWire
		}
		if skip > len(text) {
			return errWire
		}
		text = text[skip:]
	}
	return nil
}

// partial reads what an Export…ServiceResponse says was not taken, and why.
func partial(answer []byte) (rejected int64, why string, err error) {
	var wrong error
	err = eachField(answer, func(field int, _ uint64, bytes []byte) {
		if field != 1 || bytes == nil {
			return
		}
		wrong = eachField(bytes, func(field int, number uint64, bytes []byte) {
			switch {
			case field == 1 && bytes == nil:
				rejected = max(int64(number), 0)
			case field == 2:
				why = string(bytes)
			}
		})
	})
	return rejected, why, errors.Join(err, wrong)
}
