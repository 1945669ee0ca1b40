package postgres

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var dialect = peers.Dialect{
	Parameter:   "$1",
	Connections: "select count(*) from pg_stat_activity where usename = 'dunlin'",
	Sleep:       "select pg_sleep(10)",
}

func open(l peers.Login) (peers.Querier, error) {
	c, err := of(l)
	if err != nil {
		return nil, err
	}
	return Open(c)
}

func of(l peers.Login) (Config, error) {
	var c Config
	c.SetDefaults()
	c.Username, c.Password, c.Database = l.Username, l.Password, l.Database
	c.Pool, c.QueryTimeout, c.TLS = l.Pool, l.QueryTimeout, l.TLS
	return c, c.Server.UnmarshalText([]byte(l.Server))
}

func TestPostgres(t *testing.T) {
	// What psql would take out of the environment must not matter.
	t.Setenv("PGHOST", "192.0.2.1")
	t.Setenv("PGUSER", "stranger")
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv("PGSSLROOTCERT", "/nowhere")
	t.Setenv("PGTARGETSESSIONATTRS", "standby")
	t.Setenv("PGOPTIONS", "-c search_path=nowhere")
	s := peers.Postgres(t)
	t.Run("encodings", func(t *testing.T) { encodings(t, s) })
	t.Run("a password of the kind md5", func(t *testing.T) {
		if err := use(t, s, func(c *Config) { c.Username = "legacy" }).Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("types", func(t *testing.T) { types(t, s) })
	peers.TestQuerier(t, s, dialect, open)
}

func use(t *testing.T, s *peers.SQL, change func(*Config)) *DB {
	t.Helper()
	c, err := of(peers.Login{Server: s.Addr(), Username: s.Username, Password: s.Password, Database: s.Database, Pool: 2})
	if err != nil {
		t.Fatal(err)
	}
	change(&c)
	db, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func encodings(t *testing.T, s *peers.SQL) {
	for _, encoding := range []string{"utf8", "UTF8", "latin1", ""} {
		db := use(t, s, func(c *Config) { c.Encoding = encoding })
		if _, rows, err := db.Query(t.Context(), "select $1::text", "abc"); err != nil || rows[0][0] != "abc" {
			t.Errorf("%q: %v, %v", encoding, rows, err)
		}
	}
	db := use(t, s, func(c *Config) { c.Encoding = "utf9" })
	if err := db.Ping(t.Context()); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("an encoding that isn't there: %v", err)
	}
}

func types(t *testing.T, s *peers.SQL) {
	db := use(t, s, func(*Config) {})
	is := func(expression string, want any) {
		t.Helper()
		_, rows, err := db.Query(t.Context(), "select "+expression)
		if err != nil || rows[0][0] != want {
			t.Errorf("%s: %#v, %v, want %#v", expression, rows, err, want)
		}
	}
	is("1::smallint", int64(1))
	is("1::integer", int64(1))
	is("1::bigint", int64(1))
	is("true", true)
	is("null::text", nil)
	is("'x'::varchar(10)", "x")
	is("'x'::char(2)", "x ")
	is(`'\x41'::bytea`, "A")
	is("'192.0.2.1'::inet", "192.0.2.1")
	is("'192.0.2.0/24'::cidr", "192.0.2.0/24")
	is("1.5::double precision", 1.5)
}

func TestConfig(t *testing.T) {
	f, err := config.Parse(strings.NewReader(`server = db.example.org
		ssl = true
		ssl_opts.cacertfile = ca.pem`), "pgsql.conf")
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if _, err := config.Bind(&c, f.Settings, nil); err != nil {
		t.Fatal(err)
	}
	if c.Server.Addr(defaultPort) != "db.example.org:5432" || c.Pool != 8 || c.Username != "root" || c.Database != "mqtt" ||
		!c.TLS.Enable || c.TLS.CACertFile != "ca.pem" {
		t.Errorf("got %+v", c)
	}
	if db, err := Open(c); err == nil || !strings.Contains(err.Error(), "cacertfile: open ca.pem") {
		t.Errorf("without the file: %v, %v", db, err)
	}
}
