package cluster

import (
	"encoding/binary"
	"errors"

	"github.com/dunlin-mq/dunlin/fields"
)

// The types of messages of KindExclusive.
const (
	typeExclusiveAsk    = 1 // bids…
	typeExclusiveAnswer = 2 // verdicts…
)

// bid is a topic that a client of the sender has for itself, or asks for.
type bid struct {
	name, client string
	epoch        uint64
	granted      bool // the client has it
}

// verdict is what one node says to a bid.
type verdict struct {
	name    string
	epoch   uint64 // of the bid
	granted bool   // as the bid said
	refused bool   // another client has it, or asked before
}

const (
	bidGranted = 1 << iota
	bidRefused
)

func appendBid(dst []byte, w *bid) []byte {
	dst = binary.AppendUvarint(fields.AppendText(fields.AppendText(dst, w.name), w.client), w.epoch)
	return append(dst, bidBits(w.granted, false))
}

func (r *reader) bid() (w bid) {
	w.name, w.client, w.epoch = r.Text(), r.Text(), r.Number()
	w.granted = r.Byte()&bidGranted != 0
	if w.name == "" || w.client == "" {
		r.Fail(errNoBid)
	}
	return w
}

var errNoBid = errors.New("an exclusive topic has no name, or no client")

func appendVerdict(dst []byte, v *verdict) []byte {
	return append(binary.AppendUvarint(fields.AppendText(dst, v.name), v.epoch), bidBits(v.granted, v.refused))
}

func (r *reader) verdict() (v verdict) {
	v.name, v.epoch = r.Text(), r.Number()
	bits := r.Byte()
	v.granted, v.refused = bits&bidGranted != 0, bits&bidRefused != 0
	return v
}

func bidBits(granted, refused bool) (bits byte) {
	if granted {
		bits |= bidGranted
	}
	if refused {
		bits |= bidRefused
	}
	return bits
}
