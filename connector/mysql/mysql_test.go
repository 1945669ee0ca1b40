package mysql

import (
	"testing"

	"github.com/dunlin-mq/dunlin/internal/peers"
)

var dialect = peers.Dialect{
	Parameter:   "?",
	Connections: "select count(*) from information_schema.processlist where user = 'dunlin'",
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

func TestMariaDB(t *testing.T) { peers.TestQuerier(t, peers.MariaDB(t), dialect, open) }
func TestMySQL8(t *testing.T)  { peers.TestQuerier(t, peers.MySQL8(t), dialect, open) }
