package mqtt

import "net/netip"

// Message is the unit that the broker routes: one PUBLISH on its way from a
// publisher to any number of subscribers.
//
// While it is being routed a Message may be borrowed: it and its payload then
// live in buffers that the publisher's connection uses again as soon as
// routing returns. Whoever wants it longer calls Keep. A kept message is
// immutable and shared: nobody may change it, its payload or its properties.
type Message struct {
	Topic   string
	Payload []byte
	Props   *Properties // only ForwardedProps; nil: none. ExpiresAt goes before its MessageExpiry

	From     string     // client id of the publisher, or the name of the part of the broker that made it
	Username string     // of the publisher; empty: none
	PeerAddr netip.Addr // of the publisher, see Peer; zero for the broker's own

	Timestamp int64 // when it entered the broker, Unix milliseconds
	ExpiresAt int64 // Unix milliseconds; 0 never

	// These fill one word: with it a kept message takes 144 bytes, else 160.
	PeerPort uint16
	LogShard uint16 // see At
	QoS      QoS
	Retain   bool
	Dup      bool
	Sys      bool // the broker's own $SYS traffic: not counted as the users'

	LogSeq uint64 // see At; 0: the broker's log doesn't hold it

	kept *Message // the stable copy; itself, if this is one
}

// At is a place in the broker's log of messages. The zero value is none, as
// sequence numbers begin at 1.
type At struct {
	Shard int
	Seq   uint64
}

// Zero reports whether a is nowhere.
func (a At) Zero() bool { return a == At{} }

// At is where the broker's log holds m, see package durable; zero: nowhere.
func (m *Message) At() At { return At{Shard: int(m.LogShard), Seq: m.LogSeq} }

// SetAt sets that; a shard has a number below 65,536.
func (m *Message) SetAt(at At) { m.LogShard, m.LogSeq = uint16(at.Shard), at.Seq }

// Peer is the address of m's publisher; zero for the broker's own messages.
func (m *Message) Peer() netip.AddrPort { return netip.AddrPortFrom(m.PeerAddr, m.PeerPort) }

// SetPeer sets that.
func (m *Message) SetPeer(peer netip.AddrPort) { m.PeerAddr, m.PeerPort = peer.Addr(), peer.Port() }

// SetPublish fills m, whatever it held before, with the message that p carries
// and the time now, Unix milliseconds; who sent it is left empty. Nothing is
// copied: m borrows p's payload and takes its Properties over, in which only
// the message's own remain present.
//
// An expiry of 0 seconds counts as none, as it does for EMQ X.
func (m *Message) SetPublish(p *Publish, now int64) {
	*m = Message{Topic: p.Topic, Payload: p.Payload, Timestamp: now, QoS: p.QoS, Retain: p.Retain, Dup: p.Dup}
	if !p.Props.Has(ForwardedProps) {
		return
	}
	m.Props = p.Props
	m.Props.Present &= ForwardedProps
	if m.Props.Has(PropMessageExpiry) && m.Props.MessageExpiry > 0 {
		m.ExpiresAt = now + 1000*int64(m.Props.MessageExpiry)
	}
}

// Keep returns a copy of m that outlives the routing of m; all callers share
// one. It is not safe for concurrent use on a borrowed message; a kept
// message returns itself.
func (m *Message) Keep() *Message {
	if m.kept == nil {
		k := *m
		k.Payload = append([]byte(nil), m.Payload...)
		k.Props = m.Props.Copy(ForwardedProps) // strings and slices are never borrowed
		k.kept = &k
		m.kept = &k
	}
	return m.kept
}

// Own makes m itself the kept message, for one who has made it of memory that
// is used for nothing else, and returns m.
func (m *Message) Own() *Message {
	m.kept = m
	return m
}

// Placed returns a kept message that is m, a kept one, at its place in the log.
func (m *Message) Placed(at At) *Message {
	k := *m
	k.SetAt(at)
	return k.Own()
}

// Copy returns a message of its own that shares m's payload and properties and
// borrows them if m did: for one who changes the topic or a flag.
func (m *Message) Copy() *Message {
	k := *m
	k.kept = nil
	return &k
}

// Expired reports whether the message's expiry lies at or before now, Unix
// milliseconds [MQTT-3.3.2-5].
func (m *Message) Expired(now int64) bool { return m.ExpiresAt != 0 && m.ExpiresAt <= now }

// expiryTravels reports whether receivers are told of the expiry: when the
// publisher gave one, not when the broker limits how long it keeps a message.
func (m *Message) expiryTravels() bool { return m.ExpiresAt != 0 && m.Props.Has(PropMessageExpiry) }

// remainingExpiry is what is left of the expiry at now in seconds, rounded up:
// a message that is still alive must not look expired to its receiver.
func (m *Message) remainingExpiry(now int64) uint32 {
	left := (m.ExpiresAt - now + 999) / 1000
	return uint32(min(max(left, 0), 1<<32-1))
}
