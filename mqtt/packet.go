package mqtt

// Version is the protocol level of a connection, as its CONNECT carries it.
type Version byte

// The protocol levels that Dunlin speaks.
const (
	V31  Version = 3 // MQIsdp
	V311 Version = 4
	V5   Version = 5
)

// QoS is a quality of service: 0, 1 or 2 [MQTT-4.3].
type QoS byte

// Type is the control packet type in the high nibble of the first byte.
type Type byte

// The control packet types, MQTT 5 clause 2.1.2.
const (
	TypeConnect     Type = 1
	TypeConnack     Type = 2
	TypePublish     Type = 3
	TypePuback      Type = 4
	TypePubrec      Type = 5
	TypePubrel      Type = 6
	TypePubcomp     Type = 7
	TypeSubscribe   Type = 8
	TypeSuback      Type = 9
	TypeUnsubscribe Type = 10
	TypeUnsuback    Type = 11
	TypePingreq     Type = 12
	TypePingresp    Type = 13
	TypeDisconnect  Type = 14
	TypeAuth        Type = 15
)

// String is the type's name as the standard writes it, CONNECT for instance.
func (t Type) String() string {
	names := [...]string{"RESERVED", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
		"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}
	return names[t&0x0F]
}

// Packet is one decoded control packet: a pointer to one of the structs below.
type Packet interface {
	Type() Type
}

// Connect opens a session, MQTT 5 clause 3.1.
type Connect struct {
	Version    Version
	Bridge     bool // bit 0x80 of the level: the client is another broker
	CleanStart bool // clean session of 3.1 and 3.1.1
	KeepAlive  uint16
	ClientID   string
	Will       *Will
	Username   *string     // nil: absent, which differs from empty
	Password   []byte      // nil: absent
	Props      *Properties // nil: none
}

// Will is the message a client leaves for the time it vanishes.
type Will struct {
	QoS     QoS
	Retain  bool
	Topic   string
	Payload []byte
	Props   *Properties // may hold WillDelay beside the message's own
}

// Connack answers a Connect.
type Connack struct {
	SessionPresent bool
	Code           ReasonCode // always a version 5 code; the encoder translates for older clients
	Props          *Properties
}

// Publish carries one message.
type Publish struct {
	Dup      bool
	QoS      QoS
	Retain   bool
	Topic    string
	PacketID uint16 // 0 at QoS 0
	Props    *Properties
	Payload  []byte
}

// Ack is one of the four packets that a PUBLISH above QoS 0 sets off:
// PUBACK, PUBREC, PUBREL and PUBCOMP share their layout.
type Ack struct {
	Kind     Type
	PacketID uint16
	Code     ReasonCode
	Props    *Properties
}

// SubscribeOptions is the options byte that follows each filter of a
// SUBSCRIBE, MQTT 5 clause 3.8.3.1; older clients set only the QoS.
type SubscribeOptions struct {
	QoS               QoS
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte // 0 always, 1 if new, 2 never
}

// SubscribeFilter is one entry of a SUBSCRIBE.
type SubscribeFilter struct {
	Filter string
	SubscribeOptions
}

// Subscribe asks for messages.
type Subscribe struct {
	PacketID uint16
	Props    *Properties
	Filters  []SubscribeFilter
}

// Suback answers a Subscribe with one code per filter, in order.
type Suback struct {
	PacketID uint16
	Props    *Properties
	Codes    []ReasonCode
}

// Unsubscribe gives filters up.
type Unsubscribe struct {
	PacketID uint16
	Props    *Properties
	Filters  []string
}

// Unsuback answers an Unsubscribe; before version 5 it has no codes.
type Unsuback struct {
	PacketID uint16
	Props    *Properties
	Codes    []ReasonCode
}

// Pingreq asks for a sign of life, Pingresp gives it.
type (
	Pingreq  struct{}
	Pingresp struct{}
)

// Disconnect says goodbye; only version 5 servers send it.
type Disconnect struct {
	Code  ReasonCode
	Props *Properties
}

// Auth carries one step of an enhanced authentication; version 5 only.
type Auth struct {
	Code  ReasonCode
	Props *Properties
}

// Type of each packet.
func (*Connect) Type() Type     { return TypeConnect }
func (*Connack) Type() Type     { return TypeConnack }
func (*Publish) Type() Type     { return TypePublish }
func (a *Ack) Type() Type       { return a.Kind }
func (*Subscribe) Type() Type   { return TypeSubscribe }
func (*Suback) Type() Type      { return TypeSuback }
func (*Unsubscribe) Type() Type { return TypeUnsubscribe }
func (*Unsuback) Type() Type    { return TypeUnsuback }
func (*Pingreq) Type() Type     { return TypePingreq }
func (*Pingresp) Type() Type    { return TypePingresp }
func (*Disconnect) Type() Type  { return TypeDisconnect }
func (*Auth) Type() Type        { return TypeAuth }
