package mqtt

// PublishOptions is what differs between the receivers of one message. Before
// version 5 only the first four count.
type PublishOptions struct {
	QoS      QoS
	Retain   bool
	Dup      bool
	PacketID uint16 // unused at QoS 0

	SubscriptionID uint32 // 0: none
	Alias          uint16 // topic alias, 0: none
	OmitTopic      bool   // the receiver knows the alias
	Now            int64  // Unix milliseconds; the expiry is sent as what remains [MQTT-3.3.2-6]
}

// Template writes one message for many receivers. What all of them share is
// encoded once, the rest is a few bytes each. The zero value needs a Reset;
// used again, it allocates nothing. Not for two goroutines at once.
type Template struct {
	msg    *Message
	shared []byte // the message's own properties but for its expiry, encoded
	ready  bool   // shared is msg's
}

// Reset makes m the template's message; m must not change until the next Reset.
func (t *Template) Reset(m *Message) { t.msg, t.ready = m, false }

// Message is the template's message.
func (t *Template) Message() *Message { return t.msg }

// Size returns the bytes that Append would append.
func (t *Template) Size(v Version, o *PublishOptions) int {
	n := t.remaining(v, o)
	return 1 + varintSize(uint32(n)) + n
}

// Append appends the message as a PUBLISH and returns the longer slice.
func (t *Template) Append(dst []byte, v Version, o *PublishOptions) []byte {
	return append(t.AppendHead(dst, v, o), t.msg.Payload...)
}

// AppendHead is Append without the payload, which must follow it on the wire:
// large payloads are better written from where they are.
func (t *Template) AppendHead(dst []byte, v Version, o *PublishOptions) []byte {
	remaining := t.remaining(v, o)
	dst = appendVarint(append(dst, publishFirst(o.QoS, o.Retain, o.Dup)), uint32(remaining))
	dst = appendString(dst, t.topic(v, o))
	if o.QoS > 0 {
		dst = append(dst, byte(o.PacketID>>8), byte(o.PacketID))
	}
	if v != V5 {
		return dst
	}
	dst = appendVarint(dst, uint32(t.properties(o)))
	if t.msg.expiryTravels() {
		dst = appendUint32(append(dst, idMessageExpiry), t.msg.remainingExpiry(o.Now))
	}
	if o.SubscriptionID != 0 {
		dst = appendVarint(append(dst, idSubscription), o.SubscriptionID)
	}
	if o.Alias != 0 {
		dst = append(dst, idTopicAlias, byte(o.Alias>>8), byte(o.Alias))
	}
	return append(dst, t.shared...)
}

// The identifiers of the properties that depend on the receiver.
const (
	idMessageExpiry = 0x02
	idSubscription  = 0x0B
	idTopicAlias    = 0x23
)

// remaining is the remaining length.
func (t *Template) remaining(v Version, o *PublishOptions) int {
	n := 2 + len(t.topic(v, o)) + len(t.msg.Payload)
	if o.QoS > 0 {
		n += 2
	}
	if v == V5 {
		p := t.properties(o)
		n += varintSize(uint32(p)) + p
	}
	return n
}

func (t *Template) topic(v Version, o *PublishOptions) string {
	if o.OmitTopic && o.Alias != 0 && v == V5 {
		return ""
	}
	return t.msg.Topic
}

// properties is the size of the property section.
func (t *Template) properties(o *PublishOptions) int {
	if !t.ready {
		t.encodeShared()
	}
	n := len(t.shared)
	if t.msg.expiryTravels() {
		n += 5
	}
	if o.SubscriptionID != 0 {
		n += 1 + varintSize(o.SubscriptionID)
	}
	if o.Alias != 0 {
		n += 3
	}
	return n
}

func (t *Template) encodeShared() {
	t.shared, t.ready = t.shared[:0], true
	if t.msg.Props != nil {
		t.shared = t.msg.Props.append(t.shared, ForwardedProps&^PropMessageExpiry)
	}
}
