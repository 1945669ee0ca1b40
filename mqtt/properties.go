package mqtt

import "math/bits"

// Prop says which fields of a Properties are present; one bit each.
type Prop uint32

// The properties of MQTT 5 clause 2.2.2.2, in the order of their identifiers,
// which propTable repeats.
const (
	PropPayloadFormat Prop = 1 << iota
	PropMessageExpiry
	PropContentType
	PropResponseTopic
	PropCorrelationData
	PropSubscriptionID
	PropSessionExpiry
	PropAssignedClientID
	PropServerKeepAlive
	PropAuthMethod
	PropAuthData
	PropRequestProblemInfo
	PropWillDelay
	PropRequestResponseInfo
	PropResponseInfo
	PropServerReference
	PropReasonString
	PropReceiveMaximum
	PropTopicAliasMaximum
	PropTopicAlias
	PropMaximumQoS
	PropRetainAvailable
	PropUserProperty
	PropMaximumPacketSize
	PropWildcardSubAvailable
	PropSubscriptionIDAvailable
	PropSharedSubAvailable
)

// ForwardedProps are the properties of a PUBLISH that belong to the message
// and travel with it from publisher to subscriber.
const ForwardedProps = PropPayloadFormat | PropMessageExpiry | PropContentType |
	PropResponseTopic | PropCorrelationData | PropUserProperty

// UserProperty is one name and value; order and repetition matter.
type UserProperty struct{ Key, Value string }

// Properties holds the properties of one packet. A field counts only if its
// bit is in Present, because zero and absent mean different things for some.
// Strings and slices of decoded properties are copies, owned by the holder;
// since copies of the struct share them, nobody changes a slice in place.
type Properties struct {
	Present Prop

	MessageExpiry     uint32 // seconds
	SessionExpiry     uint32 // seconds; 0xFFFFFFFF never
	WillDelay         uint32 // seconds
	MaximumPacketSize uint32 // bytes
	ServerKeepAlive   uint16 // seconds
	ReceiveMaximum    uint16
	TopicAliasMaximum uint16
	TopicAlias        uint16

	PayloadFormat           byte
	RequestProblemInfo      byte
	RequestResponseInfo     byte
	MaximumQoS              byte
	RetainAvailable         byte
	WildcardSubAvailable    byte
	SubscriptionIDAvailable byte
	SharedSubAvailable      byte

	ContentType      string
	ResponseTopic    string
	AssignedClientID string
	AuthMethod       string
	ResponseInfo     string
	ServerReference  string
	ReasonString     string

	CorrelationData []byte
	AuthData        []byte

	SubscriptionIDs []uint32
	UserProperties  []UserProperty
}

// Has reports whether the property is present; a nil p has none.
func (p *Properties) Has(which Prop) bool { return p != nil && p.Present&which != 0 }

// Copy returns a new Properties that holds those of p that mask names, or nil
// if there are none. Strings and slices are shared.
func (p *Properties) Copy(mask Prop) *Properties {
	if !p.Has(mask) {
		return nil
	}
	c := *p
	c.Present &= mask
	return &c
}

// propTable has the wire identifier and EMQ X's name of each Prop, by bit.
var propTable = [...]struct {
	id   byte
	name string
}{
	{0x01, "Payload-Format-Indicator"},
	{0x02, "Message-Expiry-Interval"},
	{0x03, "Content-Type"},
	{0x08, "Response-Topic"},
	{0x09, "Correlation-Data"},
	{0x0B, "Subscription-Identifier"},
	{0x11, "Session-Expiry-Interval"},
	{0x12, "Assigned-Client-Identifier"},
	{0x13, "Server-Keep-Alive"},
	{0x15, "Authentication-Method"},
	{0x16, "Authentication-Data"},
	{0x17, "Request-Problem-Information"},
	{0x18, "Will-Delay-Interval"},
	{0x19, "Request-Response-Information"},
	{0x1A, "Response-Information"},
	{0x1C, "Server-Reference"},
	{0x1F, "Reason-String"},
	{0x21, "Receive-Maximum"},
	{0x22, "Topic-Alias-Maximum"},
	{0x23, "Topic-Alias"},
	{0x24, "Maximum-QoS"},
	{0x25, "Retain-Available"},
	{0x26, "User-Property"},
	{0x27, "Maximum-Packet-Size"},
	{0x28, "Wildcard-Subscription-Available"},
	{0x29, "Subscription-Identifier-Available"},
	{0x2A, "Shared-Subscription-Available"},
}

// String is the name of a single property as EMQ X spells it.
func (which Prop) String() string {
	if i := bits.TrailingZeros32(uint32(which)); i < len(propTable) {
		return propTable[i].name
	}
	return "Unknown-Property"
}

// propOf returns the property with the wire identifier, or 0.
func propOf(id uint32) Prop {
	for i := range propTable {
		if uint32(propTable[i].id) == id {
			return 1 << i
		}
	}
	return 0
}

// field returns a pointer to the value of the property; its type says how the
// value looks on the wire.
func (p *Properties) field(which Prop) any {
	switch which {
	case PropPayloadFormat:
		return &p.PayloadFormat
	case PropMessageExpiry:
		return &p.MessageExpiry
	case PropContentType:
		return &p.ContentType
	case PropResponseTopic:
		return &p.ResponseTopic
	case PropCorrelationData:
		return &p.CorrelationData
	case PropSubscriptionID:
		return &p.SubscriptionIDs
	case PropSessionExpiry:
		return &p.SessionExpiry
	case PropAssignedClientID:
		return &p.AssignedClientID
	case PropServerKeepAlive:
		return &p.ServerKeepAlive
	case PropAuthMethod:
		return &p.AuthMethod
	case PropAuthData:
		return &p.AuthData
	case PropRequestProblemInfo:
		return &p.RequestProblemInfo
	case PropWillDelay:
		return &p.WillDelay
	case PropRequestResponseInfo:
		return &p.RequestResponseInfo
	case PropResponseInfo:
		return &p.ResponseInfo
	case PropServerReference:
		return &p.ServerReference
	case PropReasonString:
		return &p.ReasonString
	case PropReceiveMaximum:
		return &p.ReceiveMaximum
	case PropTopicAliasMaximum:
		return &p.TopicAliasMaximum
	case PropTopicAlias:
		return &p.TopicAlias
	case PropMaximumQoS:
		return &p.MaximumQoS
	case PropRetainAvailable:
		return &p.RetainAvailable
	case PropUserProperty:
		return &p.UserProperties
	case PropMaximumPacketSize:
		return &p.MaximumPacketSize
	case PropWildcardSubAvailable:
		return &p.WildcardSubAvailable
	case PropSubscriptionIDAvailable:
		return &p.SubscriptionIDAvailable
	case PropSharedSubAvailable:
		return &p.SharedSubAvailable
	}
	return nil
}
