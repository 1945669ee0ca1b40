package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dunlin-mq/dunlin/connector"
)

const (
	// maxRows bounds what one query may bring: more is a query without a
	// condition, not an answer.
	maxRows = 10_000
	// connectTimeout bounds an attempt to connect that the context of the query
	// no longer waits for.
	connectTimeout = 5 * time.Second
)

// DB is a pool of connections. They are made when they are needed, and again
// when they were lost. Its methods may be called concurrently.
type DB struct {
	addr    string
	pool    *pgxpool.Pool
	timeout time.Duration
}

// isolated keeps the library from what it would otherwise take out of the
// environment and the home directory.
const isolated = "host=127.0.0.1 port=5432 user=- password=- database=- sslmode=disable sslcert='' sslkey='' sslrootcert='' " +
	"passfile='' target_session_attrs=any sslnegotiation=postgres"

// Open reads the certificates; it doesn't connect. The caller closes the DB.
func Open(c Config) (*DB, error) {
	encryption, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	o, err := pgxpool.ParseConfig(isolated)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	addr := c.Server.Addr(defaultPort)
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if encryption != nil && encryption.ServerName == "" && !encryption.InsecureSkipVerify {
		encryption.ServerName = host
	}
	to := o.ConnConfig
	to.Host, to.Port, to.User, to.Password, to.Database = host, uint16(port), c.Username, c.Password, c.Database
	to.TLSConfig, to.Fallbacks, to.ConnectTimeout = encryption, nil, connectTimeout
	to.RuntimeParams = map[string]string{"application_name": "dunlin"}
	if c.Encoding != "" {
		to.RuntimeParams["client_encoding"] = c.Encoding
	}
	o.MaxConns = int32(c.Pool)
	pool, err := pgxpool.NewWithConfig(context.Background(), o)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return &DB{addr: addr, pool: pool, timeout: c.QueryTimeout}, nil
}

// Query runs one statement with its parameters, $1 and so on in the text, and
// returns the names of the columns and the rows: nil for NULL, else bool,
// int64, float32, float64, string, or what the driver makes of rarer types.
// More than 10,000 rows are an error. It blocks until ctx is over at the
// longest; the connection is given up then.
func (db *DB) Query(ctx context.Context, statement string, args ...any) (columns []string, rows [][]any, err error) {
	if db.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, db.timeout)
		defer cancel()
	}
	columns, rows, err = db.query(ctx, statement, args)
	if err = db.explain(ctx, err); errors.Is(err, connector.ErrNotConnected) {
		db.pool.Reset() // where one connection is lost, the others most likely are
	}
	return columns, rows, err
}

func (db *DB) query(ctx context.Context, statement string, args []any) (columns []string, rows [][]any, err error) {
	found, err := db.pool.Query(ctx, statement, args...)
	if err != nil {
		return nil, nil, err
	}
	defer found.Close()
	for _, c := range found.FieldDescriptions() {
		columns = append(columns, c.Name)
	}
	for found.Next() {
		if len(rows) == maxRows {
			return nil, nil, connector.Permanent(fmt.Errorf("postgres: the query brings more than %d rows", maxRows))
		}
		row, err := found.Values()
		if err != nil {
			return nil, nil, err
		}
		for i, v := range row {
			row[i] = plain(v)
		}
		rows = append(rows, row)
	}
	return columns, rows, found.Err()
}

// plain brings types that differ in width or spelling only to one.
func plain(v any) any {
	switch v := v.(type) {
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case []byte:
		return string(v)
	case netip.Prefix: // inet and cidr
		if v.IsSingleIP() {
			return v.Addr().String()
		}
		return v.String()
	}
	return v
}

// Ping finds out whether the server answers.
func (db *DB) Ping(ctx context.Context) error { return db.explain(ctx, db.pool.Ping(ctx)) }

// Close ends the connections once they are idle. It always returns nil.
func (db *DB) Close() error {
	db.pool.Close()
	return nil
}

// passing are the classes of SQLSTATE of errors that may be gone the next
// time: transaction rollback, resources, operator's intervention, system
// error.
var passing = []string{"40", "53", "57", "58"}

// explain gives an error its kind.
func (db *DB) explain(ctx context.Context, err error) error {
	var said *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil || connector.IsPermanent(err):
		return err
	case errors.As(err, &connect):
		return fmt.Errorf("postgres %s: %w: %w", db.addr, connector.ErrNotConnected, connect.Unwrap())
	case ctx.Err() != nil:
		return fmt.Errorf("postgres: no answer in time: %w", context.Cause(ctx))
	case errors.As(err, &said):
		err = fmt.Errorf("postgres: %w", err)
		switch class := said.Code[:2]; {
		case class == "08" || strings.HasPrefix(said.Code, "57P"): // the server is going down, or not up yet
			return fmt.Errorf("%w: %w", connector.ErrNotConnected, err)
		case slices.Contains(passing, class):
			return err
		}
		return connector.Permanent(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network), pgconn.SafeToRetry(err):
		return fmt.Errorf("postgres: %w: %w", connector.ErrNotConnected, err)
	}
	return fmt.Errorf("postgres: %w", err)
}
