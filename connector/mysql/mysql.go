package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dunlin-mq/dunlin/connector"
)

const (
	// maxRows bounds what one query may bring: more is a query without a
	// condition, not an answer.
	maxRows = 10_000
	// maxPrepared bounds the statements that are kept prepared. They come out of
	// a configuration, so there are few.
	maxPrepared = 100
	// connectTimeout is for the TCP connection; log-in has the query's time.
	connectTimeout = 5 * time.Second
)

// DB is a pool of connections. They are made when they are needed, and again
// when they were lost. Its methods may be called concurrently.
type DB struct {
	pool    *sql.DB
	timeout time.Duration

	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// Open reads the certificates; it doesn't connect. The caller closes the DB.
func Open(c Config) (*DB, error) {
	encryption, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	o := mysql.NewConfig()
	o.Net, o.Addr = "tcp", c.Server.Addr(defaultPort)
	o.User, o.Passwd, o.DBName = c.Username, c.Password, c.Database
	o.TLS, o.Timeout, o.Logger = encryption, connectTimeout, &mysql.NopLogger{}
	dial, err := mysql.NewConnector(o)
	if err != nil {
		return nil, fmt.Errorf("mysql %s: %w", o.Addr, err)
	}
	db := &DB{
		pool:     sql.OpenDB(dialer{dial, o.Addr}),
		timeout:  c.QueryTimeout,
		prepared: make(map[string]*sql.Stmt),
	}
	db.pool.SetMaxOpenConns(c.Pool)
	db.pool.SetMaxIdleConns(c.Pool)
	return db, nil
}

// dialer says of an error that it came up before there was a connection.
type dialer struct {
	driver.Connector
	addr string
}

func (d dialer) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := d.Connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("mysql %s: %w: %w", d.addr, connector.ErrNotConnected, err)
	}
	return c, nil
}

// Query runs one statement with its parameters, `?` in the text, and returns
// the names of the columns and the rows: nil for NULL, else int64, uint64,
// float32, float64 or string. More than 10,000 rows are an error. It blocks
// until ctx is over at the longest; the connection is given up then.
func (db *DB) Query(ctx context.Context, statement string, args ...any) (columns []string, rows [][]any, err error) {
	if db.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, db.timeout)
		defer cancel()
	}
	columns, rows, err = db.query(ctx, statement, args)
	return columns, rows, explain(ctx, err)
}

func (db *DB) query(ctx context.Context, statement string, args []any) (columns []string, rows [][]any, err error) {
	stmt, release, err := db.prepare(ctx, statement)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	found, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, nil, err
	}
	defer found.Close() //nolint:errcheck // found.Err says it at the end
	if columns, err = found.Columns(); err != nil {
		return nil, nil, err
	}
	for found.Next() {
		if len(rows) == maxRows {
			return nil, nil, connector.Permanent(fmt.Errorf("mysql: the query brings more than %d rows", maxRows))
		}
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, nil, err
		}
		for i, v := range row {
			if text, is := v.([]byte); is {
				row[i] = string(text)
			}
		}
		rows = append(rows, row)
	}
	return columns, rows, found.Err()
}

// prepare returns a statement that is prepared once on each connection, and
// what to call when it was used.
func (db *DB) prepare(ctx context.Context, statement string) (stmt *sql.Stmt, release func(), err error) {
	db.mu.Lock()
	stmt = db.prepared[statement]
	db.mu.Unlock()
	if stmt != nil {
		return stmt, func() {}, nil
	}
	stmt, err = db.pool.PrepareContext(ctx, statement) // may wait, so outside of the lock
	if err != nil {
		return nil, nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.prepared[statement] == nil && len(db.prepared) < maxPrepared {
		db.prepared[statement] = stmt
		return stmt, func() {}, nil
	}
	return stmt, func() { stmt.Close() }, nil //nolint:errcheck // the query has its answer by then
}

// Ping finds out whether the server answers.
func (db *DB) Ping(ctx context.Context) error { return explain(ctx, db.pool.PingContext(ctx)) }

// Close ends the connections once they are idle.
func (db *DB) Close() error { return db.pool.Close() }

// passing are the codes of errors that may be gone the next time: too many
// connections, shutting down, lock waits, deadlocks, read-only, prepared too long
// ago.
var passing = []uint16{1040, 1053, 1203, 1205, 1213, 1243, 1290, 1615, 1836}

// explain gives an error its kind.
func explain(ctx context.Context, err error) error {
	var said *mysql.MySQLError
	var network net.Error
	switch {
	case err == nil || errors.Is(err, connector.ErrNotConnected) || connector.IsPermanent(err):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("mysql: no answer in time: %w", context.Cause(ctx))
	case errors.As(err, &said):
		if err = fmt.Errorf("mysql: %w", err); slices.Contains(passing, said.Number) {
			return err
		}
		return connector.Permanent(err)
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.As(err, &network):
		return fmt.Errorf("mysql: %w: %w", connector.ErrNotConnected, err)
	}
	return fmt.Errorf("mysql: %w", err)
}
