package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Delivery is one message on its way to the client for one subscription.
type Delivery struct {
	Msg    *mqtt.Message
	Sub    *Subscription // nil: none, as when an operator sends to a client
	QoS    mqtt.QoS      // the delivery's, see Session.Grant
	Retain bool          // the flag that goes out
}

// Sender is where a session's output goes: a connection that appends to a
// buffer. No method may block, keep the Delivery's message without
// mqtt.Message.Keep, or call the session back.
type Sender interface {
	// Publish sends d under the packet identifier id, 0 at QoS 0. False means
	// that this client can't take it, because it exceeds its Maximum Packet
	// Size [MQTT-3.1.2-24].
	Publish(d Delivery, id uint16, dup bool) bool

	// Ack sends a packet of the acknowledging kinds: PUBREL, and for durable
	// sessions PUBCOMP.
	Ack(kind mqtt.Type, id uint16, code mqtt.ReasonCode)

	// Full reports that the connection's output is congested. The session then
	// queues, or drops at QoS 0, until Drain is called.
	Full() bool

	// Dropped reports a delivery that the client won't get, exactly once.
	Dropped(d Delivery, why Drop)
}

// Outcome is what became of a delivery at first.
type Outcome uint8

const (
	Sent Outcome = iota
	Queued
	Dropped
)

// Drop is the reason why a delivery was dropped.
type Drop uint8

const (
	NoLocal      Drop = iota + 1 // the client published it itself; reported by the broker
	TooLarge                     // exceeds the client's Maximum Packet Size
	QoS0                         // could not be sent at once, and QoS 0 isn't queued
	QueueFull                    // the mqueue's bound
	Expired                      // its Message Expiry Interval has passed
	SessionEnded                 // it was queued when the session ended
	LogRetention                 // the log's retention has deleted it before the client came for it
	Unsubscribed                 // it waited in the log when the client unsubscribed; reported by the broker
)

// String is EMQ X's word for the reason, in hooks and in the names of metrics.
func (d Drop) String() string {
	switch d {
	case NoLocal:
		return "no_local"
	case TooLarge:
		return "too_large"
	case QoS0:
		return "qos0_msg"
	case QueueFull:
		return "queue_full"
	case Expired:
		return "expired"
	case SessionEnded:
		return "session_ended"
	case LogRetention:
		return "log_retention"
	case Unsubscribed:
		return "unsubscribed"
	}
	return "unknown"
}
