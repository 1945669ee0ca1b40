package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Every message between nodes begins with the version of its format and its
// type. A node understands formats up to its own version, and whoever adds to a
// format either appends to a part that has a length or gives it a new type, so
// that two versions can stand side by side while a cluster is upgraded.
const wireVersion = 1

var errTruncated = errors.New("the message ends inside a field")

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// reader takes fields off the front of a message. The first failure sticks, so
// that one may read on and look at err once.
type reader struct {
	left []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.left = nil
}

// head reads version and type.
func (r *reader) head() (kind byte) {
	if v := r.byte(); r.err == nil && v != wireVersion {
		r.fail(fmt.Errorf("the message has format version %d, expected %d", v, wireVersion))
	}
	return r.byte()
}

func (r *reader) byte() byte {
	if len(r.left) == 0 {
		r.fail(errTruncated)
		return 0
	}
	b := r.left[0]
	r.left = r.left[1:]
	return b
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.left)
	if n <= 0 {
		r.fail(errTruncated)
		return 0
	}
	r.left = r.left[n:]
	return v
}

// int reads a number that must not be above most.
func (r *reader) int(most int) int {
	v := r.uint()
	if v > uint64(most) {
		r.fail(fmt.Errorf("the message has %d where %d is the most", v, most))
		return 0
	}
	return int(v)
}

// count reads how many things follow, each of at least one byte: a number that
// the message has no room for must not make anybody allocate.
func (r *reader) count() int { return r.int(len(r.left)) }

// view reads bytes with a length before them; they stay where they are.
func (r *reader) view() []byte {
	n := r.uint()
	if n > uint64(len(r.left)) {
		r.fail(errTruncated)
		return nil
	}
	b := r.left[:n:n]
	r.left = r.left[n:]
	return b
}

func (r *reader) string() string { return string(r.view()) }
