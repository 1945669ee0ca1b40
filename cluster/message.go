package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// The bits of an encoded message's first byte; its QoS is in the lowest two.
const (
	messageRetain = 1 << (iota + 2)
	messageDup
	messageSys
	messageExpires
	messageProps
	messageLogged
)

// appendMessage encodes all of m that another node needs, without a length. It
// allocates nothing if dst has room.
func appendMessage(dst []byte, m *mqtt.Message) []byte {
	bits := byte(m.QoS) & 3
	if m.Retain {
		bits |= messageRetain
	}
	if m.Dup {
		bits |= messageDup
	}
	if m.Sys {
		bits |= messageSys
	}
	if m.ExpiresAt != 0 {
		bits |= messageExpires
	}
	if m.Props.Has(mqtt.ForwardedProps) {
		bits |= messageProps
	}
	if m.LogSeq != 0 {
		bits |= messageLogged
	}
	dst = append(dst, bits)
	dst = fields.AppendText(dst, m.Topic)
	dst = fields.AppendText(dst, m.From)
	dst = fields.AppendText(dst, m.Username)
	dst = appendPeer(dst, m.Peer())
	dst = binary.AppendUvarint(dst, uint64(m.Timestamp))
	if m.ExpiresAt != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.ExpiresAt))
	}
	if m.LogSeq != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.LogShard))
		dst = binary.AppendUvarint(dst, m.LogSeq)
	}
	if bits&messageProps != 0 {
		dst = m.Props.AppendForwarded(dst)
	}
	return fields.AppendText(dst, m.Payload)
}

// appendPeer encodes an address; the zone of a link-local one means nothing
// elsewhere.
func appendPeer(dst []byte, peer netip.AddrPort) []byte {
	switch a := peer.Addr(); {
	case !a.IsValid():
		return append(dst, 0)
	case a.Is4():
		b := a.As4()
		dst = append(append(dst, 4), b[:]...)
	default:
		b := a.As16()
		dst = append(append(dst, 16), b[:]...)
	}
	return binary.BigEndian.AppendUint16(dst, peer.Port())
}

var (
	errNoTopic = errors.New("a message has no topic")
	errBadQoS  = errors.New("a message has QoS 3, expected 0 to 2")
	errBadSeq  = errors.New("a message's position in the log is 0, where its first is 1")
	errBadPeer = errors.New("a message's address has neither 4 nor 16 bytes")
)

// messageDecoder decodes messages one after the other. It remembers the texts of
// the last one, since messages of one publisher come together: those cost no
// allocation.
type messageDecoder struct{ topic, from, username string }

// message reads what appendMessage wrote into m, whose payload is a view of the
// reader's buffer.
func (d *messageDecoder) message(r *reader, m *mqtt.Message) error {
	bits := r.Byte()
	*m = mqtt.Message{
		QoS: mqtt.QoS(bits & 3), Retain: bits&messageRetain != 0, Dup: bits&messageDup != 0, Sys: bits&messageSys != 0,
		Topic: again(&d.topic, r.Bytes()), From: again(&d.from, r.Bytes()), Username: again(&d.username, r.Bytes()),
	}
	m.SetPeer(r.peer())
	m.Timestamp = int64(r.Number())
	if bits&messageExpires != 0 {
		m.ExpiresAt = int64(r.Number())
	}
	if bits&messageLogged != 0 {
		if m.LogShard, m.LogSeq = r.shard(), r.Number(); m.LogSeq == 0 {
			r.Fail(errBadSeq)
		}
	}
	if bits&messageProps != 0 {
		m.Props = r.properties()
	}
	m.Payload = r.Bytes()
	switch {
	case r.Err != nil:
		return r.Err
	case m.Topic == "":
		return errNoTopic
	case m.QoS > 2:
		return errBadQoS
	}
	return nil
}

// again is b as a string, the last one if it is the same.
func again(last *string, b []byte) string {
	if string(b) != *last {
		*last = string(b)
	}
	return *last
}

func (r *reader) shard() uint16 { return uint16(r.Below(1<<16, "the shard of a message")) }

func (r *reader) peer() (peer netip.AddrPort) {
	n := r.Byte()
	if n == 0 {
		return peer
	}
	addr, ok := netip.AddrFromSlice(r.Take(uint64(n)))
	if !ok {
		r.Fail(errBadPeer)
	}
	return netip.AddrPortFrom(addr, r.Uint16())
}

func (r *reader) properties() *mqtt.Properties {
	props, rest, err := mqtt.CutForwarded(r.Left)
	if err != nil {
		r.Fail(fmt.Errorf("a message's %w", err))
		return nil
	}
	r.Left = rest
	return props
}
