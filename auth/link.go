package auth

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// link is one provider in the chains.
type link struct {
	Provider
	control *Control
	count   *providerCounters
	backend *backend // nil: it answers at once
	prompt  Prompt   // nil: it never does

	use     sync.RWMutex // held by calls that answer at once, if Close has to know when they are over
	retired bool
	logged  atomic.Int64 // when it last complained
}

// atOnce asks a link that needn't be waited for; ok is false if it does.
func (l *link) atOnce(acl bool, r *Request) (a Answer, err error, ok bool) {
	switch {
	case l.backend == nil:
		a, err = l.answer(acl, r)
		return a, err, true
	case l.prompt != nil && !acl:
		if a, err, ok = l.promptly(r); ok {
			return a, err, true
		}
	}
	return l.backend.atOnce(acl, r)
}

func (l *link) promptly(r *Request) (a Answer, err error, ok bool) {
	defer func() { ok = ok || err != nil }()
	defer l.recovered(&err)
	if !l.enter() {
		return Answer{}, errClosed, true
	}
	defer l.leave()
	a, ok = l.prompt.AuthenticateAtOnce(r)
	return a, nil, ok
}

// enter keeps the provider from being closed until leave; false: it is already.
func (l *link) enter() bool {
	if l.Close == nil {
		return true
	}
	l.use.RLock()
	if l.retired {
		l.use.RUnlock()
		return false
	}
	return true
}

func (l *link) leave() {
	if l.Close != nil {
		l.use.RUnlock()
	}
}

// answer calls a provider that has no backend.
func (l *link) answer(acl bool, r *Request) (a Answer, err error) {
	if !l.enter() {
		return Answer{}, errClosed
	}
	defer l.leave()
	if a, err = l.call(context.Background(), acl, r); err != nil {
		l.count.failed.Inc()
		l.complain("a provider of access control failed", "error", err)
	}
	return a, err
}

// logEvery is how often one provider may complain: it could be at each PUBLISH.
const logEvery = 10 * time.Second

func (l *link) complain(what string, attrs ...any) {
	now, last := l.control.now(), time.Duration(l.logged.Load())
	if now-last >= logEvery && l.logged.CompareAndSwap(int64(last), int64(now)) {
		l.control.log.Error(what, append(attrs, "provider", l.Name)...)
	}
}

// call asks the provider.
func (l *link) call(ctx context.Context, acl bool, r *Request) (a Answer, err error) {
	defer l.recovered(&err)
	if acl {
		return l.Authorizer.Authorize(ctx, r)
	}
	return l.Authenticator.Authenticate(ctx, r)
}

// recovered makes a panic an error: EMQ X goes on as if the provider had not
// been there, and so lets everybody in.
func (l *link) recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s panicked: %v", l.Name, p)
		l.complain("a provider of access control panicked", "panic", p, "stack", string(debug.Stack()))
	}
}

// retire closes the provider once no call of it is under way. It doesn't wait
// for a backend.
func (l *link) retire() {
	l.use.Lock()
	first := !l.retired
	l.retired = true
	l.use.Unlock()
	switch {
	case l.backend != nil:
		l.backend.retire()
	case first && l.Close != nil:
		l.Close()
	}
}

func (l *link) sweep(now time.Duration) {
	if l.backend != nil {
		l.backend.sweep(now)
	}
}
