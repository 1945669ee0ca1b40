// Package otel tells an OpenTelemetry collector what the broker counts and what
// becomes of single messages: metrics and traces over OTLP, by gRPC or HTTP.
//
// It is a sender only: it counts nothing twice, keeps spans in one bounded queue
// and gives up what nobody takes. MQTT never waits for it; while it is off there
// is no hook, goroutine or connection. Logs are not sent.
//
// Messages, encoding and gRPC are those of the projects themselves; the queue,
// the spans and what is told of losses are our own. DESIGN.md says why.
package otel

import (
	"crypto/tls"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
)

// Config is the section opentelemetry.*; the keys are those of EMQX 5.
type Config struct {
	Exporter ExporterConfig `conf:"exporter"`
	Metrics  MetricsConfig  `conf:"metrics"`
	Traces   TracesConfig   `conf:"traces"`
}

// ExporterConfig is opentelemetry.exporter.*: where to.
type ExporterConfig struct {
	Endpoint string            `conf:"endpoint"` // http or https; for http_protobuf the part of the path before /v1/…
	Protocol string            `conf:"protocol" oneof:"grpc http_protobuf"`
	Headers  map[string]string `conf:"headers.$name"` // sent with every request
	Timeout  time.Duration     `conf:"timeout"`       // of one request
	TLS      connector.TLS     `conf:"ssl" alias:"ssl_options"`
}

// MetricsConfig is opentelemetry.metrics.*.
type MetricsConfig struct {
	Enable   config.Flag   `conf:"enable"`
	Interval time.Duration `conf:"interval"`
}

// TracesConfig is opentelemetry.traces.*.
type TracesConfig struct {
	Enable config.Flag `conf:"enable"`
	// All has messages traced that come without a context of a trace too: one of
	// a hundred, say, by Ratio.
	All   config.Flag    `conf:"filter.trace_all"`
	Ratio config.Percent `conf:"sample_ratio" alias:"filter.sample_ratio"`

	MaxQueue      int           `conf:"max_queue_size" range:"1..1000000"` // spans that wait
	MaxDeliveries int           `conf:"max_deliveries" range:"0.."`        // spans of deliveries of one message
	Delay         time.Duration `conf:"scheduled_delay"`                   // how long a span waits for others to be sent with
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.Exporter.Endpoint, c.Exporter.Protocol, c.Exporter.Timeout = "http://127.0.0.1:4317", "grpc", 10*time.Second
	c.Exporter.TLS.Verify = true
	c.Metrics.Interval = 10 * time.Second
	c.Traces.Ratio, c.Traces.MaxQueue, c.Traces.MaxDeliveries, c.Traces.Delay = 100, 2048, 100, 5*time.Second
}

// On reports whether anything is to be sent.
func (c *Config) On() bool { return c.Metrics.Enable || c.Traces.Enable }

// Validate checks what no single value shows.
func (c *Config) Validate() error {
	var errs []error
	if _, err := c.Exporter.url(); err != nil {
		errs = append(errs, config.Invalid("exporter.endpoint", "expected http://host:port or https://host:port, found %q", c.Exporter.Endpoint))
	}
	for key, d := range map[string]time.Duration{
		"exporter.timeout": c.Exporter.Timeout, "metrics.interval": c.Metrics.Interval, "traces.scheduled_delay": c.Traces.Delay,
	} {
		if d < 100*time.Millisecond {
			errs = append(errs, config.Invalid(key, "expected at least 100ms, found %v", d))
		}
	}
	for name := range c.Exporter.Headers {
		if strings.HasPrefix(strings.ToLower(name), "grpc-") {
			errs = append(errs, config.Invalid("exporter.headers."+name, "headers that begin with grpc- belong to the protocol"))
		}
	}
	return errors.Join(errs...)
}

// url is the endpoint. host:port alone is reached without TLS, unless ssl is on.
func (c *ExporterConfig) url() (*url.URL, error) {
	text := c.Endpoint
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("no address of a collector")
	case c.TLS.Enable:
		u.Scheme = "https"
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// secure is what TLS there is towards u; nil: none.
func (c *ExporterConfig) secure(u *url.URL) (*tls.Config, error) {
	t := c.TLS
	t.Enable = u.Scheme == "https"
	return t.Config()
}
