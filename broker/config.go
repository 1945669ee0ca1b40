package broker

import (
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/topic"
)

// Config is what holds for the whole node: the sections broker.* and module.*
// of a configuration. Zones are given with each Opening.
type Config struct {
	Broker     BrokerConfig     `conf:"broker"`
	Modules    ModulesConfig    `conf:"module"`
	Durability DurabilityConfig `conf:"durability"`
}

// DurabilityConfig is the section durability.*: what holds for all durable
// sessions. EMQ X has none, and so no such keys.
type DurabilityConfig struct {
	// Unavailable says what becomes of a message that the log doesn't take, and of
	// a session that can't be kept: the client hears that it is refused, or goes
	// on as if the session lived in memory.
	Unavailable string `conf:"unavailable" oneof:"refuse memory"`

	// LogShards, of a log that is made, is into how many parts its topics are
	// spread. LogMaxAge and LogMaxBytes bound what it keeps: older messages are
	// deleted, whether all sessions have got them or not; 0 means no bound.
	LogShards   int           `conf:"log_shards" range:"1..256"`
	LogMaxAge   time.Duration `conf:"log_max_age" unit:"s"`
	LogMaxBytes config.Bytes  `conf:"log_max_bytes"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *DurabilityConfig) SetDefaults() {
	c.Unavailable = "refuse"
	c.LogShards, c.LogMaxAge, c.LogMaxBytes = 1, 7*24*time.Hour, 16*1024*config.MB
}

// BrokerConfig is the section broker.*.
type BrokerConfig struct {
	SysInterval  time.Duration `conf:"sys_interval"`  // of version, stats and metrics on $SYS; 0 never
	SysHeartbeat time.Duration `conf:"sys_heartbeat"` // of uptime and datetime; 0 never

	Strategy string                 `conf:"shared_subscription_strategy" oneof:"random round_robin round_robbin sticky hash hash_clientid hash_topic local"`
	Groups   map[string]GroupConfig `conf:"$group"`

	// TellTakenOver and TellDiscarded have client.disconnected and the presence
	// topics tell also of connections that a newer one of the same client ended.
	TellTakenOver config.Flag `conf:"client_disconnect_takeovered"`
	TellDiscarded config.Flag `conf:"client_disconnect_discarded"`

	// MaxDelayed and MaxDelayedBytes bound the messages that wait in $delayed
	// and their payloads; 0 means no bound. EMQ X has no such keys.
	MaxDelayed      int          `conf:"max_delayed_messages" range:"0.."`
	MaxDelayedBytes config.Bytes `conf:"max_delayed_bytes"`
}

// GroupConfig is broker.<group>.*: what one share group does differently.
type GroupConfig struct {
	Strategy string `conf:"shared_subscription_strategy" oneof:"random round_robin round_robbin sticky hash hash_clientid hash_topic local"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *BrokerConfig) SetDefaults() {
	c.SysInterval, c.SysHeartbeat = time.Minute, 30*time.Second
	c.Strategy = string(RoundRobin)
	c.MaxDelayed, c.MaxDelayedBytes = 1_000_000, 256*config.MB
}

// strategy is the one of a share group, older spellings resolved.
func (c *BrokerConfig) strategy(group string) Strategy {
	s := c.Strategy
	if g, ok := c.Groups[group]; ok && g.Strategy != "" {
		s = g.Strategy
	}
	switch s {
	case "round_robbin":
		return RoundRobin
	case "hash":
		return HashClientID
	}
	return Strategy(s)
}

// ModulesConfig is the section module.*.
type ModulesConfig struct {
	Presence      config.Flag             `conf:"presence"`
	PresenceQoS   int                     `conf:"presence.qos" range:"0..2"`
	AutoSubscribe config.Flag             `conf:"subscription"`
	Subscriptions map[string]Subscription `conf:"subscription.$id"`
	Rewrite       config.Flag             `conf:"rewrite"`
	Rules         map[string]string       `conf:"rewrite.rule.$id"`
	PublishRules  map[string]string       `conf:"rewrite.pub.rule.$id"`
	SubRules      map[string]string       `conf:"rewrite.sub.rule.$id"`
	Slow          SlowConfig              `conf:"slow_subs"`
}

// Subscription is one that every client gets when it connects; the topic may
// hold %c and %u.
type Subscription struct {
	Topic             string `conf:"topic"`
	QoS               int    `conf:"qos" range:"0..2"`
	NoLocal           int    `conf:"nl" range:"0..1"`
	RetainAsPublished int    `conf:"rap" range:"0..1"`
	RetainHandling    int    `conf:"rh" range:"0..2"`
}

// SetDefaults gives the values of a configuration that says nothing. From EMQ
// X 4.1 on the modules have no switch of their own: rules that are there are
// in force, so the switches are on and only an `off` counts.
func (c *ModulesConfig) SetDefaults() {
	c.Presence, c.AutoSubscribe, c.Rewrite = true, true, true
	c.PresenceQoS = 1
	c.Slow.SetDefaults()
}

// SetDefaults gives the QoS that EMQ X's schema has.
func (s *Subscription) SetDefaults() { s.QoS = 1 }

// Validate checks the rules that can't be checked word by word.
func (c *ModulesConfig) Validate() error {
	for kind, rules := range map[string]map[string]string{"rule": c.Rules, "pub.rule": c.PublishRules, "sub.rule": c.SubRules} {
		for id, text := range rules {
			if _, err := parseRewrite(text); err != nil {
				return config.Invalid("rewrite."+kind+"."+id, "%v", err)
			}
		}
	}
	for id, s := range c.Subscriptions {
		if _, err := topic.Parse(s.Topic); err != nil {
			return config.Invalid("subscription."+id+".topic", "%q is no topic filter: %v", s.Topic, err)
		}
	}
	return nil
}
