package mysql

import (
	"time"

	"github.com/dunlin-mq/dunlin/connector"
)

// Config is where the server is and how to log in.
type Config struct {
	Server   connector.Address `conf:"server"` // port 3306 if it has none
	Pool     int               `conf:"pool" alias:"pool_size" range:"1..10000"`
	Username string            `conf:"username"`
	Password string            `conf:"password"`
	Database string            `conf:"database"`
	// QueryTimeout bounds each query; 0 leaves it to the context.
	QueryTimeout time.Duration `conf:"query_timeout"`
	TLS          connector.TLS `conf:"ssl" alias:"ssl_opts"`
}

const defaultPort = 3306

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.Server, c.Pool, c.Database = connector.Address{Host: "127.0.0.1", Port: defaultPort}, 8, "mqtt"
}
