package durable

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Message is what a record of the log holds beside its topic, which the log
// keeps itself.
type Message struct {
	*mqtt.Message

	// Origin tells a QoS 2 message of a durable session from every other one
	// of its client, so that after a crash the log can say whether it is in;
	// see session.Session.Await. Zero: none.
	Origin Origin

	// To is the client id of the one session that the message is for, as one
	// of a shared group; empty: all that match.
	To string
}

// Origin is a QoS 2 flow from a client.
type Origin struct {
	PacketID uint16
	Flow     uint64 // session.Flow.Num
}

// A message's record, all numbers but the first four varints:
//
//	version (1) · flags (2) · time (6, milliseconds) · expiry? · publisher ·
//	user name? · address? · properties? · origin? · to? · payload
//
// The expiry is relative to the time. What has a ? is there if its flag is
// set. Properties are as mqtt.Properties.AppendForwarded writes them.
const (
	messageVersion = 1

	msgQoS     = 0b11
	msgRetain  = 1 << 2
	msgSys     = 1 << 3
	msgExpires = 1 << 4
	msgUser    = 1 << 5
	msgPeer    = 1 << 6
	msgProps   = 1 << 7
	msgOrigin  = 1 << 8
	msgTo      = 1 << 9
	msgFlags   = 1<<10 - 1 // all of them

	timeSize = 6
)

// AppendMessage appends m's record to dst. The topic, the DUP flag, which is a
// matter of the publisher's connection [MQTT-3.3.1-3], and the position in the
// log are not in it. It allocates nothing but dst's growth: a plain message
// takes 11 bytes beside its payload, its publisher's client id and address.
func AppendMessage(dst []byte, m Message) []byte {
	at := len(dst)
	flags := uint16(m.QoS) & msgQoS
	set := func(flag uint16, on bool) bool {
		if on {
			flags |= flag
		}
		return on
	}
	dst = append(dst, messageVersion, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Timestamp)<<(64-8*timeSize))[:len(dst)+timeSize]
	set(msgRetain, m.Retain)
	set(msgSys, m.Sys)
	if set(msgExpires, m.ExpiresAt != 0) {
		dst = binary.AppendVarint(dst, m.ExpiresAt-m.Timestamp)
	}
	dst = fields.AppendText(dst, m.From)
	if set(msgUser, m.Username != "") {
		dst = fields.AppendText(dst, m.Username)
	}
	if set(msgPeer, m.PeerAddr.IsValid()) {
		dst = appendAddr(dst, m.Peer())
	}
	if set(msgProps, m.Props.Has(mqtt.ForwardedProps)) {
		dst = m.Props.AppendForwarded(dst)
	}
	if set(msgOrigin, m.Origin != Origin{}) {
		dst = binary.BigEndian.AppendUint16(dst, m.Origin.PacketID)
		dst = binary.AppendUvarint(dst, m.Origin.Flow)
	}
	if set(msgTo, m.To != "") {
		dst = fields.AppendText(dst, m.To)
	}
	binary.BigEndian.PutUint16(dst[at+1:], flags)
	return append(dst, m.Payload...)
}

// ParseMessage reads the record that the log has under topic at a position.
// The message is a kept one and has nothing of the record's memory.
func ParseMessage(at mqtt.At, topic string, record []byte) (Message, error) {
	m := Message{Message: &mqtt.Message{Topic: topic}}
	m.SetAt(at)
	if err := parse("message", record, messageVersion, m.read); err != nil {
		return Message{}, err
	}
	m.Own()
	return m, nil
}

func (m *Message) read(r *reader) {
	flags := r.Uint16()
	m.QoS = mqtt.QoS(flags & msgQoS)
	if flags&^msgFlags != 0 || m.QoS > 2 {
		r.Fail(fmt.Errorf("its flags %#x are not known", flags))
	}
	m.Retain, m.Sys = flags&msgRetain != 0, flags&msgSys != 0
	if t := r.Take(timeSize); t != nil {
		m.Timestamp = int64(binary.BigEndian.Uint16(t))<<32 | int64(binary.BigEndian.Uint32(t[2:]))
	}
	if flags&msgExpires != 0 {
		m.ExpiresAt = m.Timestamp + r.Signed()
	}
	m.From = r.Text()
	if flags&msgUser != 0 {
		m.Username = r.Text()
	}
	if flags&msgPeer != 0 {
		m.SetPeer(r.addr())
	}
	if flags&msgProps != 0 {
		m.Props = r.props()
	}
	if flags&msgOrigin != 0 {
		m.Origin = Origin{PacketID: r.Uint16(), Flow: r.Number()}
	}
	if flags&msgTo != 0 {
		m.To = r.Text()
	}
	if m.Payload, r.Left = append(m.Payload, r.Left...), nil; r.Err == nil && flags&msgExpires != 0 && m.ExpiresAt == 0 {
		r.Fail(errors.New("it expires at 0"))
	}
}
