package cluster

import (
	"encoding/binary"

	"github.com/dunlin-mq/dunlin/fields"
)

// The types of messages of KindRoutes. All but Want and Part are about the
// routes of their sender.
const (
	typeDelta   = 1 // epoch, number, routes to the end
	typeSummary = 2 // summary
	typeWant    = 3 // want
	typePart    = 4 // part, routes to the end
)

// summary is what a node tells of its routes every now and then.
type summary struct {
	epoch  uint64
	seq    uint64 // of its last delta
	digest uint64
	routes uint64
	absent []absent
}

// absent is a member that is not there, and which of its routes the sender has.
type absent struct {
	node       string
	epoch, seq uint64
}

// want asks for routes of a node: for the deltas after seq, or for all, part by
// part. Who doesn't have the deltas any more answers with the first part.
type want struct {
	origin     string // whose routes; the receiver's own, or an absent node's
	epoch, seq uint64
	whole      bool   // all, not deltas
	cursor     uint64 // of the part asked for
}

// part is a piece of all routes of a node, as they were after delta seq.
type part struct {
	origin       string
	epoch, seq   uint64
	cursor, next uint64 // of this part and of the next; 0: this is the last
}

func appendHead(dst []byte, kind byte, numbers ...uint64) []byte {
	dst = append(dst, wireVersion, kind)
	for _, n := range numbers {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func deltaMessage(epoch, seq uint64, routes []byte) []byte {
	return append(appendHead(nil, typeDelta, epoch, seq), routes...)
}

func appendSummary(dst []byte, s *summary) []byte {
	dst = appendHead(dst, typeSummary, s.epoch, s.seq, s.digest, s.routes, uint64(len(s.absent)))
	for _, a := range s.absent {
		dst = fields.AppendText(dst, a.node)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, a.epoch), a.seq)
	}
	return dst
}

func (r *reader) summary() (s summary) {
	s.epoch, s.seq, s.digest, s.routes = r.Number(), r.Number(), r.Number(), r.Number()
	for n := r.Count(); n > 0 && r.Err == nil; n-- {
		s.absent = append(s.absent, absent{r.Text(), r.Number(), r.Number()})
	}
	return s
}

func appendWant(dst []byte, w *want) []byte {
	whole := uint64(0)
	if w.whole {
		whole = 1
	}
	return fields.AppendText(appendHead(dst, typeWant, w.epoch, w.seq, w.cursor, whole), w.origin)
}

func (r *reader) want() (w want) {
	w.epoch, w.seq, w.cursor, w.whole = r.Number(), r.Number(), r.Number(), r.Number() != 0
	w.origin = r.Text()
	return w
}

func appendPart(dst []byte, p *part, routes []byte) []byte {
	dst = appendHead(dst, typePart, p.epoch, p.seq, p.cursor, p.next)
	return append(fields.AppendText(dst, p.origin), routes...)
}

func (r *reader) part() (p part) {
	p.epoch, p.seq, p.cursor, p.next = r.Number(), r.Number(), r.Number(), r.Number()
	p.origin = r.Text()
	return p
}
