package redis

import (
	"errors"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
)

// Config is where Redis is and how to log in.
type Config struct {
	Type string `conf:"type" oneof:"single sentinel cluster"`
	// Servers are the server, the sentinels, or some nodes of the cluster. The
	// port is 6379 if they have none, of sentinels 26379.
	Servers  []connector.Address `conf:"server"`
	Sentinel string              `conf:"sentinel"` // what the sentinels call the master
	// Pool is how many connections there may be, in a cluster to each node.
	Pool     int    `conf:"pool" alias:"pool_size" range:"1.."`
	Database int    `conf:"database" range:"0.."`
	Username string `conf:"username"` // of Redis 6 and later; "" is the user default
	Password string `conf:"password"`
	// QueryTimeout bounds each command; 0 leaves it to the context, for 30 s at
	// most.
	QueryTimeout time.Duration `conf:"query_timeout"`
	TLS          connector.TLS `conf:"ssl"`

	// How EMQ X 4.0 to 4.2 spell the files of TLS.
	CAFile   string `conf:"cafile"`
	CertFile string `conf:"certfile"`
	KeyFile  string `conf:"keyfile"`
}

const defaultPort, sentinelPort = 6379, 26379

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.Type, c.Servers, c.Pool = "single", []connector.Address{{Host: "127.0.0.1", Port: defaultPort}}, 8
}

// Files returns the fields that are paths, for whoever resolves relative ones.
func (c *Config) Files() []*string {
	return append(c.TLS.Files(), &c.CAFile, &c.CertFile, &c.KeyFile)
}

// Validate checks what no single value shows.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Servers) == 0 {
		errs = append(errs, config.Invalid("server", "expected at least one server"))
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

// addrs are the servers as host:port.
func (c *Config) addrs() []string {
	var port uint16 = defaultPort
	if c.Type == "sentinel" {
		port = sentinelPort
	}
	addrs := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		addrs[i] = s.Addr(port)
	}
	return addrs
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
