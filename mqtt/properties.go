package mqtt

// Prop says which fields of a Properties are present; one bit each.
type Prop uint32

// The properties of MQTT 5 clause 2.2.2.2.
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
// Strings and slices of decoded properties are copies, owned by the holder.
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
