// Package fields takes records and messages apart that this program has put
// together itself: states that are kept, what nodes send each other. Whatever
// the bytes are, reading them ends with values or with an error; nothing is
// allocated for what isn't there. It has no formats, which belong to those who
// write them, and isn't for MQTT's packets.
//
// Numbers are varints of encoding/binary, signed ones in zigzag; of a text or
// slice its length comes first.
package fields

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrShort says that there are fewer bytes than a field needs.
var ErrShort = errors.New("it ends too early")

// Reader takes fields off the front of what is left. After the first error
// nothing is left and it reads zeros, so that who reads may look at Err once.
type Reader struct {
	Left []byte
	Err  error
}

// Fail ends the reading with err, unless it has ended before.
func (r *Reader) Fail(err error) {
	if r.Err == nil {
		r.Err = err
	}
	r.Left = nil
}

// Version reads the byte that begins a record. It fails if that isn't the only
// one that this program knows.
func (r *Reader) Version(known byte) {
	if v := r.Byte(); r.Err == nil && v != known {
		r.Fail(fmt.Errorf("it has version %d, this program knows version %d", v, known))
	}
}

// End fails if anything is left, and returns Err.
func (r *Reader) End() error {
	if r.Err == nil && len(r.Left) > 0 {
		r.Fail(fmt.Errorf("there are %d bytes behind its end", len(r.Left)))
	}
	return r.Err
}

// Take takes n bytes. They remain where they are, with no room behind them.
func (r *Reader) Take(n uint64) []byte {
	if n > uint64(len(r.Left)) {
		r.Fail(ErrShort)
		return nil
	}
	b := r.Left[:n:n]
	r.Left = r.Left[n:]
	return b
}

// Byte reads one.
func (r *Reader) Byte() byte {
	if len(r.Left) == 0 {
		r.Fail(ErrShort)
		return 0
	}
	b := r.Left[0]
	r.Left = r.Left[1:]
	return b
}

// Flag reads a byte that is 1 or not.
func (r *Reader) Flag() bool { return r.Byte() == 1 }

// Uint16 reads two bytes, the higher one first.
func (r *Reader) Uint16() uint16 {
	if b := r.Take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Number reads a varint.
func (r *Reader) Number() uint64 {
	n, size := binary.Uvarint(r.Left)
	if size <= 0 {
		r.Fail(ErrShort)
		return 0
	}
	r.Left = r.Left[size:]
	return n
}

// Signed reads a varint in zigzag.
func (r *Reader) Signed() int64 {
	n := r.Number()
	return int64(n>>1) ^ -int64(n&1)
}

// Below reads a varint that has to be less than limit; what it is stands in the
// error.
func (r *Reader) Below(limit uint64, what string) uint64 {
	n := r.Number()
	if n >= limit {
		r.Fail(fmt.Errorf("%s is %d, less than %d was expected", what, n, limit))
		return 0
	}
	return n
}

// Count reads how many things follow, of which each takes a byte at least: so
// no number makes anybody allocate what the bytes have no room for.
func (r *Reader) Count() int {
	n := r.Number()
	if n > uint64(len(r.Left)) {
		r.Fail(ErrShort)
		return 0
	}
	return int(n)
}

// Bytes reads a slice, which remains where it is.
func (r *Reader) Bytes() []byte { return r.Take(r.Number()) }

// Text reads a copy of a text.
func (r *Reader) Text() string { return string(r.Bytes()) }

// TextLike is Text, but like itself, and no copy, where the text is the same.
func (r *Reader) TextLike(like string) string {
	if b := r.Bytes(); string(b) != like {
		return string(b)
	}
	return like
}

// AppendText appends what Text and Bytes read.
func AppendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
