package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
)

// table is a database that gives one answer.
type table struct {
	columns []string
	rows    [][]any
	err     error

	statements []string // that were asked
	args       [][]any
}

func (t *table) Query(_ context.Context, statement string, args ...any) ([]string, [][]any, error) {
	t.statements, t.args = append(t.statements, statement), append(t.args, args)
	return t.columns, t.rows, t.err
}

var bob = &auth.Client{
	ClientID: "c1", Username: "bob", Peer: netip.MustParseAddrPort("192.0.2.7:1000"),
	Cert: nil,
}

func hash(t testing.TB, text string) auth.Hash {
	t.Helper()
	h, err := auth.ParseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestSQLConfig(t *testing.T) {
	var c SQL
	f, err := config.Parse(strings.NewReader("auth_query =\nacl_query = off\npassword_hash = salt,sha256\n"), "mysql.conf")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Bind(&c, f.Settings, nil); err != nil {
		t.Fatal(err)
	}
	if c.AuthQuery != "" || c.SuperQuery == "" || c.PasswordHash != hash(t, "salt,sha256") {
		t.Errorf("got %+v", c)
	}
	if p := NewMySQL(c, &table{}, auth.NewPasswords(), nil); p.Name != "mysql" || p.Authenticator != nil || p.Authorizer != nil {
		t.Errorf("with both off: %+v", p)
	}
	c.SetDefaults()
	if p := NewPostgres(c, &table{}, auth.NewPasswords(), nil); p.Name != "pgsql" || p.Authenticator == nil || p.Authorizer == nil {
		t.Errorf("with both on: %+v", p)
	}
	if c.PasswordHash != hash(t, "sha256") {
		t.Errorf("the default of password_hash is %s", c.PasswordHash)
	}
}

func TestSQLPlaceholders(t *testing.T) {
	is := func(query, mysql, pgsql, args string) {
		t.Helper()
		for _, tc := range []struct {
			provider func(SQL, Rows, *auth.Passwords, *slog.Logger) auth.Provider
			want     string
		}{{NewMySQL, mysql}, {NewPostgres, pgsql}} {
			db := &table{}
			p := tc.provider(SQL{ACLQuery: query}, db, nil, nil)
			c := *bob
			c.Cert = nil
			if _, err := p.Authorize(t.Context(), &auth.Request{Client: &c}); err != nil {
				t.Fatal(query, err)
			}
			if db.statements[0] != tc.want || fmt.Sprint(db.args[0]) != args {
				t.Errorf("%s is asked as %s with %v, want %s with %s", query, db.statements[0], db.args[0], tc.want, args)
			}
		}
	}
	is("a = '%u' or b = '%c'", "a = ? or b = ?", "a = $1 or b = $2", "[bob c1]")
	is("'%u' '%u' '%a'", "? ? ?", "$1 $2 $3", "[bob bob 192.0.2.7]")
	is("%u \"%u\" ' %u' '%c%'", "%u \"%u\" ' %u' '%c%'", "%u \"%u\" ' %u' '%c%'", "[]")
	is("'%P' '%x'", "'%P' '%x'", "'%P' '%x'", "[]")
	is("c = '%C' or d = '%d'", "c = ? or d = ?", "c = $1 or d = $2", "[<nil> <nil>]")
}

func TestSQLStored(t *testing.T) {
	type row = []any
	ask := func(provider func(SQL, Rows, *auth.Passwords, *slog.Logger) auth.Provider, kind string, columns string, rows ...row) (auth.Answer, error) {
		t.Helper()
		p := provider(SQL{AuthQuery: "q", PasswordHash: hash(t, kind)},
			&table{columns: strings.Fields(columns), rows: rows}, auth.NewPasswords(), nil)
		return p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")})
	}
	const sha256Public = "efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7"
	for _, tc := range []struct {
		name, kind, columns string
		rows                []row
		mysql, pgsql        auth.Verdict
		wrong               string // what an error says
	}{
		{"no row", "sha256", "password", nil, auth.Ignore, auth.Ignore, ""},
		{"it fits", "sha256", "password", []row{{sha256Public}}, auth.Allow, auth.Allow, ""},
		{"capital letters", "sha256", "PASSWORD", []row{{strings.ToUpper(sha256Public)}}, auth.Allow, auth.Allow, ""},
		{"the first counts", "sha256", "password", []row{{sha256Public}, {"x"}}, auth.Allow, auth.Allow, ""},
		{"it doesn't fit", "sha256", "password", []row{{"x"}}, auth.Deny, auth.Deny, ""},
		{"NULL", "sha256", "password", []row{{nil}}, auth.Deny, auth.Deny, ""},
		{"empty", "plain", "password", []row{{""}}, auth.Deny, auth.Deny, ""},
		{"salt of no use", "plain", "password salt", []row{{"public", "s"}}, auth.Allow, auth.Allow, ""},
		{"salt NULL", "sha256", "password salt", []row{{sha256Public, nil}}, auth.Allow, auth.Allow, ""},
		{"the other order", "plain", "salt password", []row{{"s", "public"}}, auth.Allow, auth.Deny, ""},
		{"no salt", "salt,sha256", "password", []row{{"x"}}, auth.Ignore, auth.Ignore, "salt,sha256 needs a second column `salt`"},
	} {
		answer, err := ask(NewMySQL, tc.kind, tc.columns, tc.rows...)
		if answer.Verdict != tc.mysql || (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("mysql, %s: %v, %v", tc.name, answer, err)
		}
		answer, err = ask(NewPostgres, tc.kind, tc.columns, tc.rows...)
		if answer.Verdict != tc.pgsql || (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("pgsql, %s: %v, %v", tc.name, answer, err)
		}
	}
	if _, err := ask(NewMySQL, "plain", "secret", row{"public"}); err == nil || !strings.Contains(err.Error(), "expected a column `password`, found secret") {
		t.Errorf("another name: %v", err)
	}
	if _, err := ask(NewPostgres, "plain", "", row{}); err == nil {
		t.Error("no column at all was taken")
	}
}

func TestSQLNoPassword(t *testing.T) {
	p := NewMySQL(SQL{AuthQuery: "q", PasswordHash: hash(t, "plain")},
		&table{columns: []string{"password"}, rows: [][]any{{"public"}}}, auth.NewPasswords(), nil)
	if answer, err := p.Authenticate(t.Context(), &auth.Request{Client: bob}); err != nil || answer.Verdict != auth.Deny {
		t.Errorf("a known user without a password: %v, %v", answer, err)
	}
}

// twoTables answers queries by their text.
type twoTables map[string]*table

func (q twoTables) Query(ctx context.Context, statement string, args ...any) ([]string, [][]any, error) {
	return q[statement].Query(ctx, statement, args...)
}

type fails struct{ lasting bool }

func (fails) Error() string     { return "no such table" }
func (f fails) Permanent() bool { return f.lasting }

func TestSQLSuperuser(t *testing.T) {
	ask := func(provider func(SQL, Rows, *auth.Passwords, *slog.Logger) auth.Provider, found *table) (auth.Answer, error) {
		db := twoTables{"a": {columns: []string{"password"}, rows: [][]any{{"public"}}}, "s": found}
		p := provider(SQL{AuthQuery: "a", SuperQuery: "s", PasswordHash: hash(t, "plain")}, db, auth.NewPasswords(), nil)
		return p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")})
	}
	for _, tc := range []struct {
		value        any
		mysql, pgsql bool
	}{{int64(1), true, false}, {int64(2), false, false}, {int64(0), false, false}, {"1", false, false}, {nil, false, false}, {true, false, true}, {false, false, false}} {
		row := &table{rows: [][]any{{tc.value}}}
		if got, err := ask(NewMySQL, row); err != nil || got.Verdict != auth.Allow || got.Superuser != tc.mysql {
			t.Errorf("mysql, %#v: %+v, %v", tc.value, got, err)
		}
		if got, err := ask(NewPostgres, row); err != nil || got.Verdict != auth.Allow || got.Superuser != tc.pgsql {
			t.Errorf("pgsql, %#v: %+v, %v", tc.value, got, err)
		}
	}
	for name, db := range map[string]*table{"no row": {}, "no column": {rows: [][]any{{}}}, "no table": {err: fails{true}}} {
		if got, err := ask(NewMySQL, db); err != nil || got.Verdict != auth.Allow || got.Superuser {
			t.Errorf("%s: %+v, %v, want a client without rights of its own", name, got, err)
		}
	}
	if got, err := ask(NewMySQL, &table{err: fails{false}}); err == nil || got.Verdict != auth.Ignore {
		t.Errorf("an unanswered super_query: %+v, want an error", got)
	}
}

func TestSQLErrorsNameTheQuery(t *testing.T) {
	cause := errors.New("away")
	p := NewPostgres(SQL{AuthQuery: "a", ACLQuery: "c", PasswordHash: hash(t, "plain")}, &table{err: cause}, auth.NewPasswords(), nil)
	r := &auth.Request{Client: bob, Password: []byte("the-secret")}
	_, err := p.Authenticate(t.Context(), r)
	if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "auth_query: ") {
		t.Errorf("got %v", err)
	}
	if _, err := p.Authorize(t.Context(), r); !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "acl_query: ") {
		t.Errorf("got %v", err)
	}
}

func TestSQLRules(t *testing.T) {
	var printed bytes.Buffer
	rules := func(rows ...[]any) auth.Provider {
		return NewMySQL(SQL{ACLQuery: "q"}, &table{rows: rows}, nil, slog.New(slog.NewTextHandler(&printed, nil)))
	}
	is := func(what string, action auth.Action, topic string, want auth.Verdict, rows ...[]any) {
		t.Helper()
		p := rules(rows...)
		got, err := p.Authorize(t.Context(), &auth.Request{Client: bob, Action: action, Topic: topic})
		if explained := got.Rule != nil; explained != (want != auth.Ignore) {
			t.Errorf("%s: the rule is %v", what, got.Rule)
		}
		got.Rule = nil
		if err != nil || !reflect.DeepEqual(got, auth.Answer{Verdict: want}) {
			t.Errorf("%s: %+v, %v, want verdict %d", what, got, err, want)
		}
	}
	const pub, sub = auth.Publish, auth.Subscribe
	row := func(v ...any) []any { return v }
	one, null := int64(1), any(nil)
	mine := row(one, null, "bob", null, int64(3), "t/#")

	is("no row", pub, "t/1", auth.Ignore)
	is("another topic", pub, "x", auth.Ignore, mine)
	is("both actions: publish", pub, "t/1", auth.Allow, mine)
	is("both actions: subscribe", sub, "t/+", auth.Allow, mine)
	is("subscribe only", pub, "t", auth.Ignore, row(one, null, "bob", null, one, "t"))
	is("publish only", sub, "t", auth.Ignore, row(one, null, "bob", null, int64(2), "t"))
	is("the last row first", pub, "t/1", auth.Deny, mine, row(int64(0), null, "bob", null, int64(3), "t/1"))
	is("the first row last", pub, "t/1", auth.Allow, row(int64(0), null, "bob", null, int64(3), "t/1"), mine)
	is("texts for numbers", pub, "t", auth.Deny, row("0", "", "bob", "", "2", "t"))
	is("a boolean", pub, "t", auth.Allow, row(true, "", "bob", "", "2", "t"))

	is("everybody", pub, "t", auth.Allow, row(one, null, "$all", null, int64(3), "t"))
	is("everybody outweighs the rest", pub, "t", auth.Allow, row(one, "10.0.0.1", "$all", "other", int64(3), "t"))
	is("another user", pub, "t", auth.Ignore, row(one, null, "alice", null, int64(3), "t"))
	is("capital letters", pub, "t", auth.Ignore, row(one, null, "BOB", null, int64(3), "t"))
	is("client id", pub, "t", auth.Allow, row(one, null, null, "c1", int64(3), "t"))
	is("address", pub, "t", auth.Allow, row(one, "192.0.2.7", null, null, int64(3), "t"))
	is("network", pub, "t", auth.Allow, row(one, "192.0.2.0/24", "", "", int64(3), "t"))
	is("another network", pub, "t", auth.Ignore, row(one, "10.0.0.0/8", null, null, int64(3), "t"))
	is("all must fit", pub, "t", auth.Allow, row(one, "192.0.2.0/24", "bob", "c1", int64(3), "t"))
	is("all but the client id", pub, "t", auth.Ignore, row(one, "192.0.2.0/24", "bob", "c2", int64(3), "t"))

	is("eq", sub, "#", auth.Deny, row(int64(0), null, "$all", null, one, "eq #"))
	is("eq is no filter", sub, "t", auth.Ignore, row(int64(0), null, "$all", null, one, "eq #"))
	is("own topic", pub, "u/bob/c1", auth.Allow, row(one, null, "$all", null, int64(3), "u/%u/%c"))
	is("another's topic", pub, "u/alice/c1", auth.Ignore, row(one, null, "$all", null, int64(3), "u/%u/%c"))

	if printed.Len() > 0 {
		t.Errorf("good rules were complained about: %s", printed.String())
	}
	for _, bad := range [][]any{
		row(), row(one, null, "bob", null, one),
		row(int64(2), null, "bob", null, int64(3), "t"), row(null, null, "bob", null, int64(3), "t"),
		row(one, null, null, null, int64(3), "t"), row(one, "", "", "", int64(3), "t"),
		row(one, "nowhere", "bob", null, int64(3), "t"), row(one, "10.0.0.0/33", "bob", null, int64(3), "t"),
		row(one, null, "bob", null, int64(4), "t"), row(one, null, "bob", null, null, "t"),
		row(one, null, "bob", null, int64(3), "t/#/x"), row(one, null, "bob", null, int64(3), null),
	} {
		printed.Reset()
		is(fmt.Sprintf("%v doesn't hide the others", bad), pub, "t/1", auth.Allow, mine, bad)
		if !strings.Contains(printed.String(), "auth.mysql.acl_query") {
			t.Errorf("%v was skipped with the words %q", bad, printed.String())
		}
	}
}

func TestSQLRulesSkipInternalUsers(t *testing.T) {
	db := &table{err: errors.New("asked")}
	p := NewMySQL(SQL{ACLQuery: "q"}, db, nil, nil)
	got, err := p.Authorize(t.Context(), &auth.Request{Client: &auth.Client{Username: "$bridge"}, Topic: "t"})
	if err != nil || got.Verdict != auth.Ignore {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestComplaintsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var printed bytes.Buffer
		c := newComplaints(slog.New(slog.NewTextHandler(&printed, nil)))
		for range 1000 {
			c.say("wrong")
		}
		time.Sleep(complainEvery)
		c.say("wrong")
		if got := strings.Count(printed.String(), "msg=wrong"); got != 2 || !strings.Contains(printed.String(), "left_out=999") {
			t.Errorf("%d lines: %s", got, printed.String())
		}
	})
	newComplaints(nil).say("to nobody")
}
