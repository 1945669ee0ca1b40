package redis

import (
	"errors"
	"net"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
)

// Config is where Redis is and how to log in.
type Config struct {
	Type string `conf:"type" oneof:"single sentinel cluster"`
	// Servers are the server, the sentinels, or some nodes of the cluster, as
	// host or host:port; without a port it is 6379, of sentinels 26379.
	Servers  []string `conf:"server"`
	Sentinel string   `conf:"sentinel"` // what the sentinels call the master
	// Pool is how many connections there may be, in a cluster to each node.
	Pool     int    `conf:"pool" alias:"pool_size" range:"1.."`
	Database int    `conf:"database" range:"0.."`
	Username string `conf:"username"` // of Redis 6 and later; "" is the user default
	Password string `conf:"password"`
	// QueryTimeout bounds each command; 0 leaves it to the context.
	QueryTimeout time.Duration `conf:"query_timeout"`
	TLS          connector.TLS `conf:"ssl"`

	// How EMQ X 4.0 to 4.2 spell the files of TLS.
	CAFile   string `conf:"cafile"`
	CertFile string `conf:"certfile"`
	KeyFile  string `conf:"keyfile"`
}

const defaultPort, sentinelPort = "6379", "26379"

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.Type, c.Servers, c.Pool = "single", []string{"127.0.0.1:" + defaultPort}, 8
}

// Files returns the fields that are paths, for whoever resolves relative ones.
func (c *Config) Files() []*string {
	return append(c.TLS.Files(), &c.CAFile, &c.CertFile, &c.KeyFile)
}

// Validate checks what no single value shows.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Servers) == 0 {
		errs = append(errs, config.Invalid("server", "expected at least one host or host:port"))
	}
	for _, s := range c.Servers {
		if c.address(s) == "" {
			errs = append(errs, config.Invalid("server", "expected host or host:port, found %q", s))
		}
	}
	switch {
	case c.Type == "single" && len(c.Servers) > 1:
		errs = append(errs, config.Invalid("server", "type = single takes one server, found %d", len(c.Servers)))
	case c.Type == "sentinel" && c.Sentinel == "":
		errs = append(errs, config.Invalid("sentinel", "type = sentinel needs the name of the master"))
	case c.Type == "cluster" && c.Database != 0:
		errs = append(errs, config.Invalid("database", "a cluster has database 0 alone"))
	}
	return errors.Join(errs...)
}

// address completes a server with the port; "" if it is none. An IPv6 address
// with a port stands in brackets.
func (c *Config) address(server string) string {
	if !strings.Contains(server, ":") || net.ParseIP(server) != nil {
		port := defaultPort
		if c.Type == "sentinel" {
			port = sentinelPort
		}
		server = net.JoinHostPort(server, port)
	}
	host, port, err := net.SplitHostPort(server)
	if _, wrong := net.LookupPort("tcp", port); err != nil || wrong != nil || host == "" || strings.ContainsAny(host, " /@") {
		return ""
	}
	return server
}

// tls is the TLS of either spelling.
func (c *Config) tls() connector.TLS {
	t := c.TLS
	for _, f := range []struct {
		to   *string
		from string
	}{{&t.CACertFile, c.CAFile}, {&t.CertFile, c.CertFile}, {&t.KeyFile, c.KeyFile}} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	return t
}
