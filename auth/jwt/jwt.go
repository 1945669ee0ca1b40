package jwt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/dunlin-mq/dunlin/auth"
)

// Tokens decides by tokens. It is safe for concurrent use.
type Tokens struct {
	config Config
	static []key
	remote *keySet // nil: no URL was given
	log    *slog.Logger
}

// New returns what the configuration describes. service reads config.JWKS and
// may be nil without one. New waits for the first answer for a moment, so that
// the first clients find keys, and goes on without.
func New(c *Config, service Service, log *slog.Logger) (*Tokens, error) {
	if err := c.Complete(); err != nil {
		return nil, err
	}
	static, err := c.staticKeys()
	if err != nil {
		return nil, err
	}
	t := &Tokens{config: *c, static: static, log: log}
	t.warn()
	if c.JWKS != "" {
		t.remote = startKeySet(c.JWKS, c.RefreshInterval, service, log)
	}
	return t, nil
}

// warn says what is weak about the secret, never the secret.
func (t *Tokens) warn() {
	const shortest = 32 // bytes, RFC 7518, 3.2
	switch secret, _ := t.config.secret(); {
	case string(secret) == "emqxsecret":
		t.log.Warn("auth.jwt.secret is the one that EMQ X publishes: everybody can make a token and come in")
	case len(secret) > 0 && len(secret) < shortest:
		t.log.Warn("auth.jwt.secret is short and may be guessed from a token", "bytes", len(secret), "want", shortest)
	}
}

// Provider is the one for the chains.
func (t *Tokens) Provider() auth.Provider {
	return auth.Provider{Name: "jwt", Authenticator: t, Authorizer: t, Close: t.Close}
}

// Close stops reading keys.
func (t *Tokens) Close() {
	if t.remote != nil {
		t.remote.close()
	}
}

// Authenticate is the auth.Authenticator: a client without a token, or with one
// that none of the keys is meant for, is left to the others in the chain.
func (t *Tokens) Authenticate(_ context.Context, r *auth.Request) (auth.Answer, error) {
	token := string(r.Password)
	if t.config.From == "username" {
		token = r.Client.Username
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return t.unreadable(r, err), nil
	}
	keys := t.keysFor(signed.Signatures[0].Protected.KeyID)
	if len(keys) == 0 {
		return auth.Answer{}, nil
	}
	answer, err := t.judge(r, signed, keys)
	if err != nil {
		return t.refuse(r, err), nil
	}
	return answer, nil
}

// unreadable tells what is no token from a token of an algorithm that is not
// taken, `none` for one.
func (t *Tokens) unreadable(r *auth.Request, err error) auth.Answer {
	var alg *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &alg) && alg.Got != "" {
		return t.refuse(r, fmt.Errorf("its algorithm %.20q is not taken", string(alg.Got)))
	}
	return auth.Answer{}
}

func (t *Tokens) refuse(r *auth.Request, why error) auth.Answer {
	t.log.Debug("a token was refused", "clientid", r.Client.ClientID, "err", why)
	return auth.Answer{Verdict: auth.Deny}
}

// keysFor returns the keys to try on a token that names its key so.
func (t *Tokens) keysFor(kid string) []key {
	if kid == "" || t.remote == nil {
		return t.static
	}
	if keys, loaded := t.remote.find(kid); loaded {
		return keys
	}
	return t.static
}

// judge proves the token and reads what it says; the error is why not.
func (t *Tokens) judge(r *auth.Request, signed *jose.JSONWebSignature, keys []key) (auth.Answer, error) {
	payload, err := t.prove(signed, keys)
	if err != nil {
		return auth.Answer{}, err
	}
	said, err := parseClaims(payload)
	if err != nil {
		return auth.Answer{}, err
	}
	expires, err := said.checkTimes(time.Now())
	if err != nil {
		return auth.Answer{}, err
	}
	if t.config.VerifyClaims {
		if err := said.check(t.config.Claims, r.Client); err != nil {
			return auth.Answer{}, err
		}
	}
	granted, err := said.rights(t.config.ACLClaim, expires)
	if err != nil {
		return auth.Answer{}, err
	}
	answer := auth.Answer{Verdict: auth.Allow}
	if granted != nil {
		answer.Rights = granted
	}
	if t.config.DisconnectAfterExpire {
		answer.Expires = expires
	}
	return answer, nil
}
