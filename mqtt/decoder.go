package mqtt

// MaxRemaining is the largest remaining length that MQTT can express, bytes.
const MaxRemaining = 1<<28 - 1

// Stream is what a connection remembers of its protocol between packets.
type Stream struct {
	Version       Version // 0 until the decoder has read CONNECT; a client sets it itself
	Client        bool    // this end is the client: packets come from a server
	Strict        bool    // refuse also what the standard merely advises against
	MaxPacketSize uint32  // largest remaining length taken, bytes; 0 no limit

	topic string // of the last PUBLISH: most publishers repeat it
}

// Decoder turns bytes into packets. It holds the packets that arrive often, so
// that decoding them allocates nothing: one Decoder serves all connections of
// a loop or goroutine, but not two goroutines at once. The zero value is ready.
type Decoder struct {
	publish Publish
	ack     Ack
	props   Properties // of either
}

// Next decodes the packet that begins buf and returns its size in bytes; size
// 0 without an error means that buf does not hold all of it yet, and then
// PacketSize may tell how much room it takes.
//
// A *Publish or *Ack and its Properties struct are the decoder's and valid
// until the next call; a Publish's payload is a view of buf. All else,
// including every string and every slice inside Properties, is freshly
// allocated and the caller's.
//
// What needs the meaning of topics or the state of a session is not judged
// here: wildcards in a topic name or no name at all, the form of filters, the
// limits of alias, receive maximum and client id, the order of packets.
//
// An error is always an *Error. It may come from the fixed header alone:
// nothing is allocated for a packet that is too large.
func (d *Decoder) Next(s *Stream, buf []byte) (p Packet, size int, err error) {
	if len(buf) == 0 {
		return nil, 0, nil
	}
	t, flags := Type(buf[0]>>4), buf[0]&0x0F
	if err := s.checkFirst(t, flags); err != nil {
		return nil, 0, err
	}
	length, n := readVarint(buf[1:])
	if n == 0 {
		if len(buf) > 4 {
			return nil, 0, malformed(wordBadVarint, "%v: remaining length takes more than four bytes", t)
		}
		return nil, 0, nil
	}
	if err := s.checkLength(t, length, n); err != nil {
		return nil, 0, err
	}
	size = 1 + n + int(length)
	if size > len(buf) {
		return nil, 0, nil
	}
	r := reader{left: buf[1+n : size : size], packet: t, strict: s.Strict}
	p = d.body(s, &r, flags)
	if r.err != nil {
		return nil, 0, r.err
	}
	return p, size, nil
}

// PacketSize returns the size in bytes of the packet that begins buf, fixed
// header included; ok is false while too little of it is there, or if its
// remaining length is malformed, which Next reports.
func PacketSize(buf []byte) (size int, ok bool) {
	if len(buf) < 2 {
		return 0, false
	}
	length, n := readVarint(buf[1:])
	return 1 + n + int(length), n > 0
}

// body decodes what follows the fixed header.
func (d *Decoder) body(s *Stream, r *reader, flags byte) Packet {
	switch r.packet {
	case TypePublish:
		return d.readPublish(s, r, flags)
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		return d.readAck(s, r)
	case TypeConnect:
		return readConnect(s, r)
	case TypeConnack:
		return readConnack(s, r)
	case TypeSubscribe:
		return readSubscribe(s, r)
	case TypeSuback:
		return readSuback(s, r)
	case TypeUnsubscribe:
		return readUnsubscribe(s, r)
	case TypeUnsuback:
		return readUnsuback(s, r)
	case TypeDisconnect:
		return readDisconnect(s, r)
	case TypeAuth:
		return readAuth(s, r)
	case TypePingreq:
		r.end()
		return &Pingreq{}
	}
	r.end()
	return &Pingresp{}
}

// Which packet types each end may receive, one bit each.
const (
	bothWays = 1<<TypePublish | 1<<TypePuback | 1<<TypePubrec | 1<<TypePubrel | 1<<TypePubcomp |
		1<<TypeDisconnect | 1<<TypeAuth
	fromClient = bothWays | 1<<TypeConnect | 1<<TypeSubscribe | 1<<TypeUnsubscribe | 1<<TypePingreq
	fromServer = bothWays | 1<<TypeConnack | 1<<TypeSuback | 1<<TypeUnsuback | 1<<TypePingresp
)

// checkFirst judges the first byte alone, so that a peer that speaks another
// protocol is not waited for.
func (s *Stream) checkFirst(t Type, flags byte) *Error {
	expected := fromClient
	if s.Client {
		expected = fromServer
	}
	switch {
	case t == 0 || t == TypeAuth && s.Version != V5 && s.Version != 0:
		return malformed(wordMalformed, "packet type %d is reserved", t)
	case expected>>t&1 == 0:
		return broken(ProtocolError, "%v comes from the wrong side", t)
	case s.Version == 0 && t != TypeConnect:
		return broken(ProtocolError, "%v before CONNECT", t)
	case t == TypePublish:
		return s.checkPublishFlags(flags)
	case flags != reservedFlags(t) && s.Version != V31: // [MQTT-2.1.3-1]; 3.1 left them open
		return malformed(wordBadHeader, "%v: flags are %04b, expected %04b", t, flags, reservedFlags(t))
	}
	return nil
}

// reservedFlags are the fixed header flags of all packets but PUBLISH.
func reservedFlags(t Type) byte {
	switch t {
	case TypePubrel, TypeSubscribe, TypeUnsubscribe:
		return 0b0010
	}
	return 0
}

// checkLength judges the remaining length; size is the bytes it took. That it
// must take as few as it can is a rule of version 5 alone.
func (s *Stream) checkLength(t Type, length uint32, size int) *Error {
	switch {
	case s.MaxPacketSize > 0 && length > s.MaxPacketSize:
		return tooLarge(t, length, s.MaxPacketSize)
	case size != varintSize(length) && (s.Version == V5 || s.Strict):
		return malformed(wordBadVarint, "%v: remaining length takes %d bytes, expected %d", t, size, varintSize(length))
	}
	return nil
}
