package auth

import (
	"context"
	"time"
)

// backend asks a provider outside the event loops.
type backend struct{ *link }

func newBackend(l *link) *backend { return &backend{l} }

func (b *backend) atOnce(acl bool, r *Request) (Answer, error, bool) { return Answer{}, nil, false }

func (b *backend) ask(acl bool, r *Request, done func(Answer, error)) {
	b.control.later(func() {
		ctx, cancel := context.WithTimeout(b.control.ctx, b.Backend.Timeout)
		defer cancel()
		done(b.call(ctx, acl, r))
	})
}

func (b *backend) retire()             {}
func (b *backend) sweep(time.Duration) {}
