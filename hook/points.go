package hook

import "github.com/dunlin-mq/dunlin/mqtt"

// Points are the extension points of one broker, named after EMQ X's.
type Points struct {
	ClientConnect      Chain[ClientConnect]
	ClientConnack      Chain[ClientConnack]
	ClientConnected    Chain[ConnInfo]
	ClientSubscribe    Chain[ClientSubscribe]
	ClientUnsubscribe  Chain[ClientUnsubscribe]
	ClientDisconnected Chain[ClientDisconnected]

	SessionCreated      Chain[SessionEvent]
	SessionResumed      Chain[SessionEvent]
	SessionDiscarded    Chain[SessionEvent]
	SessionTakenOver    Chain[SessionEvent]
	SessionTerminated   Chain[SessionEvent]
	SessionSubscribed   Chain[SessionSubscription]
	SessionUnsubscribed Chain[SessionSubscription]

	MessagePublish   Chain[MessagePublish]
	MessageRouted    Chain[MessageRouted]
	MessageDelivered Chain[MessageDelivered]
	MessageAcked     Chain[MessageAcked]
	MessageDropped   Chain[MessageDropped]
	DeliveryDropped  Chain[DeliveryDropped]
}

// ClientConnect is client.connect: a CONNECT was parsed and nothing checked.
type ClientConnect struct {
	Conn   *ConnInfo       // Conn.Props may be replaced
	Refuse mqtt.ReasonCode // set to a failure to refuse the connection
}

// ClientConnack is client.connack: a CONNACK is about to be sent, of success
// or of failure.
type ClientConnack struct {
	Conn  *ConnInfo
	Code  mqtt.ReasonCode
	Props *mqtt.Properties // may be changed; nil before version 5
}

// Action is what an ACL check is about.
type Action bool

// The two actions.
const (
	Publish   Action = false
	Subscribe Action = true
)

// String is publish or subscribe.
func (a Action) String() string {
	if a == Subscribe {
		return "subscribe"
	}
	return "publish"
}

// ClientSubscribe is client.subscribe: the filters of a SUBSCRIBE, before the
// mountpoint is put in front. Filters may be changed in place; Refused[i], where
// set to a failure, is the answer to filter i.
type ClientSubscribe struct {
	Client  *ClientInfo
	Props   *mqtt.Properties
	Filters []mqtt.SubscribeFilter
	Refused []mqtt.ReasonCode // as long as Filters; Success: not refused
}

// ClientUnsubscribe is client.unsubscribe; Filters may be changed.
type ClientUnsubscribe struct {
	Client  *ClientInfo
	Props   *mqtt.Properties
	Filters []string
}

// ClientDisconnected is client.disconnected: an accepted connection ended.
type ClientDisconnected struct {
	Conn   *ConnInfo
	Reason string // the disconnect word
}

// SessionEvent is a session's beginning, resumption or end.
type SessionEvent struct {
	Client *ClientInfo
	Reason string // of the end; empty otherwise
}

// SessionSubscription is session.subscribed or session.unsubscribed: the
// filter is mounted and carries its share prefix.
type SessionSubscription struct {
	Client *ClientInfo
	mqtt.SubscribeFilter
	New bool // the session didn't hold this filter before
}

// MessagePublish is message.publish: a message is about to be routed. Topic,
// payload, flags and properties may be changed by replacing Message by a
// changed copy; Refuse ends the routing and the publisher is told Code.
type MessagePublish struct {
	Client  *ClientInfo // nil: the broker's own message
	Message *mqtt.Message
	Refuse  bool
	Code    mqtt.ReasonCode
}

// MessageRouted tells what came of a message.publish, on the same goroutine: the
// message as it was routed, what the publisher is told, and how many
// subscriptions matched. EMQ X has no such point.
type MessageRouted struct {
	Message    *mqtt.Message
	Code       mqtt.ReasonCode
	Deliveries int
}

// MessageDelivered is message.delivered: a message is about to be written to
// a client. Message may be replaced by a changed copy.
type MessageDelivered struct {
	Client  *ClientInfo
	Message *mqtt.Message
}

// MessageAcked is message.acked: the client acknowledged with PUBACK or
// PUBREC.
type MessageAcked struct {
	Client  *ClientInfo
	Message *mqtt.Message
}

// MessageDropped is message.dropped: nobody subscribes to the topic.
type MessageDropped struct {
	Message *mqtt.Message
	Reason  string
}

// DeliveryDropped is delivery.dropped: one subscriber doesn't get a message.
type DeliveryDropped struct {
	Client  *ClientInfo
	Message *mqtt.Message
	Reason  string // no_local, qos0_msg, queue_full, expired, too_large, …
}
