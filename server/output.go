package server

import (
	"slices"
	"sync"
)

const (
	// largePayload is the size from which a payload is written from where it
	// lies instead of being copied into each receiver's output.
	largePayload = 8 << 10

	// keepOutput is the largest buffer that goes back to the pool.
	keepOutput = 32 << 10
)

// output is the bytes that wait to be written to one connection. A connection
// has one only while there are such bytes.
type output struct {
	parts [][]byte // complete; may belong to messages
	tail  []byte   // being appended to; ours
	size  int      // bytes in parts and tail

	// sealed is how many of parts have been through the connection's framing.
	// The tail never has, unless all of the output is being written.
	sealed int
}

var outputs = sync.Pool{New: func() any { return new(output) }}

// attach appends p without copying it; p must not change any more.
func (o *output) attach(p []byte) {
	o.parts = append(o.parts, o.tail, p)
	o.tail = nil
}

// skip drops the first n bytes, which were written.
func (o *output) skip(n int) {
	o.size -= n
	for len(o.parts) > 0 && n >= len(o.parts[0]) {
		n -= len(o.parts[0])
		o.parts[0] = nil
		o.parts = o.parts[1:]
		o.sealed = max(o.sealed-1, 0)
	}
	if len(o.parts) > 0 {
		o.parts[0] = o.parts[0][n:]
		return
	}
	if n == len(o.tail) {
		o.tail = o.tail[:0]
	} else {
		o.tail = append(o.tail[:0], o.tail[n:]...)
	}
}

// freeze makes all that is there a sealed part, so that what comes after it is
// framed on its own.
func (o *output) freeze() {
	if len(o.tail) > 0 {
		o.parts = append(o.parts, o.tail)
		o.tail = nil
	}
	o.sealed = len(o.parts)
}

// unsealed is how many bytes have still to be framed.
func (o *output) unsealed() int {
	n := len(o.tail)
	for _, p := range o.parts[o.sealed:] {
		n += len(p)
	}
	return n
}

// prepend puts head in front of what is not sealed; it is copied.
func (o *output) prepend(head []byte) {
	o.size += len(head)
	if len(o.parts) == o.sealed {
		o.tail = slices.Insert(o.tail, 0, head...)
		return
	}
	o.parts = slices.Insert(o.parts, o.sealed, slices.Clone(head))
}

// gather is all that is not sealed, in one piece.
func (o *output) gather() []byte { return append(slices.Concat(o.parts[o.sealed:]...), o.tail...) }

// replace puts p in the place of what is not sealed.
func (o *output) replace(p []byte) {
	o.size += len(p) - o.unsealed()
	clear(o.parts[o.sealed:])
	o.parts, o.tail = o.parts[:o.sealed], p
}

// write gives the link what it takes.
func (o *output) write(l link) error {
	for o.size > 0 {
		var n, asked int
		var err error
		if len(o.parts) == 0 {
			asked = len(o.tail)
			n, err = l.Write(o.tail)
		} else {
			asked = o.size
			n, err = l.Writev(append(o.parts, o.tail))
		}
		if err != nil {
			return err
		}
		o.skip(n)
		if n == 0 || n < asked && len(o.parts) == 0 {
			return nil
		}
	}
	return nil
}

// free gives the memory back.
func (o *output) free() {
	if cap(o.tail) > keepOutput {
		o.tail = nil
	}
	*o = output{tail: o.tail[:0]}
	outputs.Put(o)
}
