package mysql

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var dialect = peers.Dialect{
	Parameter:   "?",
	Connections: "select count(*) from information_schema.processlist where user = 'dunlin'",
	Sleep:       "select sleep(10)",
}

func open(l peers.Login) (peers.Querier, error) {
	var c Config
	c.SetDefaults()
	if err := c.Server.UnmarshalText([]byte(l.Server)); err != nil {
		return nil, err
	}
	c.Username, c.Password, c.Database = l.Username, l.Password, l.Database
	c.Pool, c.QueryTimeout, c.TLS = l.Pool, l.QueryTimeout, l.TLS
	return Open(c)
}

func TestMariaDB(t *testing.T) {
	s := peers.MariaDB(t)
	s.Exec("install soname 'auth_ed25519'; create user modern identified via ed25519 using password('x y')")
	logsIn(t, s, "modern", "x y")
	peers.TestQuerier(t, s, dialect, open)
}

func TestMySQL8(t *testing.T) {
	s := peers.MySQL8(t)
	if plugin := s.Exec("select plugin from mysql.user where user = 'dunlin'"); !strings.Contains(plugin, "caching_sha2_password") {
		t.Fatalf("the account of the tests is of the kind %s", plugin)
	}
	// The server forgets whom it knows, so that the password itself is asked for;
	// without TLS it goes encrypted with the server's key. Then the server knows.
	s.Exec("flush privileges")
	logsIn(t, s, s.Username, s.Password)
	logsIn(t, s, s.Username, s.Password)
	s.Exec("create user older identified with mysql_native_password by 'x y'; create user 'open' identified by ''")
	logsIn(t, s, "older", "x y")
	logsIn(t, s, "open", "")
	peers.TestQuerier(t, s, dialect, open)
}

// logsIn makes a connection of its own, without TLS.
func logsIn(t *testing.T, s *peers.SQL, username, password string) {
	t.Helper()
	db, err := open(peers.Login{Server: s.Addr(), Username: username, Password: password, Pool: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("%s: %v", username, err)
	}
}

func TestConfig(t *testing.T) {
	f, err := config.Parse(strings.NewReader(`server = 3307
		pool_size = 4
		query_timeout = 5s
		ssl = on
		ssl.cafile = ca.pem`), "mysql.conf")
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if _, err := config.Bind(&c, f.Settings, nil); err != nil {
		t.Fatal(err)
	}
	if c.Server.Addr(defaultPort) != "127.0.0.1:3307" || c.Pool != 4 || c.QueryTimeout != 5*time.Second || c.Database != "mqtt" ||
		!c.TLS.Enable || c.TLS.CACertFile != "ca.pem" {
		t.Errorf("got %+v", c)
	}
	if db, err := Open(c); err == nil || !strings.Contains(err.Error(), "cacertfile: open ca.pem") {
		t.Errorf("without the file: %v, %v", db, err)
	}
	c.SetDefaults()
	if c.Server != (connector.Address{Host: "127.0.0.1", Port: 3306}) || c.Pool != 8 {
		t.Errorf("the defaults are %+v", c)
	}
}
