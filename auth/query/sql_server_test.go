package query_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/auth/query"
	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/connector/mysql"
	"github.com/dunlin-mq/dunlin/connector/postgres"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

// What comes with EMQ X: the tables and the sample rows.
const (
	mysqlTables = `
		create table mqtt_user (id int unsigned not null auto_increment primary key, username varchar(100) default null,
			password varchar(100) default null, salt varchar(35) default null, is_superuser tinyint(1) default 0,
			created datetime default null, unique key mqtt_username (username)) engine=InnoDB default charset=utf8;
		create table mqtt_acl (id int unsigned not null auto_increment primary key, allow int(1) default 1, ipaddr varchar(60) default null,
			username varchar(100) default null, clientid varchar(100) default null, access int(2) not null,
			topic varchar(100) not null default '', index (ipaddr), index (username), index (clientid)) engine=InnoDB default charset=utf8;`
	postgresTables = `
		create table mqtt_user (id serial primary key, is_superuser boolean, username character varying(100),
			password character varying(100), salt character varying(40));
		create table mqtt_acl (id serial primary key, allow integer, ipaddr character varying(60),
			username character varying(100), clientid character varying(100), access integer, topic character varying(100));`
	sampleRows = `
		insert into mqtt_acl (allow, ipaddr, username, clientid, access, topic) values
			(1, null, '$all', null, 2, '#'),
			(0, null, '$all', null, 1, '$SYS/#'),
			(0, null, '$all', null, 1, 'eq #'),
			(1, '127.0.0.1', null, null, 2, '$SYS/#'),
			(1, '127.0.0.1', null, null, 2, '#'),
			(1, null, 'dashboard', null, 1, '$SYS/#');
		insert into mqtt_user (username, password, salt) values
			('emqx', 'efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7', null);`
)

// database is one server with EMQ X's tables in it.
type database struct {
	*peers.SQL
	provider func(query.SQL, query.Rows, *auth.Passwords, *slog.Logger) auth.Provider
	open     func(testing.TB, *peers.SQL) query.Rows
	yes, no  string // of the column is_superuser
	wider    string // makes room for sha512 in hexadecimal, which EMQ X's table hasn't
	mark     string // of a parameter
}

func mariaDB(t testing.TB) *database { return onMySQL(peers.MariaDB(t)) }
func mySQL8(t testing.TB) *database  { return onMySQL(peers.MySQL8(t)) }
func postgreSQL(t testing.TB) *database {
	s := peers.Postgres(t)
	s.Exec(postgresTables + sampleRows)
	return &database{s, query.NewPostgres, openPostgres, "true", "false", "alter table mqtt_user alter password type varchar(200)", "$"}
}

func onMySQL(s *peers.SQL) *database {
	s.Exec(mysqlTables + sampleRows)
	return &database{s, query.NewMySQL, openMySQL, "1", "0", "alter table mqtt_user modify password varchar(200)", "?"}
}

func TestMariaDB(t *testing.T)  { testSQL(t, mariaDB(t)) }
func TestMySQL8(t *testing.T)   { testSQL(t, mySQL8(t)) }
func TestPostgres(t *testing.T) { testSQL(t, postgreSQL(t)) }

func BenchmarkMariaDB(b *testing.B)  { benchmarkSQL(b, mariaDB(b)) }
func BenchmarkPostgres(b *testing.B) { benchmarkSQL(b, postgreSQL(b)) }

// benchmarkSQL asks for password and rights, as a CONNECT does, and for one
// topic. What the server itself takes is in the time.
func benchmarkSQL(b *testing.B, d *database) {
	p := d.use(b, nil, nil)
	r := who("emqx", "public")
	ask := func(b *testing.B, ask func(context.Context, *auth.Request) (auth.Answer, error)) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if a, err := ask(context.Background(), r); err != nil || a.Verdict != auth.Allow {
					b.Error(a, err)
				}
			}
		})
	}
	b.Run("connect", func(b *testing.B) { ask(b, p.Authenticate) })
	r.Topic = "a/b"
	b.Run("publish", func(b *testing.B) { ask(b, p.Authorize) })
}

func openMySQL(t testing.TB, s *peers.SQL) query.Rows {
	t.Helper()
	var c mysql.Config
	c.SetDefaults()
	c.Server = connector.Address{Host: s.Host, Port: uint16(s.Port)}
	c.Username, c.Password = s.Username, s.Password
	db, err := mysql.Open(c)
	return closing(t, db, err)
}

func openPostgres(t testing.TB, s *peers.SQL) query.Rows {
	t.Helper()
	var c postgres.Config
	c.SetDefaults()
	c.Server = connector.Address{Host: s.Host, Port: uint16(s.Port)}
	c.Username, c.Password = s.Username, s.Password
	db, err := postgres.Open(c)
	return closing(t, db, err)
}

func closing(t testing.TB, db peers.Querier, err error) query.Rows {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func testSQL(t *testing.T, d *database) {
	t.Run("as shipped", d.asShipped)
	t.Run("hashes", d.hashes)
	t.Run("superusers", d.superusers)
	t.Run("sample rules", d.sampleRules)
	t.Run("rules", d.rules)
	t.Run("hostile names", d.hostileNames)
	t.Run("a name that isn't there", d.nameless)
	t.Run("at once", d.atOnce)
	t.Run("tables missing", d.tablesMissing)
	t.Run("killed and back", d.killed)
}

// use opens a provider with EMQ X's queries, changed.
func (d *database) use(t testing.TB, log *slog.Logger, change func(*query.SQL)) auth.Provider {
	t.Helper()
	var c query.SQL
	c.SetDefaults()
	if change != nil {
		change(&c)
	}
	return d.provider(c, d.open(t, d.SQL), auth.NewPasswords(), log)
}

// do runs a statement with parameters, each written ?.
func (d *database) do(t *testing.T, statement string, args ...any) {
	t.Helper()
	if d.mark == "$" {
		for i := range args {
			statement = strings.Replace(statement, "?", fmt.Sprint("$", i+1), 1)
		}
	}
	if _, _, err := d.open(t, d.SQL).Query(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// plain stores passwords as they are.
func plain(c *query.SQL) { c.PasswordHash, _ = auth.ParseHash("plain") }

func who(username, password string) *auth.Request {
	r := &auth.Request{Client: &auth.Client{ClientID: "c1", Username: username, Peer: netip.MustParseAddrPort("192.0.2.7:1")}}
	if password != "" {
		r.Password = []byte(password)
	}
	return r
}

func authenticates(t *testing.T, p auth.Provider, username, password string, want auth.Verdict) auth.Answer {
	t.Helper()
	answer, err := p.Authenticate(t.Context(), who(username, password))
	if err != nil || answer.Verdict != want {
		t.Errorf("%q with %q: %+v, %v, want verdict %d", username, password, answer, err, want)
	}
	return answer
}

func (d *database) asShipped(t *testing.T) {
	p := d.use(t, nil, nil)
	authenticates(t, p, "emqx", "public", auth.Allow)
	authenticates(t, p, "emqx", "private", auth.Deny)
	authenticates(t, p, "emqx", "", auth.Deny)
	authenticates(t, p, "stranger", "public", auth.Ignore)
}

// bcrypted is päss'word at the lowest cost.
const bcrypted = "$2a$04$EINEQ2Cmb9glTKDD.eVdIetruvm0FjWL2jc/JPhCybUxumjiIrEoG"

func (d *database) hashes(t *testing.T) {
	d.Exec(d.wider)
	for i, kind := range []string{
		"plain", "md5", "sha", "sha256", "sha512", "bcrypt", "salt,md5", "salt,sha", "salt,sha256", "md5,salt", "sha,salt",
		"sha256,salt", "salt,bcrypt", "bcrypt,salt", "pbkdf2,sha256,1000,20", "pbkdf2,md5,10,16", "pbkdf2,ripemd160,10,16",
	} {
		h, err := auth.ParseHash(kind)
		if err != nil {
			t.Fatal(err)
		}
		stored, salt := bcrypted, bcrypted[:29]
		if !strings.Contains(kind, "bcrypt") {
			if stored, salt, err = h.Make([]byte("päss'word")); err != nil {
				t.Fatal(err)
			}
		}
		name := fmt.Sprintf("hash%d", i)
		d.do(t, "insert into mqtt_user (username, password, salt) values (?, ?, ?)", name, stored, salt)
		p := d.use(t, nil, func(c *query.SQL) {
			c.PasswordHash = h
			c.AuthQuery = "select password, salt from mqtt_user where username = '%u' limit 1"
		})
		authenticates(t, p, name, "päss'word", auth.Allow)
		authenticates(t, p, name, "päss'word ", auth.Deny)
	}
}

func (d *database) superusers(t *testing.T) {
	p := d.use(t, nil, plain)
	for name, value := range map[string]string{"root": d.yes, "mortal": d.no, "nobody": "null"} {
		d.do(t, "insert into mqtt_user (username, password, is_superuser) values (?, 'x', "+value+")", name)
		if got := authenticates(t, p, name, "x", auth.Allow).Superuser; got != (name == "root") {
			t.Errorf("%s with is_superuser = %s: %v", name, value, got)
		}
	}
}

func authorizes(t *testing.T, p auth.Provider, c auth.Client, action auth.Action, topic string, want auth.Verdict) {
	t.Helper()
	if !c.Peer.IsValid() {
		c.Peer = netip.MustParseAddrPort("192.0.2.7:1")
	}
	answer, err := p.Authorize(t.Context(), &auth.Request{Client: &c, Action: action, Topic: topic})
	if err != nil || answer.Verdict != want {
		t.Errorf("%s at %v, action %v, %s: %v, %v, want verdict %d", c.Username, c.Peer, action, topic, answer, err, want)
	}
}

func (d *database) sampleRules(t *testing.T) {
	p := d.use(t, nil, nil)
	user, local := auth.Client{Username: "u"}, auth.Client{Peer: netip.MustParseAddrPort("127.0.0.1:1")}
	authorizes(t, p, user, auth.Publish, "a/b", auth.Allow)
	authorizes(t, p, user, auth.Publish, "$SYS/x", auth.Ignore)
	authorizes(t, p, local, auth.Publish, "$SYS/x", auth.Allow)
	authorizes(t, p, user, auth.Subscribe, "#", auth.Deny)
	authorizes(t, p, user, auth.Subscribe, "a/#", auth.Ignore)
	authorizes(t, p, user, auth.Subscribe, "$SYS/#", auth.Deny)
	authorizes(t, p, auth.Client{Username: "dashboard"}, auth.Subscribe, "$SYS/#", auth.Allow)
}

func (d *database) rules(t *testing.T) {
	d.Exec(`insert into mqtt_acl (allow, ipaddr, username, clientid, access, topic) values
		(0, null, 'carol', null, 3, 'c/#'), (1, null, 'carol', null, 3, 'c/%c'), (1, '192.0.2.7', 'carol', 'c9', 1, 'x'),
		(1, null, 'carol', 'broken', 7, 'x'), (1, '198.51.100.0/24', 'carol', null, 2, 'net');`)
	p := d.use(t, nil, nil)
	carol := auth.Client{Username: "carol", ClientID: "c1"}
	authorizes(t, p, carol, auth.Publish, "c/c1", auth.Allow) // the last row first
	authorizes(t, p, carol, auth.Subscribe, "c/c2", auth.Deny)
	authorizes(t, p, carol, auth.Subscribe, "x", auth.Ignore) // another client id
	authorizes(t, p, auth.Client{Username: "carol", ClientID: "c9"}, auth.Subscribe, "x", auth.Allow)
	authorizes(t, p, auth.Client{Username: "$carol", ClientID: "c9"}, auth.Publish, "x", auth.Ignore)
	carol.Peer = netip.MustParseAddrPort("198.51.100.9:1")
	authorizes(t, d.use(t, nil, func(c *query.SQL) {
		c.ACLQuery = "select allow, ipaddr, username, clientid, access, topic from mqtt_acl where username = '%u' order by id"
	}), carol, auth.Publish, "net", auth.Allow)
}

func (d *database) hostileNames(t *testing.T) {
	p := d.use(t, nil, plain)
	for _, name := range []string{`' or '1'='1`, `\`, `\' or 1=1 -- `, `%`, `emqx' -- `, `$1`, `?`, "emqx\n", `"; drop table mqtt_user; --`, "snow ☃"} {
		authenticates(t, p, name, "public", auth.Ignore)
		d.do(t, "insert into mqtt_user (username, password) values (?, 'mine')", name)
		authenticates(t, p, name, "mine", auth.Allow)
	}
	// EMQ X's table in MySQL has no place for characters of four bytes.
	if _, err := p.Authenticate(t.Context(), who("🐟", "x")); err != nil && !connector.IsPermanent(err) {
		t.Errorf("a name that no row can have: %v", err)
	}
	authenticates(t, d.use(t, nil, nil), "emqx", "public", auth.Allow)
}

func (d *database) nameless(t *testing.T) {
	d.Exec("insert into mqtt_user (username, password) values ('undefined', 'x'), ('', 'x'), (null, 'x');")
	authenticates(t, d.use(t, nil, plain), "", "x", auth.Ignore)
	authorizes(t, d.use(t, nil, nil), auth.Client{}, auth.Publish, "t", auth.Allow) // by '$all'
}

func (d *database) atOnce(t *testing.T) {
	p := d.use(t, nil, nil)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			authenticates(t, p, "emqx", "public", auth.Allow)
			authorizes(t, p, auth.Client{Username: "u"}, auth.Publish, "a", auth.Allow)
		})
	}
	wg.Wait()
}

func (d *database) tablesMissing(t *testing.T) {
	var printed bytes.Buffer
	p := d.use(t, slog.New(slog.NewTextHandler(&printed, nil)), func(c *query.SQL) {
		c.SuperQuery = "select is_root from mqtt_user where username = '%u'"
		c.ACLQuery = strings.ReplaceAll(c.ACLQuery, "mqtt_acl", "rules")
	})
	if authenticates(t, p, "emqx", "public", auth.Allow).Superuser || !strings.Contains(printed.String(), "super_query") {
		t.Errorf("super_query fails, and all that is said is: %s", printed.String())
	}
	_, err := p.Authorize(t.Context(), who("u", ""))
	if !connector.IsPermanent(err) || !strings.HasPrefix(err.Error(), "acl_query: ") {
		t.Errorf("no table of rules: %v", err)
	}
	p = d.use(t, nil, func(c *query.SQL) { c.AuthQuery = strings.ReplaceAll(c.AuthQuery, "mqtt_user", "users") })
	if _, err := p.Authenticate(t.Context(), who("emqx", "public")); !connector.IsPermanent(err) || !strings.HasPrefix(err.Error(), "auth_query: ") {
		t.Errorf("no table of users: %v", err)
	}
}

func (d *database) killed(t *testing.T) {
	p := d.use(t, nil, nil)
	authenticates(t, p, "emqx", "public", auth.Allow)
	d.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := p.Authenticate(ctx, who("emqx", "public")); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("killed: %v", err)
	}
	d.Start()
	authenticates(t, p, "emqx", "public", auth.Allow)
}
