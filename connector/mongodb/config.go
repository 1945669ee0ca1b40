package mongodb

import (
	"errors"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
)

// Config is where MongoDB is and how to log in.
type Config struct {
	// Type is how the servers belong together: unknown finds out, sharded does
	// as well, rs wants a replica set, single never looks at others.
	Type       string              `conf:"type" oneof:"single unknown sharded rs"`
	ReplicaSet string              `conf:"rs_set_name"` // for type rs; "" means that of the TXT record, or mqtt
	Servers    []connector.Address `conf:"server"`      // the port is 27017 if they have none
	// SRVRecord takes the one server for the name of a DNS record _mongodb._tcp
	// that lists them, and of a TXT record beside it.
	SRVRecord  bool   `conf:"srv_record"`
	Pool       int    `conf:"pool" alias:"pool_size" range:"1.."` // connections to each server
	Username   string `conf:"username" alias:"login"`             // "" logs in nobody
	Password   string `conf:"password"`
	AuthSource string `conf:"auth_source"` // database of the user; "" means that of the TXT record, or mqtt
	Database   string `conf:"database"`
	// QueryTimeout bounds each query; 0 leaves it to the context.
	QueryTimeout time.Duration `conf:"query_timeout"`
	WriteMode    string        `conf:"w_mode" oneof:"unsafe safe undef"`     // unsafe waits for no answer
	ReadMode     string        `conf:"r_mode" oneof:"master slave_ok undef"` // slave_ok prefers secondaries
	Topology     Topology      `conf:"topology"`
	TLS          connector.TLS `conf:"ssl" alias:"ssl_opts"`
}

// Topology is how the servers are watched and chosen. All are numbers of
// milliseconds.
type Topology struct {
	ConnectTimeout         time.Duration `conf:"connect_timeout_ms" bare:"ms"` // 0: none but the context's
	ServerSelectionTimeout time.Duration `conf:"server_selection_timeout_ms" bare:"ms"`
	// LocalThreshold is by how much a server may be slower to answer than the
	// nearest and still be asked.
	LocalThreshold time.Duration `conf:"local_threshold_ms" bare:"ms"`
	Heartbeat      time.Duration `conf:"heartbeat_frequency_ms" bare:"ms"`
}

const (
	defaultPort = 27017
	// defaultName is EMQ X's for the database, the source of users and the
	// replica set.
	defaultName = "mqtt"
)

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	c.Type, c.Servers, c.Pool, c.Database = "single", []connector.Address{{Host: "127.0.0.1", Port: defaultPort}}, 8, defaultName
}

// SetDefaults gives the values of a configuration that says nothing.
func (t *Topology) SetDefaults() {
	t.ConnectTimeout, t.ServerSelectionTimeout = 20*time.Second, 30*time.Second
	t.LocalThreshold, t.Heartbeat = time.Second, 10*time.Second
}

// Validate checks what no single value shows.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Servers) == 0 {
		errs = append(errs, config.Invalid("server", "expected at least one server"))
	}
	switch {
	case c.SRVRecord && len(c.Servers) > 1:
		errs = append(errs, config.Invalid("server", "srv_record takes one name, found %d", len(c.Servers)))
	case c.Type == "single" && len(c.Servers) > 1:
		errs = append(errs, config.Invalid("server", "type = single takes one server, found %d", len(c.Servers)))
	}
	if c.SRVRecord && len(c.Servers) == 1 && c.Servers[0].Port != 0 {
		errs = append(errs, config.Invalid("server", "srv_record has the ports: expected a name alone"))
	}
	if c.Database == "" {
		errs = append(errs, config.Invalid("database", "expected a name"))
	}
	return errors.Join(errs...)
}

// Validate checks what no single value shows.
func (t *Topology) Validate() error {
	const shortest = 500 * time.Millisecond // the library takes no less
	if t.Heartbeat < shortest {
		return config.Invalid("heartbeat_frequency_ms", "expected at least %d", shortest.Milliseconds())
	}
	return nil
}

// seeds are where to begin.
type seeds struct {
	hosts      []string
	authSource string
	replicaSet string
}

// listed are the servers of a configuration without SRVRecord.
func (c *Config) listed() seeds {
	s := seeds{authSource: c.AuthSource, replicaSet: c.ReplicaSet}
	for _, server := range c.Servers {
		s.hosts = append(s.hosts, server.Addr(defaultPort))
	}
	return s
}
