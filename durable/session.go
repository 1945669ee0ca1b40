package durable

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Session is what is kept of a durable session beside the state that it keeps
// itself (session.Session.Save): who its client is, for how long it lives, and
// what it has subscribed to. Times are Unix milliseconds.
type Session struct {
	ClientID string // the key of the record, not in it

	Created        int64
	OfflineAt      int64 // 0 while the client is connected, or was when the process ended
	ExpiryInterval uint32
	Node           string // that has the session
	Epoch          uint64 // grows each time another connection or node takes it; the higher one is right
	Will           *Will

	Zone       string
	Listener   string // by which the client came, and its protocol
	Protocol   string
	Username   string
	Mountpoint string
	CommonName string // of its certificate
	Subject    string
	Peer       netip.AddrPort

	ConnectedAt    int64
	Expires        int64 // when its credentials end, 0 never
	KeepAlive      uint16
	ReceiveMaximum uint16
	Version        mqtt.Version
	Bridge         bool
	Superuser      bool
	Anonymous      bool
	CleanStart     bool

	// Chunks is in how many records of their own the subscriptions are, and
	// Layout tells them from those of an earlier number; 0: they are in this
	// record. See Chunks.
	Chunks int
	Layout uint32

	Subscriptions []Subscription
}

// Will is the message that is published when the client vanishes.
type Will struct {
	Message *mqtt.Message // mounted
	Delay   uint32        // seconds
}

// Subscription is one topic filter of a session.
type Subscription struct {
	Filter string // mounted, with the prefix of a shared one
	mqtt.SubscribeOptions
	ID uint32

	// Since is, by shard, the first position of the log that it is for. Many
	// subscriptions may share the slice, and then take little room.
	Since []uint64
}

const sessionVersion = 1

const (
	sesWill = 1 << iota
	sesBridge
	sesSuperuser
	sesAnonymous
	sesCleanStart
	sesFlags = 1<<iota - 1 // all of them
)

// AppendSession appends s's record to dst; if s has Chunks, its Subscriptions
// are not in it.
func AppendSession(dst []byte, s *Session) []byte {
	flags := byte(0)
	for i, on := range []bool{s.Will != nil, s.Bridge, s.Superuser, s.Anonymous, s.CleanStart} {
		if on {
			flags |= 1 << i
		}
	}
	dst = append(dst, sessionVersion, flags, byte(s.Version))
	dst = binary.AppendVarint(dst, s.Created)
	dst = binary.AppendVarint(dst, s.OfflineAt)
	dst = binary.AppendUvarint(dst, uint64(s.ExpiryInterval))
	dst = fields.AppendText(dst, s.Node)
	dst = binary.AppendUvarint(dst, s.Epoch)
	for _, text := range s.texts() {
		dst = fields.AppendText(dst, *text)
	}
	dst = appendAddr(dst, s.Peer)
	dst = binary.AppendVarint(dst, s.ConnectedAt)
	dst = binary.AppendVarint(dst, s.Expires)
	dst = binary.AppendUvarint(dst, uint64(s.KeepAlive))
	dst = binary.AppendUvarint(dst, uint64(s.ReceiveMaximum))
	if s.Will != nil {
		dst = binary.AppendUvarint(dst, uint64(s.Will.Delay))
		dst = fields.AppendText(dst, s.Will.Message.Topic)
		dst = fields.AppendText(dst, AppendMessage(nil, Message{Message: s.Will.Message}))
	}
	dst = binary.AppendUvarint(dst, uint64(s.Chunks))
	dst = binary.AppendUvarint(dst, uint64(s.Layout))
	if s.Chunks > 0 {
		return dst
	}
	return appendSubscriptions(dst, slices.Values(s.Subscriptions))
}

// texts are the strings that are simply there, in the order of the record.
func (s *Session) texts() [7]*string {
	return [...]*string{&s.Zone, &s.Listener, &s.Protocol, &s.Username, &s.Mountpoint, &s.CommonName, &s.Subject}
}

// ParseSession reads the record of a client's session; the result has nothing
// of the record's memory.
func ParseSession(clientID string, record []byte) (*Session, error) {
	return new(sessionParser).parse(clientID, record)
}

// sessionParser parses many records: sessions that follow each other share the
// texts that are the same, as most are of a fleet.
type sessionParser struct{ last Session }

func (p *sessionParser) parse(clientID string, record []byte) (*Session, error) {
	s := &Session{ClientID: clientID}
	if err := parse("session", record, sessionVersion, func(r *reader) { s.read(r, &p.last) }); err != nil {
		return nil, err
	}
	p.last = Session{Node: s.Node}
	for i, text := range s.texts() {
		*p.last.texts()[i] = *text
	}
	return s, nil
}

func (s *Session) read(r *reader, last *Session) {
	flags := r.Byte()
	if flags&^sesFlags != 0 {
		r.unknown(flags)
	}
	s.Bridge, s.Superuser = flags&sesBridge != 0, flags&sesSuperuser != 0
	s.Anonymous, s.CleanStart = flags&sesAnonymous != 0, flags&sesCleanStart != 0
	s.Version = mqtt.Version(r.Byte())
	s.Created, s.OfflineAt = r.Signed(), r.Signed()
	s.ExpiryInterval = uint32(r.Below(1<<32, "the expiry interval"))
	s.Node, s.Epoch = r.TextLike(last.Node), r.Number()
	known := last.texts()
	for i, text := range s.texts() {
		*text = r.TextLike(*known[i])
	}
	s.Peer = r.addr()
	s.ConnectedAt, s.Expires = r.Signed(), r.Signed()
	s.KeepAlive = uint16(r.Below(1<<16, "the keepalive"))
	s.ReceiveMaximum = uint16(r.Below(1<<16, "the receive maximum"))
	if flags&sesWill != 0 {
		delay, topic := uint32(r.Below(1<<32, "the will's delay")), r.Text()
		m, err := ParseMessage(mqtt.At{}, topic, r.Take(r.Number()))
		if err != nil {
			r.Fail(fmt.Errorf("its will: %w", err))
		}
		s.Will = &Will{Message: m.Message, Delay: delay}
	}
	s.Chunks = int(r.Below(maxChunks+1, "the number of chunks"))
	s.Layout = uint32(r.Below(1<<32, "the layout"))
	if s.Chunks == 0 {
		s.Subscriptions = r.subscriptions()
	}
}

// A subscription: filter · QoS and flags (1) · identifier · since, if it
// differs from that of the one before.
const (
	subNoLocal   = 1 << 2
	subRetain    = 1 << 3
	subHandling  = 4      // shift
	subSameSince = 1 << 6 // as the one before, of the first: none
)

func appendSubscriptions(dst []byte, all iter.Seq[Subscription]) []byte {
	var since []uint64
	for s := range all {
		dst = append(dst, 1)
		dst = fields.AppendText(dst, s.Filter)
		options := byte(s.QoS) | s.RetainHandling<<subHandling
		if s.NoLocal {
			options |= subNoLocal
		}
		if s.RetainAsPublished {
			options |= subRetain
		}
		same := slices.Equal(since, s.Since)
		if same {
			options |= subSameSince
		}
		dst = binary.AppendUvarint(append(dst, options), uint64(s.ID))
		if same {
			continue
		}
		since = s.Since
		dst = binary.AppendUvarint(dst, uint64(len(since)))
		for _, seq := range since {
			dst = binary.AppendUvarint(dst, seq)
		}
	}
	return append(dst, 0)
}

func (r *reader) subscriptions() (all []Subscription) {
	var since []uint64
	for more := r.Byte(); more != 0; more = r.Byte() {
		s := Subscription{Filter: r.Text()}
		options := r.Byte()
		s.QoS, s.RetainHandling = mqtt.QoS(options&3), options>>subHandling&3
		s.NoLocal, s.RetainAsPublished = options&subNoLocal != 0, options&subRetain != 0
		s.ID = uint32(r.Below(1<<32, "the subscription identifier"))
		if options&subSameSince == 0 {
			since = nil
			for range r.Count() {
				since = append(since, r.Number())
			}
		}
		s.Since = since
		if more != 1 || s.QoS > 2 || s.Filter == "" || options>>7 != 0 {
			r.Fail(fmt.Errorf("subscription %d has no filter or unknown options %#x", len(all), options))
		}
		if r.Err != nil {
			return nil
		}
		all = append(all, s)
	}
	return all
}
