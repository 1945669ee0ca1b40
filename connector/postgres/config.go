package postgres

import (
	"time"

	"github.com/dunlin-mq/dunlin/connector"
)

// Config is where the server is and how to log in.
type Config struct {
	Server   connector.Address `conf:"server"` // port 5432 if it has none
	Pool     int               `conf:"pool" alias:"pool_size" range:"1..10000"`
	Username string            `conf:"username"`
	Password string            `conf:"password"`
	Database string            `conf:"database"`
	Encoding string            `conf:"encoding"` // of texts on the connection; "" leaves it to the server
	// QueryTimeout bounds each query; 0 leaves it to the context.
	QueryTimeout time.Duration `conf:"query_timeout"`
	// With TLS the server has to speak it: there is no falling back.
	TLS connector.TLS `conf:"ssl" alias:"ssl_opts"`
}

const defaultPort = 5432

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.Server, c.Pool = connector.Address{Host: "127.0.0.1", Port: defaultPort}, 8
	c.Username, c.Database, c.Encoding = "root", "mqtt", "utf8"
}
