package query

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"

	"github.com/dunlin-mq/dunlin/auth"
)

// Rows is what an SQL database is asked through. The arguments and the values
// are nil for NULL; a text is a string, a whole number an int64.
type Rows interface {
	Query(ctx context.Context, statement string, args ...any) (columns []string, rows [][]any, err error)
}

// SQL are the queries of auth.mysql and auth.pgsql. In their texts '%u', '%c',
// '%a', '%C' and '%d', with the quotes, stand for what Request.Placeholder says,
// and for NULL if the client didn't give it; all else is left as it is.
type SQL struct {
	// AuthQuery brings the password a user has, as PasswordHash says, and the
	// salt; SuperQuery whether it is a superuser; ACLQuery the rules for it. An
	// empty one, or `off`, isn't asked.
	AuthQuery    string    `conf:"auth_query"`
	SuperQuery   string    `conf:"super_query"`
	ACLQuery     string    `conf:"acl_query"`
	PasswordHash auth.Hash `conf:"password_hash"`
}

// SetDefaults gives the queries that come with EMQ X.
func (c *SQL) SetDefaults() {
	c.AuthQuery = "select password from mqtt_user where username = '%u' limit 1"
	c.SuperQuery = "select is_superuser from mqtt_user where username = '%u' limit 1"
	c.ACLQuery = "select allow, ipaddr, username, clientid, access, topic from mqtt_acl" +
		" where ipaddr = '%a' or username = '%u' or username = '$all' or clientid = '%c'"
	c.PasswordHash, _ = auth.ParseHash("sha256")
}

// NewMySQL is the provider "mysql". It lacks its Authenticator or Authorizer if
// the query is off; Backend and Close are the caller's.
func NewMySQL(c SQL, db Rows, passwords *auth.Passwords, log *slog.Logger) auth.Provider {
	return newSQL(c, db, passwords, log, dialect{
		name:    "mysql",
		mark:    func(int) string { return "?" },
		named:   true,
		isSuper: func(v any) bool { return v == int64(1) },
	})
}

// NewPostgres is the provider "pgsql"; see NewMySQL.
func NewPostgres(c SQL, db Rows, passwords *auth.Passwords, log *slog.Logger) auth.Provider {
	return newSQL(c, db, passwords, log, dialect{
		name:    "pgsql",
		mark:    func(n int) string { return "$" + strconv.Itoa(n) },
		isSuper: func(v any) bool { yes, _ := v.(bool); return yes },
	})
}

// dialect is in what EMQ X treats the two databases differently.
type dialect struct {
	name    string
	mark    func(n int) string // of the nth parameter
	named   bool               // password and salt go by the names of columns, not by their places
	isSuper func(v any) bool   // a superuser's value
}

func newSQL(c SQL, db Rows, passwords *auth.Passwords, log *slog.Logger, d dialect) auth.Provider {
	p := auth.Provider{Name: d.name}
	if c.AuthQuery = given(c.AuthQuery); c.AuthQuery != "" {
		p.Authenticator = &sqlAuthenticator{
			dialect: d, db: db, hash: c.PasswordHash, passwords: passwords, log: newComplaints(log),
			auth:  compile("auth_query", c.AuthQuery, d.mark),
			super: compile("super_query", given(c.SuperQuery), d.mark),
		}
	}
	if c.ACLQuery = given(c.ACLQuery); c.ACLQuery != "" {
		p.Authorizer = &sqlAuthorizer{
			dialect: d, db: db, log: newComplaints(log),
			acl: compile("acl_query", c.ACLQuery, d.mark),
		}
	}
	return p
}

// given is a query, or "" if it is off.
func given(query string) string {
	if query == "off" {
		return ""
	}
	return query
}

// statement is a query with its placeholders taken out.
type statement struct {
	key     string // in the configuration, for errors
	text    string
	letters []byte // what the parameters are, in their order
}

var quoted = regexp.MustCompile(`'%[ucaCd]'`)

func compile(key, query string, mark func(n int) string) statement {
	s := statement{key: key}
	s.text = quoted.ReplaceAllStringFunc(query, func(found string) string {
		s.letters = append(s.letters, found[2])
		return mark(len(s.letters))
	})
	return s
}

// ask runs the statement for a request.
func (s statement) ask(ctx context.Context, db Rows, r *auth.Request) (columns []string, rows [][]any, err error) {
	args := make([]any, len(s.letters))
	for i, letter := range s.letters {
		if value, _ := r.Placeholder(letter); value != "" {
			args[i] = value
		}
	}
	if columns, rows, err = db.Query(ctx, s.text, args...); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.key, err)
	}
	return columns, rows, nil
}

// text is a column's value as a text; NULL is empty.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}
