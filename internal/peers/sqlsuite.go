package peers

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/connector"
)

// Querier is what links to SQL databases have in common.
type Querier interface {
	Query(ctx context.Context, statement string, args ...any) (columns []string, rows [][]any, err error)
	Ping(ctx context.Context) error
	Close() error
}

// Login is what a Querier is opened with.
type Login struct {
	Server                       string // host:port
	Username, Password, Database string
	Pool                         int
	QueryTimeout                 time.Duration
	TLS                          connector.TLS
}

// Dialect is how a database differs from others in the suite.
type Dialect struct {
	Parameter string // the text of the first
	// Connections asks how many the user dunlin has.
	Connections string
	// Sleep is a query that takes ten seconds.
	Sleep string
}

// TestQuerier runs what every link to an SQL database must do against one
// server.
func TestQuerier(t *testing.T, s *SQL, d Dialect, open func(Login) (Querier, error)) {
	q := &querierSuite{SQL: s, dialect: d, open: open}
	s.Exec(`create table kinds (i integer, s varchar(100), n varchar(100));
		insert into kinds values (42, 'snow ☃ 🐟', null);
		create table many (i integer);`)
	s.Exec("insert into many values (0)" + strings.Repeat(", (0)", 100) + ";")
	t.Run("values", q.values)
	t.Run("more rows than anybody wants", q.tooManyRows)
	t.Run("mistakes are permanent", q.mistakes)
	t.Run("refused at the door", q.refused)
	t.Run("encrypted", q.encrypted)
	t.Run("at once", q.atOnce)
	t.Run("cancelled", q.cancelled)
	t.Run("its own time is over", q.ownTimeout)
	t.Run("not there", q.notThere)
	t.Run("killed and back", q.killed)
	t.Run("stalled", q.stalled)
}

type querierSuite struct {
	*SQL
	dialect Dialect
	open    func(Login) (Querier, error)
}

// login is the one that works.
func (q *querierSuite) login() Login {
	return Login{Server: q.Addr(), Username: q.Username, Password: q.Password, Database: q.Database, Pool: 8}
}

func (q *querierSuite) connect(t *testing.T, l Login) Querier {
	t.Helper()
	db, err := q.open(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// ask runs a query that has an answer.
func ask(t *testing.T, db Querier, statement string, args ...any) ([]string, [][]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	columns, rows, err := db.Query(ctx, statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return columns, rows
}

// refuses runs a query that has none and returns the error, which must come
// within a second more than the query was given.
func refuses(t *testing.T, db Querier, within time.Duration, statement string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	began := time.Now()
	_, rows, err := db.Query(ctx, statement)
	if err == nil {
		t.Fatalf("%s: got %v, want an error", statement, rows)
	}
	if took := time.Since(began); took > within+time.Second {
		t.Errorf("%s: the error came after %v, given %v: %v", statement, took, within, err)
	}
	return err
}

const easy = "select i from kinds"

func (q *querierSuite) values(t *testing.T) {
	db := q.connect(t, q.login())
	columns, rows := ask(t, db, "select i, s as name, n from kinds where s = "+q.dialect.Parameter, "snow ☃ 🐟")
	if !reflect.DeepEqual(columns, []string{"i", "name", "n"}) || !reflect.DeepEqual(rows, [][]any{{int64(42), "snow ☃ 🐟", nil}}) {
		t.Errorf("got %v of %v", rows, columns)
	}
	if _, again := ask(t, db, easy); !reflect.DeepEqual(again, [][]any{{int64(42)}}) {
		t.Errorf("without parameters: got %#v", again)
	}
	for _, hostile := range []any{"' or '1'='1", `\`, `\' or 1=1 -- `, "", nil, "x; drop table kinds"} {
		if _, rows := ask(t, db, "select i from kinds where s = "+q.dialect.Parameter, hostile); len(rows) > 0 {
			t.Errorf("%v brought %v", hostile, rows)
		}
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func (q *querierSuite) tooManyRows(t *testing.T) {
	db := q.connect(t, q.login())
	if err := refuses(t, db, patience, "select a.i from many a, many b"); !connector.IsPermanent(err) || !strings.Contains(err.Error(), "10000") {
		t.Errorf("10,201 rows: %v, want a permanent error that names the bound", err)
	}
	ask(t, db, easy)
}

func (q *querierSuite) mistakes(t *testing.T) {
	db := q.connect(t, q.login())
	for _, statement := range []string{"select i from nowhere", "select nothing from kinds", "selekt"} {
		if err := refuses(t, db, patience, statement); !connector.IsPermanent(err) {
			t.Errorf("%s: %v, want a permanent error", statement, err)
		}
	}
	ask(t, db, easy)
}

func (q *querierSuite) refused(t *testing.T) {
	for name, change := range map[string]func(*Login){
		"password": func(l *Login) { l.Password = "not-the-secret" },
		"none":     func(l *Login) { l.Password = "" },
		"user":     func(l *Login) { l.Username = "stranger" },
		"database": func(l *Login) { l.Database = "elsewhere" },
	} {
		l := q.login()
		change(&l)
		err := refuses(t, q.connect(t, l), patience, easy)
		if !errors.Is(err, connector.ErrNotConnected) || !strings.Contains(err.Error(), q.Addr()) || strings.Contains(err.Error(), "secret") {
			t.Errorf("wrong %s: %v, want ErrNotConnected with the address and no secret", name, err)
		}
	}
}

func (q *querierSuite) encrypted(t *testing.T) {
	c := q.Certs
	try := func(name, user string, tls connector.TLS, host string, want bool) {
		t.Helper()
		l := q.login()
		l.Username, l.TLS = user, tls
		l.Server = strings.Replace(l.Server, "127.0.0.1", host, 1)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, _, err := q.connect(t, l).Query(ctx, "select 1")
		if (err == nil) != want || err != nil && !errors.Is(err, connector.ErrNotConnected) {
			t.Errorf("%s: %v, want success %v, else ErrNotConnected", name, err, want)
		}
	}
	on := func(ca string) connector.TLS { return connector.TLS{Enable: true, Verify: true, CACertFile: ca} }
	ours := on(c.CA)
	ours.CertFile, ours.KeyFile = c.ClientCert, c.ClientKey
	named := on(c.CA)
	named.ServerName = "elsewhere"

	try("in the clear, where TLS is asked for", "encrypted", connector.TLS{}, "127.0.0.1", false)
	try("encrypted only", "encrypted", connector.TLS{Enable: true}, "127.0.0.1", true)
	try("verified", "encrypted", on(c.CA), "127.0.0.1", true)
	try("verified by name", "encrypted", on(c.CA), "localhost", true)
	try("another authority", "encrypted", on(c.OtherCA), "127.0.0.1", false)
	try("another name", "encrypted", named, "127.0.0.1", false)
	try("without the certificate it asks for", "certified", on(c.CA), "127.0.0.1", false)
	try("with a certificate", "certified", ours, "127.0.0.1", true)
}

func (q *querierSuite) atOnce(t *testing.T) {
	db := q.connect(t, q.login())
	const requests = 200
	var wg sync.WaitGroup
	failed := make(chan error, requests)
	most := make(chan int64, requests)
	for range requests {
		wg.Go(func() {
			_, rows, err := db.Query(t.Context(), q.dialect.Connections)
			if err != nil {
				failed <- err
				return
			}
			most <- rows[0][0].(int64)
		})
	}
	wg.Wait()
	close(failed)
	close(most)
	for err := range failed {
		t.Error(err)
	}
	var peak int64
	for n := range most {
		peak = max(peak, n)
	}
	if peak < 2 || peak > 8 {
		t.Errorf("%d requests at once took %d connections, want more than one and 8 at most", requests, peak)
	}
}

func (q *querierSuite) cancelled(t *testing.T) {
	db := q.connect(t, q.login())
	ask(t, db, easy)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := db.Query(ctx, easy); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	if _, _, err := db.Query(ctx, q.dialect.Sleep); !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
		t.Errorf("cancelled on the way: %v after %v", err, time.Since(began))
	}
	ask(t, db, easy)
}

func (q *querierSuite) ownTimeout(t *testing.T) {
	l := q.login()
	l.QueryTimeout = time.Second
	db := q.connect(t, l)
	began := time.Now()
	if _, _, err := db.Query(t.Context(), q.dialect.Sleep); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("a query of ten seconds, given one: %v after %v", err, time.Since(began))
	}
	ask(t, db, easy)
}

func (q *querierSuite) notThere(t *testing.T) {
	l := q.login()
	l.Server = loopback(FreePort(t))
	db := q.connect(t, l) // Open doesn't connect
	if err := refuses(t, db, patience, easy); !errors.Is(err, connector.ErrNotConnected) || !strings.Contains(err.Error(), l.Server) {
		t.Errorf("nobody listens: %v, want ErrNotConnected with the address", err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("ping, nobody listens: %v, want ErrNotConnected", err)
	}
}

func (q *querierSuite) killed(t *testing.T) {
	l := q.login()
	db := q.connect(t, l)
	var wg sync.WaitGroup
	for range 10 * l.Pool { // so that there are several connections
		wg.Go(func() {
			if _, _, err := db.Query(t.Context(), easy); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	q.Kill()
	for range 3 {
		if err := refuses(t, db, 2*time.Second, easy); !errors.Is(err, connector.ErrNotConnected) {
			t.Errorf("killed: %v, want ErrNotConnected", err)
		}
	}
	q.Start()
	ask(t, db, easy)
	q.Kill()
	q.Start()
	// One query may find out that its connection is dead; then all are known to be.
	if _, _, err := db.Query(t.Context(), easy); err != nil && !errors.Is(err, connector.ErrNotConnected) {
		t.Errorf("restarted: %v, want ErrNotConnected at most", err)
	}
	for range l.Pool {
		ask(t, db, easy)
	}
}

func (q *querierSuite) stalled(t *testing.T) {
	l := q.login()
	l.Pool = 2
	db := q.connect(t, l)
	ask(t, db, easy)
	q.Pause()
	var wg sync.WaitGroup
	for i := range 2 * l.Pool { // some wait for the server, some for a connection
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, _, err := db.Query(ctx, easy)
			if took := time.Since(began); took > 1300*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("request %d: %v after %v, want the deadline's error in 300ms", i, err, took)
			}
		})
	}
	wg.Wait()
	q.Resume()
	deadline := time.Now().Add(10 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _, err := db.Query(ctx, easy)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("resumed, still no answer: %w", err))
		}
	}
}
