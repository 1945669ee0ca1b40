package query

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// sqlAuthenticator is the first half of an SQL provider.
type sqlAuthenticator struct {
	dialect
	db          Rows
	auth, super statement
	hash        auth.Hash
	passwords   *auth.Passwords
	log         *complaints
}

// Authenticate ignores who isn't in the table. Of several rows the first
// counts. An empty stored password lets nobody in.
func (a *sqlAuthenticator) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	columns, rows, err := a.auth.ask(ctx, a.db, r)
	if err != nil || len(rows) == 0 {
		return auth.Answer{}, err
	}
	stored, salt, err := a.stored(columns, rows[0])
	if err != nil {
		return auth.Answer{}, err
	}
	if r.Password == nil || stored == "" {
		return auth.Answer{Verdict: auth.Deny}, nil
	}
	fits, err := a.passwords.Verify(ctx, a.hash, stored, salt, r.Password)
	if err != nil {
		return auth.Answer{}, err
	}
	if !fits {
		return auth.Answer{Verdict: auth.Deny}, nil
	}
	super, err := a.superuser(ctx, r)
	if err != nil {
		return auth.Answer{}, err
	}
	return auth.Answer{Verdict: auth.Allow, Superuser: super}, nil
}

// stored finds password and salt in a row.
func (a *sqlAuthenticator) stored(columns []string, row []any) (password, salt string, err error) {
	at, saltAt := 0, 1
	if a.named {
		at, saltAt = column(columns, "password"), column(columns, "salt")
	}
	switch {
	case at < 0 || at >= len(row):
		return "", "", mistake("auth_query: expected a column `password`, found %s", strings.Join(columns, ", "))
	case saltAt >= 0 && saltAt < len(row):
		return text(row[at]), text(row[saltAt]), nil
	case a.hash.Salted():
		return "", "", mistake("auth_query: password_hash = %s needs a second column `salt`, found %s", a.hash, strings.Join(columns, ", "))
	}
	return text(row[at]), "", nil
}

// column finds one by its name, -1 if there is none.
func column(columns []string, name string) int {
	for i, c := range columns {
		if strings.EqualFold(c, name) {
			return i
		}
	}
	return -1
}

// superuser asks for the rights of a client whose password was right. A query
// that can't work makes nobody a superuser; one that went unanswered is an
// error, or a moment's failure would hold as long as the connection.
func (a *sqlAuthenticator) superuser(ctx context.Context, r *auth.Request) (bool, error) {
	if a.super.text == "" {
		return false, nil
	}
	_, rows, err := a.super.ask(ctx, a.db, r)
	if permanent(err) {
		a.log.say("nobody is a superuser, as the query fails", "key", "auth."+a.name+".super_query", "error", err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return len(rows) > 0 && len(rows[0]) > 0 && a.isSuper(rows[0][0]), nil
}

// mistake is an error in a configuration: it comes again however often one
// tries.
func mistake(format string, args ...any) error { return permanently{fmt.Errorf(format, args...)} }

type permanently struct{ error }

func (permanently) Permanent() bool { return true }

// permanent reports whether a query fails however often it is tried.
func permanent(err error) bool {
	var mark interface{ Permanent() bool }
	return errors.As(err, &mark) && mark.Permanent()
}
