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

// atOnce asks a link without waiting for it; known is false if that can't be.
func (l *link) atOnce(acl bool, r *Request) (a Answer, known bool, err error) {
	switch {
	case l.backend == nil:
		a, err = l.answer(acl, r)
		return a, true, err
	case l.prompt != nil && !acl:
		if a, known, err = l.promptly(r); known || err != nil {
			return a, true, err
		}
	}
	return l.backend.atOnce(acl, r)
}

func (l *link) promptly(r *Request) (a Answer, known bool, err error) {
	defer func() { err = l.recovered(recover(), err) }()
	if !l.enter() {
		return Answer{}, false, errClosed
	}
	defer l.leave()
	a, known = l.prompt.AuthenticateAtOnce(r)
	return a, known, nil
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
	defer func() { err = l.recovered(recover(), err) }()
	if acl {
		return l.Authorizer.Authorize(ctx, r)
	}
	return l.Authenticator.Authenticate(ctx, r)
}

// recovered makes a panic p an error: EMQ X goes on as if the provider had not
// been there, and so lets everybody in.
func (l *link) recovered(p any, err error) error {
	if p == nil {
		return err
	}
	l.complain("a provider of access control panicked", "panic", p, "stack", string(debug.Stack()))
	return fmt.Errorf("%s panicked: %v", l.Name, p)
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

// keepFor has a backend's answers kept for so long.
func (l *link) keepFor(ttl time.Duration) {
	if l.backend != nil {
		l.backend.keepFor(ttl)
	}
}

func (l *link) sweep(now time.Duration) {
	if l.backend != nil {
		l.backend.sweep(now)
	}
}
