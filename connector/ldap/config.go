package ldap

import (
	"errors"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
)

// Config is where the directory is and how to log in.
type Config struct {
	// Servers hold the same directory. The one that answered last is asked
	// first.
	Servers []connector.Address `conf:"servers"`
	Port    uint16              `conf:"port" range:"1.."` // of servers without one
	// Pool is how many connections there may be for searches, and again for
	// logging in.
	Pool         int           `conf:"pool" alias:"pool_size" range:"1.."`
	BindDN       string        `conf:"bind_dn"` // who searches; "" is nobody
	BindPassword string        `conf:"bind_password"`
	Timeout      time.Duration `conf:"timeout"` // of one search or login, connecting included
	TLS          connector.TLS `conf:"ssl"`     // from the first byte on: ldaps
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.Servers, c.Port = []connector.Address{{Host: "127.0.0.1"}}, 389
	c.Pool, c.Timeout = 8, 30*time.Second
	c.BindDN, c.BindPassword = "cn=root,dc=emqx,dc=io", "public"
}

// Validate checks what no single value shows.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Servers) == 0 {
		errs = append(errs, config.Invalid("servers", "expected at least one server"))
	}
	if c.BindDN != "" && c.BindPassword == "" {
		errs = append(errs, config.Invalid("bind_password", "bind_dn needs one: without it a directory takes everybody for nobody"))
	}
	if c.Timeout <= 0 {
		errs = append(errs, config.Invalid("timeout", "expected more than 0s"))
	}
	return errors.Join(errs...)
}

// addrs are the servers as host:port.
func (c *Config) addrs() []string {
	addrs := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		addrs[i] = s.Addr(c.Port)
	}
	return addrs
}
