package postgres

import (
	"testing"

	"github.com/dunlin-mq/dunlin/internal/peers"
)

var dialect = peers.Dialect{
	Parameter:   "$1",
	Connections: "select count(*) from pg_stat_activity where usename = 'dunlin'",
}

func open(l peers.Login) (peers.Querier, error) {
	var c Config
	c.SetDefaults()
	if err := c.Server.UnmarshalText([]byte(l.Server)); err != nil {
		return nil, err
	}
	c.Username, c.Password, c.Database, c.Pool, c.TLS = l.Username, l.Password, l.Database, l.Pool, l.TLS
	return Open(c)
}

func TestPostgres(t *testing.T) { peers.TestQuerier(t, peers.Postgres(t), dialect, open) }
