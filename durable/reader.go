package durable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// errShort says that a record ends inside a field.
var errShort = errors.New("it ends too early")

// reader takes the fields of a record off its front. After the first error it
// reads zeros, so that a parser can look at err once.
type reader struct {
	left []byte
	err  error
}

// parse reads a record with the version that f understands; what names the
// kind of record in errors.
func parse(what string, record []byte, version byte, f func(r *reader)) error { //nolint:unparam // they count each for itself, and all stand at 1
	r := &reader{left: record}
	if v := r.byte(); r.err == nil && v != version {
		r.fail(fmt.Errorf("it has version %d, this program knows version %d", v, version))
	}
	f(r)
	if r.err == nil && len(r.left) > 0 {
		r.fail(fmt.Errorf("there are %d bytes behind its end", len(r.left)))
	}
	if r.err != nil {
		return fmt.Errorf("%s record: %w", what, r.err)
	}
	return nil
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.left = nil
}

// unknown fails because of flags that this version doesn't know.
func (r *reader) unknown(flags byte) { r.fail(fmt.Errorf("its flags %#x are not known", flags)) }

// take takes n bytes, which stay the record's.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.left)) {
		r.fail(errShort)
		return nil
	}
	b := r.left[:n:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.left)
	if size <= 0 {
		r.fail(errShort)
		return 0
	}
	r.left = r.left[size:]
	return n
}

// below reads a number that is less than limit.
func (r *reader) below(limit uint64, what string) uint64 {
	n := r.number()
	if n >= limit {
		r.fail(fmt.Errorf("%s is %d, more than it can be", what, n))
		return 0
	}
	return n
}

// count reads how many things follow, of which each takes a byte at least.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.left)) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

func (r *reader) signed() int64 {
	n := r.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *reader) props() *mqtt.Properties {
	p, rest, err := mqtt.CutForwarded(r.left)
	if err != nil {
		r.fail(err)
		return nil
	}
	r.left = rest
	return p
}

func (r *reader) text() string { return string(r.take(r.number())) }

// textLike is text, and the same string as like if it is equal.
func (r *reader) textLike(like string) string {
	if b := r.take(r.number()); string(b) != like {
		return string(b)
	}
	return like
}

// maxZone bounds the zone of an address, which is a network interface, whose
// names are at most 15 bytes on Linux; so that a length is one byte.
const maxZone = 100

func (r *reader) addr() (a netip.AddrPort) {
	b := r.take(r.below(16+maxZone+2+1, "the length of the address"))
	if r.err == nil && len(b) > 0 {
		if err := a.UnmarshalBinary(b); err != nil || !a.IsValid() {
			r.fail(fmt.Errorf("%x is no address", b))
			return netip.AddrPort{}
		}
	}
	return a
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendAddr writes an address and what reader.addr needs to find its end.
func appendAddr(dst []byte, a netip.AddrPort) []byte {
	at := len(dst)
	dst = append(dst, 0)
	if !a.IsValid() {
		return dst
	}
	if len(a.Addr().Zone()) > maxZone {
		a = netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
	}
	if longer, err := a.AppendBinary(dst); err == nil {
		dst = longer
	}
	dst[at] = byte(len(dst) - at - 1)
	return dst
}
