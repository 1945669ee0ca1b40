package broker

import (
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/session"
)

// Zone is what a group of listeners shares: zone.$name.* of a configuration.
// Access and Limits have global keys of the same names, which a zone starts
// from. A Zone must not change while clients use it.
type Zone struct {
	auth.Policy
	Limits
	Session session.Config `conf:"."`

	IdleTimeout time.Duration `conf:"idle_timeout"` // from the open connection to its CONNECT

	// ServerKeepalive, in seconds, takes the place of the keep alive a v5
	// client asks for; 0 leaves the client's. [MQTT-3.1.2-21]
	ServerKeepalive uint16 `conf:"server_keepalive"`
	// KeepaliveBackoff: silence of twice this many keep alives ends a
	// connection.
	KeepaliveBackoff float64 `conf:"keepalive_backoff"`

	// SessionExpiryInterval is how long sessions of v3 clients without clean
	// session outlive the connection; v5 clients say it themselves.
	SessionExpiryInterval time.Duration `conf:"session_expiry_interval" unit:"s"`

	// SessionDurability says whether sessions that outlive their connections
	// outlive the process too, with what waits for them.
	SessionDurability string `conf:"session_durability" oneof:"durable memory"`

	// Mountpoint goes before every topic of a client; it may hold %c and %u.
	Mountpoint string `conf:"mountpoint"`
	// UsernameAsClientID puts the user name in the place of the client id.
	UsernameAsClientID bool `conf:"use_username_as_clientid"`

	// CongestionAlarm raises an alarm for each connection that doesn't take what
	// it is sent, and keeps it for CongestionSustain after the last time.
	CongestionAlarm   config.Flag   `conf:"conn_congestion.alarm"`
	CongestionSustain time.Duration `conf:"conn_congestion.min_alarm_sustain_duration"`

	// PublishLimit, MessagesIn and BytesIn pause the reading of one
	// connection, in PUBLISH packets and bytes. The first is the older
	// spelling of the second; where both are set, both hold.
	PublishLimit config.Rate `conf:"publish_limit"`
	MessagesIn   config.Rate `conf:"rate_limit.conn_messages_in"`
	BytesIn      config.Rate `conf:"rate_limit.conn_bytes_in"`
	// ConnRouting and ZoneRouting bound the deliveries that one connection and
	// the whole zone cause; a PUBLISH above is refused with 0x97.
	ConnRouting config.Rate `conf:"quota.conn_messages_routing"`
	ZoneRouting config.Rate `conf:"quota.overall_messages_routing"`
}

// Limits is what a server may restrict and announces in CONNACK: mqtt.* for
// all zones.
type Limits struct {
	MaxPacketSize  config.Bytes `conf:"max_packet_size" range:"1..268435455"` // the remaining length; the standard's largest
	MaxClientIDLen int          `conf:"max_clientid_len" range:"23..65535"`
	MaxTopicLevels int          `conf:"max_topic_levels" range:"0..65535"` // 0 means no limit
	MaxQoSAllowed  byte         `conf:"max_qos_allowed" range:"0..2"`
	MaxTopicAlias  uint16       `conf:"max_topic_alias"`

	RetainAvailable       bool `conf:"retain_available"`
	WildcardSubscription  bool `conf:"wildcard_subscription"`
	SharedSubscription    bool `conf:"shared_subscription"`
	ExclusiveSubscription bool `conf:"exclusive_subscription"`

	// IgnoreLoopDeliver spares v3 clients their own messages, as No Local does
	// for v5.
	IgnoreLoopDeliver bool `conf:"ignore_loop_deliver"`
	// StrictMode refuses what is otherwise tolerated in packets.
	StrictMode bool `conf:"strict_mode"`
	// ResponseInformation goes to v5 clients that ask for it.
	ResponseInformation string `conf:"response_information"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (l *Limits) SetDefaults() {
	*l = Limits{
		MaxPacketSize: config.MB, MaxClientIDLen: 65535, MaxTopicLevels: 128, MaxQoSAllowed: 2, MaxTopicAlias: 65535,
		RetainAvailable: true, WildcardSubscription: true, SharedSubscription: true,
	}
}

// SetDefaults gives the values of a configuration that says nothing. Messages
// of QoS 0 are not queued unless a configuration says so: they promise nothing,
// and a slow client should not hold memory for them.
func (z *Zone) SetDefaults() {
	z.Policy.SetDefaults()
	z.Limits.SetDefaults()
	z.Session = session.Config{
		MaxInflight: 32, RetryInterval: 30 * time.Second,
		MaxAwaitingRel: 100, AwaitRelTimeout: 300 * time.Second,
		MaxMqueueLen: 1000, MaxMqueueBytes: 64 * config.MB, MqueueDefaultPriority: "lowest",
	}
	z.IdleTimeout, z.KeepaliveBackoff = 15*time.Second, 0.75
	z.SessionExpiryInterval = 2 * time.Hour
	z.CongestionSustain = time.Minute
	z.SessionDurability = "durable"
}

// Validate checks what no single value shows.
func (z *Zone) Validate() error {
	if z.KeepaliveBackoff < 0.5 {
		return config.Invalid("keepalive_backoff", "expected at least 0.5, found %v: a client that keeps its promise would be cut off",
			z.KeepaliveBackoff)
	}
	return nil
}
