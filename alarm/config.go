package alarm

import (
	"errors"
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Config is alarm.* and os_mon.*.
type Config struct {
	// Actions are what is done when an alarm is raised and when it ends.
	Actions []string `conf:"alarm.actions" oneof:"log publish event webhook"`
	// SizeLimit bounds the history, 0 is no bound, and Validity how long an
	// alarm stays in it, 0 is for ever.
	SizeLimit int           `conf:"alarm.size_limit" range:"0.."`
	Validity  time.Duration `conf:"alarm.validity_period" bare:"s"`

	Webhook WebhookConfig `conf:"alarm.webhook"`

	// How often the machine is looked at; 0 is never.
	CPUInterval    time.Duration `conf:"os_mon.cpu_check_interval" bare:"s"`
	MemoryInterval time.Duration `conf:"os_mon.mem_check_interval" bare:"s"`

	// Above High there is an alarm, which ends at Low.
	CPUHigh    config.Percent `conf:"os_mon.cpu_high_watermark"`
	CPULow     config.Percent `conf:"os_mon.cpu_low_watermark"`
	MemoryHigh config.Percent `conf:"os_mon.sysmem_high_watermark"`

	// Files are the file descriptors that the system allows the process, looked
	// at with the memory. EMQ X has no such keys.
	FilesHigh config.Percent `conf:"os_mon.files_high_watermark"`
	FilesLow  config.Percent `conf:"os_mon.files_low_watermark"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	*c = Config{
		Actions: []string{"log", "publish"}, SizeLimit: 1000, Validity: 24 * time.Hour,
		CPUInterval: time.Minute, MemoryInterval: time.Minute,
		CPUHigh: 80, CPULow: 60, MemoryHigh: 70, FilesHigh: 80, FilesLow: 60,
	}
	c.Webhook.SetDefaults()
}

// Validate refuses marks between which an alarm would end where it begins, and
// a webhook that goes nowhere.
func (c *Config) Validate() error {
	var nowhere error
	if slices.Contains(c.Actions, "webhook") && c.Webhook.URL == "" {
		nowhere = config.Invalid("alarm.actions", "webhook needs alarm.webhook.url")
	}
	order := func(key string, low, high config.Percent) error {
		if low <= high {
			return nil
		}
		return config.Invalid("os_mon."+key+"_low_watermark", "expected at most os_mon.%s_high_watermark = %v, found %v", key, high, low)
	}
	return errors.Join(nowhere, order("cpu", c.CPULow, c.CPUHigh), order("files", c.FilesLow, c.FilesHigh))
}
