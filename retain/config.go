package retain

import (
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Config is the section retainer.*.
type Config struct {
	// StorageType is where messages are beside memory: ram, nowhere, so that
	// they are gone with the process; disc, in the engine. disc_only, which in
	// EMQ X saves the memory, is as disc.
	StorageType string `conf:"storage_type" oneof:"ram disc disc_only"`

	// MaxMessages bounds the topics with a retained message; 0 means no bound.
	// A full store still replaces and deletes.
	MaxMessages int `conf:"max_retained_messages" range:"0.."`

	// MaxPayload is the largest payload that is stored, in bytes.
	MaxPayload config.Bytes `conf:"max_payload_size"`

	// Expiry is how long messages without an expiry of their own are kept;
	// 0 for ever.
	Expiry time.Duration `conf:"expiry_interval" unit:"s" bare:"s"`

	// StopPublishClearMsg keeps the empty message that deletes a retained one
	// from the subscribers.
	StopPublishClearMsg bool `conf:"stop_publish_clear_msg"`
}

// Keeps reports whether messages outlive the process.
func (c *Config) Keeps() bool { return c.StorageType != "ram" }

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.StorageType = "disc"
	c.MaxPayload = config.MB
}
