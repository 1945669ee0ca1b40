package builtin

import (
	"context"

	"github.com/dunlin-mq/dunlin/auth"
)

// candidates are the accounts a client may come with, nil where it has none.
type candidates [2]*record

func (t *accounts) candidates(c *auth.Client) candidates {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return candidates{t.byClientID[c.ClientID], t.byUsername[c.Username]}
}

// Authenticate checks the password of a client that has an account.
func (t *accounts) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	a, _, err := t.candidates(r.Client).check(r, func(x *record) (fits, known bool, err error) {
		fits, err = t.passwords.Verify(ctx, x.hash, x.stored, x.salt, r.Password)
		return fits, true, err
	})
	return a, err
}

// AuthenticateAtOnce knows the answer unless a slow hash, not proven lately, is
// what it takes.
func (t *accounts) AuthenticateAtOnce(r *auth.Request) (auth.Answer, bool) {
	a, known, _ := t.candidates(r.Client).check(r, func(x *record) (fits, known bool, _ error) {
		fits, known = t.passwords.VerifyAtOnce(x.hash, x.stored, x.salt, r.Password)
		return fits, known, nil
	})
	return a, known
}

// check asks verify about each candidate that may still make a difference: once
// one fits, another matters only if it is a superuser's.
func (c candidates) check(r *auth.Request, verify func(*record) (fits, known bool, err error)) (auth.Answer, bool, error) {
	if c == (candidates{}) {
		return auth.Answer{}, true, nil
	}
	answer := refused
	if r.Password == nil {
		return answer, true, nil
	}
	allKnown := true
	for _, x := range c {
		if x == nil || answer.Verdict == auth.Allow && !x.superuser {
			continue
		}
		fits, known, err := verify(x)
		if err != nil {
			return auth.Answer{}, false, err
		}
		allKnown = allKnown && known
		if fits {
			answer = auth.Answer{Verdict: auth.Allow, Superuser: answer.Superuser || x.superuser}
		}
	}
	return answer, allKnown || answer.Superuser, nil
}
