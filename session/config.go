package session

import "github.com/dunlin-mq/dunlin/config"

// Config is what a zone's configuration says about its clients' sessions.
// It is shared by all sessions of the zone and must not change while one
// exists; a changed configuration is a new Config.
type Config struct {
	// MaxInflight bounds the window of unacknowledged deliveries above QoS 0;
	// a client's Receive Maximum may make it smaller. 0 means 65535.
	MaxInflight int `conf:"max_inflight" range:"0..65535"`

	// RetryInterval is the time after which an unacknowledged PUBLISH or
	// PUBREL is sent again; 0 never.
	RetryInterval config.Duration `conf:"retry_interval"`

	// MaxAwaitingRel bounds the QoS 2 messages received and not yet released
	// by their sender; 0 means no bound but the 65535 packet identifiers.
	MaxAwaitingRel int `conf:"max_awaiting_rel" range:"0.."`

	// AwaitRelTimeout is the time after which such an identifier is forgotten.
	AwaitRelTimeout config.Duration `conf:"await_rel_timeout"`

	// MaxMqueueLen bounds the queue of waiting messages per priority; 0 means
	// no bound.
	MaxMqueueLen int `conf:"max_mqueue_len" range:"0.."`

	// MaxMqueueBytes bounds the payload bytes waiting in the queue; 0 means no
	// bound. EMQ X has no such key.
	MaxMqueueBytes config.Bytes `conf:"max_mqueue_bytes"`

	// MqueuePriorities gives exact topic names a priority, 0 to 255, higher
	// first; nil means one queue for all.
	MqueuePriorities map[string]int `conf:"mqueue_priorities"`

	// MqueueDefaultPriority, "highest" or "lowest", is the rank of topics that
	// MqueuePriorities does not name.
	MqueueDefaultPriority string `conf:"mqueue_default_priority" oneof:"highest lowest"`

	// MqueueStoreQoS0 lets messages of QoS 0 wait in the queue as well.
	MqueueStoreQoS0 bool `conf:"mqueue_store_qos0"`

	// UpgradeQoS delivers at the higher of the publisher's and the
	// subscription's QoS, where the standard takes the lower.
	UpgradeQoS bool `conf:"upgrade_qos"`

	// MaxSubscriptions bounds a client's subscriptions; 0 means no bound.
	MaxSubscriptions int `conf:"max_subscriptions" range:"0.."`
}
