package cluster

import (
	"encoding/binary"
	"errors"

	"github.com/dunlin-mq/dunlin/fields"
)

// The types of messages of KindClaims.
const (
	typeClaims = 1 // start, batch, claims…
	typeAnswer = 2 // start, batch, answers…: to all claims of a batch; those not named have found nothing
	typeOffer  = 3 // answer: to one claim that had to wait, or that the sender knows of otherwise
	typePull   = 4 // piece without bytes: send me the session from there on
	typePiece  = 5 // piece
	typeTaken  = 6 // id, epoch: the claim is over; what was kept for it isn't needed
	typeAsk    = 7 // id, epoch: is it?
)

// ask is a claim as others see it.
type ask struct {
	id    string
	epoch uint64
	clean bool // the session is not wanted
	late  bool // the claim was granted before, without the receiver
	doubt bool // the sender has the session because the receiver went while it claimed it; what that has is newer
}

const (
	askClean = 1 << iota
	askLate
	askDoubt
)

// answer is what one node says to a claim.
type answer struct {
	id    string
	epoch uint64 // of the claim
	kind  answerKind

	node  string // outbid: whose claim is newer, and
	newer uint64 // its epoch

	rank  uint64 // offer: how old this copy is; the highest is the newest
	total uint64 // offer: bytes of the session,
	bytes []byte // and the first of them
}

type answerKind byte

const (
	answerNone   answerKind = iota // there is nothing here
	answerWait                     // an older claim of ours goes first; an Offer follows
	answerOutbid                   // another claim is newer
	answerOffer                    // the session is here, and kept until it is taken
)

// piece is a part of a session on its way.
type piece struct {
	id     string
	epoch  uint64 // of the claim
	offset uint64
	total  uint64
	bytes  []byte
}

func appendAsk(dst []byte, a *ask) []byte {
	dst = binary.AppendUvarint(fields.AppendText(dst, a.id), a.epoch)
	var bits byte
	if a.clean {
		bits |= askClean
	}
	if a.late {
		bits |= askLate
	}
	if a.doubt {
		bits |= askDoubt
	}
	return append(dst, bits)
}

func (r *reader) ask() (a ask) {
	a.id, a.epoch = r.Text(), r.Number()
	bits := r.Byte()
	a.clean, a.late, a.doubt = bits&askClean != 0, bits&askLate != 0, bits&askDoubt != 0
	if a.id == "" {
		r.Fail(errNoClient)
	}
	return a
}

var errNoClient = errors.New("a claim has no client id")

func appendAnswer(dst []byte, a *answer) []byte {
	dst = append(binary.AppendUvarint(fields.AppendText(dst, a.id), a.epoch), byte(a.kind))
	switch a.kind {
	case answerOutbid:
		dst = binary.AppendUvarint(fields.AppendText(dst, a.node), a.newer)
	case answerOffer:
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, a.rank), a.total)
		dst = fields.AppendText(dst, a.bytes)
	}
	return dst
}

func (r *reader) answer() (a answer) {
	a.id, a.epoch, a.kind = r.Text(), r.Number(), answerKind(r.Byte())
	switch a.kind {
	case answerOutbid:
		a.node, a.newer = r.Text(), r.Number()
	case answerOffer:
		a.rank, a.total, a.bytes = r.Number(), r.Number(), r.Bytes()
	}
	return a
}

func pieceMessage(kind byte, p *piece) []byte {
	dst := appendHead(nil, kind, p.epoch, p.offset, p.total)
	return fields.AppendText(fields.AppendText(dst, p.id), p.bytes)
}

func (r *reader) piece() (p piece) {
	p.epoch, p.offset, p.total = r.Number(), r.Number(), r.Number()
	p.id, p.bytes = r.Text(), r.Bytes()
	return p
}

func takenMessage(kind byte, id string, epoch uint64) []byte {
	return fields.AppendText(appendHead(nil, kind, epoch), id)
}
