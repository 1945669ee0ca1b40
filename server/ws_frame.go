package server

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Operation codes of frames, RFC 6455 clause 5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// Close codes, RFC 6455 clause 7.4.1.
const (
	closeNormal      = 1000
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeTooBig      = 1009
)

const (
	finBit         = 0x80
	maskBit        = 0x80
	maxWSHeader    = 14
	maxControl     = 125 // bytes of payload of a control frame, clause 5.5
	maxShortLength = 125
)

// wsFraming is a WebSocket (RFC 6455) as the server's side of MQTT sees it: the
// payload of binary frames is a stream of bytes, however it is cut into frames
// [MQTT-6.0.0-1, MQTT-6.0.0-2]. Payload is passed on as it arrives, so the
// length of a frame costs nothing, and nothing is kept between two frames.
type wsFraming struct {
	options *WS
	partial []byte // of the HTTP request, of a frame's header, or of a control frame's payload
	left    uint64 // of the frame's payload
	mask    [4]byte
	offset  uint8  // in the mask
	op      byte   // of the frame whose payload is being read
	status  uint16 // close code to end with; 0: normal
	message bool   // a message in several frames is under way
	open    bool   // the HTTP request has been answered
}

func newWSFraming(o *WS) *wsFraming { return &wsFraming{options: o} }

func (w *wsFraming) feed(c *conn, p *pass, data []byte) {
	if !w.open {
		data = w.greet(c, p, data)
	}
	for len(data) > 0 && !c.ended() {
		switch {
		case w.left == 0:
			data = w.header(c, p, data)
		case w.op >= opClose:
			data = w.control(c, p, data)
		default:
			n := int(min(uint64(len(data)), w.left))
			w.unmask(data[:n])
			c.feed(p, data[:n])
			data = data[n:]
		}
	}
}

// unmask undoes the client's masking, in place, and counts the bytes as read.
func (w *wsFraming) unmask(data []byte) {
	ws.Cipher(data, w.mask, int(w.offset))
	w.offset = uint8((int(w.offset) + len(data)) & 3)
	w.left -= uint64(len(data))
}

// wsHeader is the header of a frame.
type wsHeader struct {
	first  byte // fin, reserved bits, operation code
	masked bool
	mask   [4]byte
	length uint64
}

// parseWSHeader reads the header at the beginning of b; n is 0 if it isn't
// whole.
func parseWSHeader(b []byte) (h wsHeader, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h.first, h.masked, h.length = b[0], b[1]&maskBit != 0, uint64(b[1]&^maskBit)
	n = 2
	switch h.length {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	whole := n
	if h.masked {
		whole += 4
	}
	if len(b) < whole {
		return h, 0
	}
	switch n {
	case 4:
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		h.length = binary.BigEndian.Uint64(b[2:])
	}
	if h.masked {
		copy(h.mask[:], b[n:])
	}
	return h, whole
}

// header takes a frame's header off data.
func (w *wsFraming) header(c *conn, p *pass, data []byte) []byte {
	had := len(w.partial)
	head := data
	if had > 0 {
		w.partial = append(w.partial, data[:min(len(data), maxWSHeader-had)]...)
		head = w.partial
	}
	h, n := parseWSHeader(head)
	if n == 0 {
		if had == 0 {
			w.partial = slices.Clone(data)
		}
		return nil
	}
	w.partial = nil
	if status, why := w.check(&h); status != 0 {
		w.refuse(c, status, why)
		return nil
	}
	w.mask, w.offset, w.left, w.op = h.mask, 0, h.length, h.first&0xf
	if w.op < opClose {
		w.message = h.first&finBit == 0
	}
	if w.op >= opClose && w.left == 0 {
		w.answer(c, p, nil)
	}
	return data[n-had:]
}

// check judges a header: a close code and why, 0 if it is good.
func (w *wsFraming) check(h *wsHeader) (status uint16, why string) {
	op, fin := h.first&0xf, h.first&finBit != 0
	limit := uint64(w.options.MaxFrameSize)
	switch {
	case h.first&0x70 != 0:
		return closeProtocol, "a frame with reserved bits, and no extension was agreed on"
	case !h.masked:
		return closeProtocol, "a frame of a client that isn't masked"
	case h.length > 1<<63-1:
		return closeProtocol, "a frame whose length has its highest bit set"
	case op == opText:
		return closeUnsupported, "a text frame; MQTT needs binary ones" // [MQTT-6.0.0-1]
	case op > opBinary && op < opClose || op > opPong:
		return closeProtocol, "a frame with an unknown operation code"
	case op >= opClose && (!fin || h.length > maxControl):
		return closeProtocol, "a control frame in fragments or longer than 125 bytes"
	case op == opBinary && w.message || op == opContinuation && !w.message:
		return closeProtocol, "fragments out of order"
	case op < opClose && limit > 0 && h.length > limit:
		return closeTooBig, "a frame longer than max_frame_size"
	}
	return 0, ""
}

// control gathers the payload of a control frame.
func (w *wsFraming) control(c *conn, p *pass, data []byte) []byte {
	n := int(min(uint64(len(data)), w.left))
	w.unmask(data[:n])
	payload := data[:n]
	if w.left > 0 || len(w.partial) > 0 {
		w.partial = append(w.partial, payload...)
		payload = w.partial
	}
	if w.left == 0 {
		w.partial = nil
		w.answer(c, p, payload)
	}
	return data[n:]
}

// answer does what a control frame asks for.
func (w *wsFraming) answer(c *conn, p *pass, payload []byte) {
	switch w.op {
	case opPing:
		// A client that pings and reads no answers gets none: clause 5.5.3
		// lets the last one stand for all.
		if !c.Full() {
			c.answer(p, append([]byte{finBit | opPong, byte(len(payload))}, payload...))
		}
	case opClose:
		if status, ok := closeStatus(payload); ok {
			w.status = status
			c.endWith(broker.Ending{Word: "closed"}, nil)
		} else {
			w.refuse(c, closeProtocol, "a close frame with a payload that isn't one")
		}
	}
}

// closeStatus is the close code in a close frame; ok: the payload may be sent
// in one, clauses 5.5.1 and 7.4.
func closeStatus(payload []byte) (status uint16, ok bool) {
	if len(payload) == 0 {
		return closeNormal, true
	}
	if len(payload) < 2 || !utf8.Valid(payload[2:]) {
		return 0, false
	}
	status = binary.BigEndian.Uint16(payload)
	switch {
	case status < 1000 || status >= 5000, status == 1004, status == 1005, status == 1006,
		status > 1014 && status < 3000:
		return 0, false
	}
	return status, true
}

// refuse closes the WebSocket because of what the client did.
func (w *wsFraming) refuse(c *conn, status uint16, why string) {
	w.status = status
	word := "websocket_error"
	switch status {
	case closeUnsupported:
		word = "unexpected_ws_frame"
	case closeTooBig:
		word = "frame_too_large"
	}
	c.fail(mqtt.ProtocolError, word, why)
}

// goodbye is framing's.
func (w *wsFraming) goodbye(dst []byte) []byte {
	if !w.open {
		return dst
	}
	status := w.status
	if status == 0 {
		status = closeNormal
	}
	return append(dst, finBit|opClose, 2, byte(status>>8), byte(status))
}

// seal is framing's: one frame for all that gathered, or one for each packet.
func (w *wsFraming) seal(o *output) {
	n := o.unsealed()
	switch {
	case n == 0 || !w.open:
	case w.options.Piggyback == "single":
		o.replace(framePackets(o.gather()))
	default:
		var head [maxWSHeader]byte
		o.prepend(appendWSHeader(head[:0], n))
	}
}

// appendWSHeader appends the header of a binary frame of n bytes.
func appendWSHeader(dst []byte, n int) []byte {
	dst = append(dst, finBit|opBinary)
	switch {
	case n <= maxShortLength:
		return append(dst, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
}

// framePackets puts each MQTT packet in packets into a frame of its own.
func framePackets(packets []byte) []byte {
	out := make([]byte, 0, len(packets)+len(packets)/8+maxWSHeader)
	for len(packets) > 0 {
		length, used := binary.Uvarint(packets[1:]) // the Remaining Length is one, MQTT clause 1.5.5
		n := 1 + used + int(length)
		out = append(appendWSHeader(out, n), packets[:n]...)
		packets = packets[n:]
	}
	return out
}
