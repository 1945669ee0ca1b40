package retain

import (
	"cmp"
	"encoding/binary"
	"strings"
	"unsafe"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// record is a retained message in one piece of memory that is never changed
// and holds no pointers:
//
//	flags · length of the topic (2) · topic · timestamp · expiry? ·
//	publisher · user name? · properties? · payload
//
// Times, and the lengths before texts, are varints; properties are as
// mqtt.Properties.AppendForwarded writes them. What has a ? is there if its flag
// is set. The empty record stands for no message. A record with
// nothing after the topic separates the nodes of the tree.
type record string

const (
	recQoS     = 0b11 // the two bits of the QoS
	recSys     = 1 << 2
	recExpires = 1 << 3
	recUser    = 1 << 4
	recProps   = 1 << 5
	recOurs    = 1 << 6 // the expiry is not the message's own

	topicAt = 3
)

// newRecord copies what is kept of m: all but the publisher's address and the
// DUP flag, which is a matter of the publisher's connection [MQTT-3.3.1-3].
// lifeEnds is the expiry of a message that has none of its own; 0: none.
func newRecord(m *mqtt.Message, lifeEnds int64) record {
	var space [256]byte
	head := append(space[:0], byte(m.QoS)&recQoS, byte(len(m.Topic)>>8), byte(len(m.Topic)))
	head = append(head, m.Topic...)
	head = binary.AppendUvarint(head, uint64(m.Timestamp))
	if m.Sys {
		head[0] |= recSys
	}
	expires := m.ExpiresAt
	if expires == 0 && lifeEnds != 0 {
		head[0] |= recOurs
		expires = lifeEnds
	}
	if expires != 0 {
		head[0] |= recExpires
		head = binary.AppendUvarint(head, uint64(expires))
	}
	head = appendText(head, m.From)
	if m.Username != "" {
		head[0] |= recUser
		head = appendText(head, m.Username)
	}
	if m.Props.Has(mqtt.ForwardedProps) {
		head[0] |= recProps
		head = m.Props.AppendForwarded(head)
	}
	var b strings.Builder
	b.Grow(len(head) + len(m.Payload))
	b.Write(head)
	b.Write(m.Payload)
	return record(b.String())
}

// newSeparator makes a record that has a topic and is no message.
func newSeparator(topic string) record {
	return record([]byte{0, byte(len(topic) >> 8), byte(len(topic))}) + record(topic)
}

func (r record) topicEnd() int { return topicAt + int(r[1])<<8 + int(r[2]) }

// topic is a part of the record, as are all texts of a record.
func (r record) topic() string { return string(r[topicAt:r.topicEnd()]) }

func (r record) timestamp() int64 {
	t, _ := cutUvarint(string(r[r.topicEnd():]))
	return int64(t)
}

// expires is Unix milliseconds; 0 never.
func (r record) expires() int64 {
	if r[0]&recExpires == 0 {
		return 0
	}
	_, rest := cutUvarint(string(r[r.topicEnd():]))
	t, _ := cutUvarint(rest)
	return int64(t)
}

func (r record) expired(now int64) bool {
	at := r.expires()
	return at != 0 && at <= now
}

// fill makes m the message. Its payload is the record's memory: it lives as
// long as anybody looks at it, and nobody may write to it. An expiry that only
// the store has set isn't told to subscribers [MQTT-3.3.2-6].
func (r record) fill(m *mqtt.Message) {
	flags := r[0]
	*m = mqtt.Message{Topic: r.topic(), QoS: mqtt.QoS(flags & recQoS), Sys: flags&recSys != 0, Retain: true}
	n, rest := cutUvarint(string(r[r.topicEnd():]))
	m.Timestamp = int64(n)
	if flags&recExpires != 0 {
		n, rest = cutUvarint(rest)
		if flags&recOurs == 0 {
			m.ExpiresAt = int64(n)
		}
	}
	m.From, rest = cutText(rest)
	if flags&recUser != 0 {
		m.Username, rest = cutText(rest)
	}
	if flags&recProps != 0 {
		m.Props, rest, _ = mqtt.CutForwarded(rest) // valid has seen that it can be read
	}
	m.Payload = bytesOf(rest)
}

// bytesOf is s seen as a slice that must not be written to: message payloads
// are read-only by contract, so a replay can do without a copy of each.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// aged is a record with its timestamp, for sorting.
type aged struct {
	at     int64
	record record
}

func age(r record) aged { return aged{r.timestamp(), r} }

// byAge orders records oldest first, those of one millisecond by topic.
func byAge(a, b aged) int {
	if a.at == b.at {
		return cmp.Compare(a.record.topic(), b.record.topic())
	}
	return cmp.Compare(a.at, b.at)
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// cutText takes a length and the text after it off s.
func cutText(s string) (text, rest string) {
	n, s := cutUvarint(s)
	return s[:n], s[n:]
}

func cutUvarint(s string) (n uint64, rest string) {
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		n |= uint64(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return n, s[i+1:]
		}
	}
}
