package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
)

// scripted is a Redis that answers by the first word of a command: an error, or
// what is a reply.
type scripted struct {
	replies map[string]any
	sent    [][]string
}

func (s *scripted) Do(_ context.Context, args ...string) (any, error) {
	s.sent = append(s.sent, args)
	if err, ok := s.replies[args[0]].(error); ok {
		return nil, err
	}
	return s.replies[args[0]], nil
}

func shippedRedis() Redis {
	var c Redis
	c.SetDefaults()
	return c
}

func TestRedisConfig(t *testing.T) {
	load := func(text string) (c Redis) {
		t.Helper()
		f, err := config.Parse(strings.NewReader(text), "redis.conf")
		if err == nil {
			_, err = config.Bind(&c, f.Settings, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := load(""); c.AuthCmd != "HMGET mqtt_user:%u password" || c.SuperCmd != "HGET mqtt_user:%u is_superuser" ||
		c.ACLCmd != "HGETALL mqtt_acl:%u" || c.PasswordHash != hash(t, "plain") {
		t.Errorf("the defaults are %+v", c)
	}
	if p := NewRedis(load(""), nil, nil, nil); p.Name != "redis" || p.Authenticator == nil || p.Authorizer == nil {
		t.Errorf("with both on: %+v", p)
	}
	if p := NewRedis(load("auth_cmd =\nacl_cmd = off"), nil, nil, nil); p.Authenticator != nil || p.Authorizer != nil {
		t.Errorf("with both off: %+v", p)
	}
}

func TestRedisAuthenticate(t *testing.T) {
	type list = []any
	for _, tc := range []struct {
		name, kind string
		reply      any
		want       auth.Verdict
		wantErr    string
	}{
		{name: "word", kind: "plain", reply: "public", want: auth.Allow},
		{name: "list", kind: "plain", reply: list{"public"}, want: auth.Allow},
		{name: "wrong", kind: "plain", reply: list{"other"}, want: auth.Deny},
		{name: "salt", kind: "salt,md5", reply: list{"fef0d1d7838bf4e0a2cdf4d2d2fe8e1a", "salt"}, want: auth.Deny},
		{name: "sha256", kind: "sha256", reply: "efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7", want: auth.Allow},
		{name: "nothing", kind: "plain", reply: nil, want: auth.Ignore},
		{name: "no field", kind: "plain", reply: list{nil}, want: auth.Ignore},
		{name: "no fields", kind: "plain", reply: list{nil, nil}, want: auth.Ignore},
		{name: "no salt", kind: "sha256,salt", reply: list{"efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7", nil}, want: auth.Allow},
		{name: "empty list", kind: "plain", reply: list{}, want: auth.Ignore},
		{name: "empty password", kind: "plain", reply: "", want: auth.Deny},
		{name: "three", kind: "plain", reply: list{"a", "b", "c"}, wantErr: "auth_cmd: expected a password"},
		{name: "number", kind: "plain", reply: int64(1), wantErr: "auth_cmd: expected a password"},
		{name: "error", kind: "plain", reply: errors.New("down"), wantErr: "auth_cmd: down"},
	} {
		c := shippedRedis()
		c.PasswordHash = hash(t, tc.kind)
		p := NewRedis(c, &scripted{replies: map[string]any{"HMGET": tc.reply}}, auth.NewPasswords(), nil)
		got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")})
		if got.Verdict != tc.want || (err == nil) != (tc.wantErr == "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
}

func TestRedisNoPassword(t *testing.T) {
	for _, stored := range []any{"", "public", []any{""}} {
		for _, given := range [][]byte{nil, {}} {
			p := NewRedis(shippedRedis(), &scripted{replies: map[string]any{"HMGET": stored}}, auth.NewPasswords(), nil)
			if got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: given}); got.Verdict != auth.Deny || err != nil {
				t.Errorf("stored %q, given %#v: %+v, %v", stored, given, got, err)
			}
		}
	}
}

func TestRedisSuperuser(t *testing.T) {
	var log bytes.Buffer
	is := func(reply any, want bool) {
		t.Helper()
		p := NewRedis(shippedRedis(), &scripted{replies: map[string]any{"HMGET": "public", "HGET": reply}}, auth.NewPasswords(),
			slog.New(slog.NewTextHandler(&log, nil)))
		got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")})
		if err != nil || got.Verdict != auth.Allow || got.Superuser != want {
			t.Errorf("%v: %+v, %v", reply, got, err)
		}
	}
	is("1", true)
	is([]any{"1"}, true)
	is("0", false)
	is("true", false)
	is(int64(1), false)
	is(nil, false)
	is([]any{nil}, false)
	is(fails{lasting: true}, false)
	if !strings.Contains(log.String(), "auth.redis.super_cmd") {
		t.Errorf("a command that can't work is not complained about: %s", &log)
	}

	p := NewRedis(shippedRedis(), &scripted{replies: map[string]any{"HMGET": "public", "HGET": fails{}}}, auth.NewPasswords(), nil)
	if got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")}); err == nil || got.Verdict != auth.Ignore {
		t.Errorf("unanswered: %+v, %v", got, err)
	}
	c := shippedRedis()
	c.SuperCmd = "off"
	db := &scripted{replies: map[string]any{"HMGET": "public"}}
	if _, err := NewRedis(c, db, auth.NewPasswords(), nil).Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")}); err != nil || len(db.sent) != 1 {
		t.Errorf("switched off it sends %v, %v", db.sent, err)
	}
}

// A wrong password must not cost a second command.
func TestRedisSuperuserOnlyAfterTheRightPassword(t *testing.T) {
	db := &scripted{replies: map[string]any{"HMGET": "public", "HGET": "1"}}
	p := NewRedis(shippedRedis(), db, auth.NewPasswords(), nil)
	if got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("wrong")}); err != nil || got.Superuser || len(db.sent) != 1 {
		t.Errorf("%+v, %v after %v", got, err, db.sent)
	}
}

func TestRedisWords(t *testing.T) {
	sent := func(cmd string, c auth.Client) [][]string {
		t.Helper()
		db := &scripted{}
		if _, err := NewRedis(Redis{ACLCmd: cmd}, db, nil, nil).Authorize(t.Context(), &auth.Request{Client: &c}); err != nil {
			t.Fatal(err)
		}
		return db.sent
	}
	is := func(cmd string, c auth.Client, want ...string) {
		t.Helper()
		if got := sent(cmd, c); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%s is sent as %q, want %q", cmd, got, want)
		}
	}
	is("HGETALL  mqtt_acl:%u ", *bob, "HGETALL", "mqtt_acl:bob")
	is("HGETALL %c:%u:%c", *bob, "HGETALL", "c1:bob:c1")
	is("GET %a %P", *bob, "GET", "%a", "%P")
	for _, name := range hostile {
		if !strings.HasPrefix(name, "$") {
			is("HGETALL mqtt_acl:%u", auth.Client{Username: name}, "HGETALL", "mqtt_acl:"+name)
		}
		is("HGETALL mqtt_acl:%c", auth.Client{ClientID: name}, "HGETALL", "mqtt_acl:"+name)
	}
	if got := sent("HGETALL mqtt_acl:%u", auth.Client{ClientID: "c1"}); got != nil {
		t.Errorf("without a user name it sends %q", got)
	}
}

func TestRedisRules(t *testing.T) {
	ask := func(c *auth.Client, action auth.Action, name string, reply any) (auth.Answer, error) {
		p := NewRedis(shippedRedis(), &scripted{replies: map[string]any{"HGETALL": reply}}, nil, nil)
		return p.Authorize(t.Context(), &auth.Request{Client: c, Action: action, Topic: name})
	}
	who := &auth.Client{ClientID: "c1", Username: "bob"}
	is := func(rules string, action auth.Action, name string, want auth.Verdict) {
		t.Helper()
		list := []any{}
		for word := range strings.FieldsSeq(rules) {
			list = append(list, word)
		}
		if got, err := ask(who, action, name, list); err != nil || got.Verdict != want {
			t.Errorf("%s, %v %s as %s %s: %+v, %v", rules, action, name, who.Username, who.ClientID, got, err)
		}
	}
	const pub, sub = auth.Publish, auth.Subscribe
	is("", pub, "a", auth.Ignore)
	is("a 1", sub, "a", auth.Allow)
	is("a 1", pub, "a", auth.Deny)
	is("a 2", pub, "a", auth.Allow)
	is("a 2", sub, "a", auth.Deny)
	is("a 3", pub, "a", auth.Allow)
	is("a 3", sub, "a", auth.Allow)
	is("a 3 b 2", pub, "b", auth.Allow)
	is("a 3", pub, "b", auth.Deny)
	is("a 0 a 4 a allow", pub, "a", auth.Deny)
	is("a/# 3", sub, "a/+/b", auth.Allow)
	is("# 3", sub, "$SYS/x", auth.Deny)
	is("a# 3", pub, "a#", auth.Deny) // no filter
	is("d/%u/%c 2", pub, "d/bob/c1", auth.Allow)
	is("d/x%u-%c/+ 2", pub, "d/xbob-c1/t", auth.Allow)
	is("d/x%u-%c/+ 2", pub, "d/xbob-c2/t", auth.Deny)
	for _, name := range []string{"#", "+", "a/b", "+/x", "/"} {
		who = &auth.Client{ClientID: name, Username: name}
		is("d/%u 3 d/%c 3 e/%u/# 3 e/%c/# 3", sub, "d/"+name, auth.Deny)
		is("d/%u 3 d/%c 3 e/%u/# 3 e/%c/# 3", pub, "d/bob", auth.Deny)
		is("d/%u 3 d/%c 3 e/%u/# 3 e/%c/# 3", pub, "e/a/b/c", auth.Deny)
	}
	who = &auth.Client{ClientID: "%u", Username: "bob"}
	is("d/%c 3", pub, "d/bob", auth.Deny)
	is("d/%c 3", pub, "d/%u", auth.Allow)
	who = &auth.Client{ClientID: "c1", Username: "bob"}

	for _, reply := range []any{"x", int64(1), []any{"a"}} {
		if got, err := ask(who, pub, "a", reply); err == nil || got.Verdict != auth.Ignore {
			t.Errorf("%v: %+v, %v", reply, got, err)
		}
	}
	if got, err := ask(who, pub, "a", []any{int64(1), "3", nil, "3"}); err != nil || got.Verdict != auth.Deny {
		t.Errorf("rules that are none: %+v, %v", got, err)
	}
	if got, err := ask(&auth.Client{Username: "$internal"}, pub, "a", []any{"b", "3"}); err != nil || got.Verdict != auth.Ignore {
		t.Errorf("a name that begins with $: %+v, %v", got, err)
	}
	if _, err := ask(who, pub, "a", errors.New("down")); fmt.Sprint(err) != "acl_cmd: down" {
		t.Errorf("error %v", err)
	}
}
