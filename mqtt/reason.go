package mqtt

import "slices"

// ReasonCode is the result of an operation, MQTT 5 clause 2.4. Codes from 0x80
// on are failures and serve as errors.
type ReasonCode byte

// The reason codes. Zero has three names in the standard (success, normal
// disconnection, granted QoS 0); here it is Success.
const (
	Success                             ReasonCode = 0x00
	GrantedQoS1                         ReasonCode = 0x01
	GrantedQoS2                         ReasonCode = 0x02
	DisconnectWithWill                  ReasonCode = 0x04
	NoMatchingSubscribers               ReasonCode = 0x10
	NoSubscriptionExisted               ReasonCode = 0x11
	ContinueAuthentication              ReasonCode = 0x18
	ReAuthenticate                      ReasonCode = 0x19
	UnspecifiedError                    ReasonCode = 0x80
	MalformedPacket                     ReasonCode = 0x81
	ProtocolError                       ReasonCode = 0x82
	ImplementationSpecificError         ReasonCode = 0x83
	UnsupportedProtocolVersion          ReasonCode = 0x84
	ClientIdentifierNotValid            ReasonCode = 0x85
	BadUserNameOrPassword               ReasonCode = 0x86
	NotAuthorized                       ReasonCode = 0x87
	ServerUnavailable                   ReasonCode = 0x88
	ServerBusy                          ReasonCode = 0x89
	Banned                              ReasonCode = 0x8A
	ServerShuttingDown                  ReasonCode = 0x8B
	BadAuthenticationMethod             ReasonCode = 0x8C
	KeepAliveTimeout                    ReasonCode = 0x8D
	SessionTakenOver                    ReasonCode = 0x8E
	TopicFilterInvalid                  ReasonCode = 0x8F
	TopicNameInvalid                    ReasonCode = 0x90
	PacketIdentifierInUse               ReasonCode = 0x91
	PacketIdentifierNotFound            ReasonCode = 0x92
	ReceiveMaximumExceeded              ReasonCode = 0x93
	TopicAliasInvalid                   ReasonCode = 0x94
	PacketTooLarge                      ReasonCode = 0x95
	MessageRateTooHigh                  ReasonCode = 0x96
	QuotaExceeded                       ReasonCode = 0x97
	AdministrativeAction                ReasonCode = 0x98
	PayloadFormatInvalid                ReasonCode = 0x99
	RetainNotSupported                  ReasonCode = 0x9A
	QoSNotSupported                     ReasonCode = 0x9B
	UseAnotherServer                    ReasonCode = 0x9C
	ServerMoved                         ReasonCode = 0x9D
	SharedSubscriptionsNotSupported     ReasonCode = 0x9E
	ConnectionRateExceeded              ReasonCode = 0x9F
	MaximumConnectTime                  ReasonCode = 0xA0
	SubscriptionIdentifiersNotSupported ReasonCode = 0xA1
	WildcardSubscriptionsNotSupported   ReasonCode = 0xA2
)

// Failed reports whether the code says that the operation failed.
func (c ReasonCode) Failed() bool { return c >= 0x80 }

// Error is the code's word, so that a failed code can be returned as an error.
func (c ReasonCode) Error() string { return c.String() }

// String is the word that EMQ X uses for the code in logs, hooks and counts.
func (c ReasonCode) String() string {
	switch c {
	case Success:
		return "success"
	case GrantedQoS1:
		return "granted_qos1"
	case GrantedQoS2:
		return "granted_qos2"
	case DisconnectWithWill:
		return "disconnect_with_will_message"
	case NoMatchingSubscribers:
		return "no_matching_subscribers"
	case NoSubscriptionExisted:
		return "no_subscription_existed"
	case ContinueAuthentication:
		return "continue_authentication"
	case ReAuthenticate:
		return "re_authenticate"
	case UnspecifiedError:
		return "unspecified_error"
	case MalformedPacket:
		return "malformed_packet"
	case ProtocolError:
		return "protocol_error"
	case ImplementationSpecificError:
		return "implementation_specific_error"
	case UnsupportedProtocolVersion:
		return "unsupported_protocol_version"
	case ClientIdentifierNotValid:
		return "client_identifier_not_valid"
	case BadUserNameOrPassword:
		return "bad_username_or_password"
	case NotAuthorized:
		return "not_authorized"
	case ServerUnavailable:
		return "server_unavailable"
	case ServerBusy:
		return "server_busy"
	case Banned:
		return "banned"
	case ServerShuttingDown:
		return "server_shutting_down"
	case BadAuthenticationMethod:
		return "bad_authentication_method"
	case KeepAliveTimeout:
		return "keepalive_timeout"
	case SessionTakenOver:
		return "session_taken_over"
	case TopicFilterInvalid:
		return "topic_filter_invalid"
	case TopicNameInvalid:
		return "topic_name_invalid"
	case PacketIdentifierInUse:
		return "packet_identifier_inuse"
	case PacketIdentifierNotFound:
		return "packet_identifier_not_found"
	case ReceiveMaximumExceeded:
		return "receive_maximum_exceeded"
	case TopicAliasInvalid:
		return "topic_alias_invalid"
	case PacketTooLarge:
		return "packet_too_large"
	case MessageRateTooHigh:
		return "message_rate_too_high"
	case QuotaExceeded:
		return "quota_exceeded"
	case AdministrativeAction:
		return "administrative_action"
	case PayloadFormatInvalid:
		return "payload_format_invalid"
	case RetainNotSupported:
		return "retain_not_supported"
	case QoSNotSupported:
		return "qos_not_supported"
	case UseAnotherServer:
		return "use_another_server"
	case ServerMoved:
		return "server_moved"
	case SharedSubscriptionsNotSupported:
		return "shared_subscriptions_not_supported"
	case ConnectionRateExceeded:
		return "connection_rate_exceeded"
	case MaximumConnectTime:
		return "maximum_connect_time"
	case SubscriptionIdentifiersNotSupported:
		return "subscription_identifiers_not_supported"
	case WildcardSubscriptionsNotSupported:
		return "wildcard_subscriptions_not_supported"
	}
	return "unknown_error"
}

// connackV3 translates the codes of a refused CONNECT for clients older than
// version 5, which know five of them.
func connackV3(c ReasonCode) byte {
	switch c {
	case Success:
		return 0
	case UnspecifiedError, MalformedPacket, ProtocolError, ImplementationSpecificError, UnsupportedProtocolVersion:
		return 1
	case ClientIdentifierNotValid:
		return 2
	case BadUserNameOrPassword:
		return 4
	case NotAuthorized, Banned, BadAuthenticationMethod:
		return 5
	}
	return 3
}

// fromConnackV3 is the reverse of connackV3; ok is false for bytes that no
// version before 5 defines.
func fromConnackV3(b byte) (c ReasonCode, ok bool) {
	codes := [...]ReasonCode{Success, UnsupportedProtocolVersion, ClientIdentifierNotValid, ServerUnavailable,
		BadUserNameOrPassword, NotAuthorized}
	if int(b) >= len(codes) {
		return 0, false
	}
	return codes[b], true
}

// fits reports whether the standard lists the code for the packet type; it
// speaks of the packets that end an exchange, MQTT 5 table 2-6.
func (c ReasonCode) fits(t Type) bool {
	switch t {
	case TypePuback, TypePubrec:
		return oneOf(c, Success, NoMatchingSubscribers, UnspecifiedError, ImplementationSpecificError, NotAuthorized,
			TopicNameInvalid, PacketIdentifierInUse, QuotaExceeded, PayloadFormatInvalid)
	case TypePubrel, TypePubcomp:
		return oneOf(c, Success, PacketIdentifierNotFound)
	case TypeSuback:
		return oneOf(c, Success, GrantedQoS1, GrantedQoS2, UnspecifiedError, ImplementationSpecificError, NotAuthorized,
			TopicFilterInvalid, PacketIdentifierInUse, QuotaExceeded, SharedSubscriptionsNotSupported,
			SubscriptionIdentifiersNotSupported, WildcardSubscriptionsNotSupported)
	case TypeUnsuback:
		return oneOf(c, Success, NoSubscriptionExisted, UnspecifiedError, ImplementationSpecificError, NotAuthorized,
			TopicFilterInvalid, PacketIdentifierInUse)
	case TypeAuth:
		return oneOf(c, Success, ContinueAuthentication, ReAuthenticate)
	case TypeDisconnect:
		return c == Success || c == DisconnectWithWill || c.Failed() && c <= WildcardSubscriptionsNotSupported &&
			!oneOf(c, UnsupportedProtocolVersion, ClientIdentifierNotValid, BadUserNameOrPassword, ServerUnavailable,
				Banned, PacketIdentifierInUse, PacketIdentifierNotFound)
	}
	return true
}

func oneOf(c ReasonCode, codes ...ReasonCode) bool { return slices.Contains(codes, c) }
