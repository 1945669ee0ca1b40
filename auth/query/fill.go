package query

import (
	"context"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// fill puts what a client gave in place of the placeholders of a text, in one
// pass: what it gave is never looked into. letters are the placeholders that
// hold here; others are left as they are. ok is false if the client didn't
// give one that the text asks for.
func fill(text, letters string, r *auth.Request) (filled string, ok bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		if rest == "" || !strings.Contains(letters, rest[:1]) {
			b.WriteByte('%')
			text = rest
			continue
		}
		value, _ := r.Placeholder(rest[0])
		if value == "" {
			return "", false
		}
		b.WriteString(value)
		text = rest[1:]
	}
}

// identity are the placeholders of Redis and MongoDB: user name, client id, and
// common name and subject of the certificate.
const identity = "ucCd"

// judge compares the password of a request with what is stored. Without the
// one or the other nobody is let in.
func judge(ctx context.Context, passwords *auth.Passwords, h auth.Hash, stored, salt string, r *auth.Request) (auth.Answer, error) {
	if r.Password == nil || stored == "" {
		return auth.Answer{Verdict: auth.Deny}, nil
	}
	fits, err := passwords.Verify(ctx, h, stored, salt, r.Password)
	if err != nil {
		return auth.Answer{}, err
	}
	if !fits {
		return auth.Answer{Verdict: auth.Deny}, nil
	}
	return auth.Answer{Verdict: auth.Allow}, nil
}
