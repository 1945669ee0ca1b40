package query

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// Commands is what Redis is asked through. A reply is a string, an int64, a
// []any of replies, or nil.
type Commands interface {
	Do(ctx context.Context, args ...string) (any, error)
}

// Redis are the commands of auth.redis. They are divided at blanks first, then
// %u, %c, %C and %d in their words stand for what Request.Placeholder says: a
// name with blanks stays one word.
type Redis struct {
	// AuthCmd brings the password, as PasswordHash says, or a list of password
	// and salt; SuperCmd "1" for a superuser; ACLCmd topic filters, each
	// followed by 1, 2 or 3 for subscribe, publish, both. An empty one, or `off`,
	// isn't sent.
	AuthCmd      string    `conf:"auth_cmd"`
	SuperCmd     string    `conf:"super_cmd"`
	ACLCmd       string    `conf:"acl_cmd"`
	PasswordHash auth.Hash `conf:"password_hash"`
}

// SetDefaults gives the commands that come with EMQ X.
func (c *Redis) SetDefaults() {
	c.AuthCmd, c.SuperCmd, c.ACLCmd = "HMGET mqtt_user:%u password", "HGET mqtt_user:%u is_superuser", "HGETALL mqtt_acl:%u"
	c.PasswordHash, _ = auth.ParseHash("plain")
}

// NewRedis is the provider "redis". It lacks its Authenticator or Authorizer if
// the command is off; Backend and Close are the caller's.
func NewRedis(c Redis, db Commands, passwords *auth.Passwords, log *slog.Logger) auth.Provider {
	p := auth.Provider{Name: "redis"}
	if words := strings.Fields(given(c.AuthCmd)); len(words) > 0 {
		p.Authenticator = &redisAuthenticator{
			db: db, hash: c.PasswordHash, passwords: passwords, log: newComplaints(log),
			auth: command{"auth_cmd", words}, super: command{"super_cmd", strings.Fields(given(c.SuperCmd))},
		}
	}
	if words := strings.Fields(given(c.ACLCmd)); len(words) > 0 {
		p.Authorizer = &redisAuthorizer{db: db, log: newComplaints(log), acl: command{"acl_cmd", words}}
	}
	return p
}

// command is one command of the configuration, in words.
type command struct {
	key   string // in the configuration, for errors
	words []string
}

// ask sends the command for a request. The reply is nil as well if the client
// lacks a name that the command needs: nothing can be stored about it.
func (c command) ask(ctx context.Context, db Commands, r *auth.Request) (any, error) {
	args := make([]string, len(c.words))
	for i, word := range c.words {
		var ok bool
		if args[i], ok = fill(word, identity, r); !ok {
			return nil, nil
		}
	}
	reply, err := db.Do(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.key, err)
	}
	return reply, nil
}

type redisAuthenticator struct {
	db          Commands
	auth, super command
	hash        auth.Hash
	passwords   *auth.Passwords
	log         *complaints
}

// Authenticate ignores a client about whom nothing is stored.
func (a *redisAuthenticator) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	reply, err := a.auth.ask(ctx, a.db, r)
	if err != nil {
		return auth.Answer{}, err
	}
	stored, salt, err := readPassword(reply)
	if err != nil || stored == nil {
		return auth.Answer{}, err
	}
	answer, err := judge(ctx, a.passwords, a.hash, *stored, salt, r)
	if err != nil || answer.Verdict != auth.Allow {
		return answer, err
	}
	answer.Superuser, err = a.superuser(ctx, r)
	if err != nil {
		return auth.Answer{}, err
	}
	return answer, nil
}

// readPassword reads the reply to an auth_cmd; stored is nil if there is none.
func readPassword(reply any) (stored *string, salt string, err error) {
	fields, isList := reply.([]any)
	if !isList {
		fields = []any{reply}
	}
	words := make([]string, 2)
	for i, f := range fields {
		word, isText := f.(string)
		switch {
		case f == nil && i == 0:
			return nil, "", nil
		case f != nil && !isText, i >= len(words):
			return nil, "", fmt.Errorf("auth_cmd: expected a password, or a password and a salt, found %T with %d values", reply, len(fields))
		}
		words[i] = word
	}
	if len(fields) == 0 {
		return nil, "", nil
	}
	return &words[0], words[1], nil
}

// superuser asks for the rights of a client whose password was right. A command
// that can't work makes nobody a superuser, such as HGET where the key is no
// hash; one that went unanswered is an error, or a moment's failure would hold
// as long as the connection.
func (a *redisAuthenticator) superuser(ctx context.Context, r *auth.Request) (bool, error) {
	if len(a.super.words) == 0 {
		return false, nil
	}
	reply, err := a.super.ask(ctx, a.db, r)
	if permanent(err) {
		a.log.say("nobody is a superuser, as the command fails", "key", "auth.redis.super_cmd", "error", err)
		return false, nil
	}
	if list, ok := reply.([]any); ok && len(list) == 1 {
		reply = list[0]
	}
	return reply == "1", err
}
