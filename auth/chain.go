package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// chains are all providers in the order in which they are asked. They are
// replaced as a whole.
type chains struct {
	authn, authz []*link
	backends     bool // one of authz has a backend
}

// link is one provider in the chains.
type link struct {
	Provider
	control *Control
	count   *providerCounters
	backend *backend // nil: it answers at once
	prompt  Prompt   // nil: it never does

	use     sync.RWMutex // held while a call answers at once, if it has to be known when they are over
	retired bool
	logged  atomic.Int64 // when it last complained
}

// Use puts providers into the chains, in the place of those that have one of
// their names. Those that auth_order or acl_order names come first, then the
// others as they were given, then those that are Last.
func (c *Control) Use(ps ...Provider) {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.Name
	}
	c.change(names, ps)
}

// Remove takes the providers of a name out of the chains and reports whether
// there was one. Calls under way come to their end first.
func (c *Control) Remove(name string) bool { return c.change([]string{name}, nil) > 0 }

func (c *Control) change(names []string, add []Provider) (removed int) {
	c.mu.Lock()
	keep := make([]*link, 0, len(c.links)+len(add))
	var gone []*link
	for _, l := range c.links {
		if slices.Contains(names, l.Name) {
			gone = append(gone, l)
		} else {
			keep = append(keep, l)
		}
	}
	for _, p := range add {
		keep = append(keep, c.newLink(p))
	}
	c.links = keep
	c.arrange()
	c.mu.Unlock()
	for _, l := range gone {
		l.retire()
	}
	c.DrainCaches() // they hold what others have said
	return len(gone)
}

func (c *Control) newLink(p Provider) *link {
	l := &link{Provider: p, control: c, count: c.counts[p.Name]}
	if l.count == nil {
		l.count = newProviderCounters(c.metrics, p.Name)
		c.counts[p.Name] = l.count
	}
	if p.Backend != nil {
		l.backend = newBackend(l)
		l.prompt, _ = p.Authenticator.(Prompt)
	}
	return l
}

// arrange puts the links into their chains.
func (c *Control) arrange() {
	next := new(chains)
	next.authn = inOrder(c.links, c.config.AuthOrder, func(l *link) bool { return l.Authenticator != nil })
	next.authz = inOrder(c.links, c.config.ACLOrder, func(l *link) bool { return l.Authorizer != nil })
	next.backends = slices.ContainsFunc(next.authz, func(l *link) bool { return l.backend != nil })
	c.chains.Store(next)
}

func inOrder(links []*link, order []string, has func(*link) bool) []*link {
	rank := func(l *link) int {
		i := slices.IndexFunc(order, func(name string) bool { return canonical(name) == canonical(l.Name) })
		switch {
		case i >= 0:
			return i
		case l.Last:
			return len(order) + 1
		}
		return len(order)
	}
	chain := slices.DeleteFunc(slices.Clone(links), func(l *link) bool { return !has(l) })
	slices.SortStableFunc(chain, func(a, b *link) int { return rank(a) - rank(b) })
	return chain
}

// Why there was no answer.
var (
	errTimeout = errors.New("no answer in time")
	errDown    = errors.New("it is down")
	errBusy    = errors.New("too many requests wait for it")
	errClosed  = errors.New("it is closed")
)

// refusal is the reason code of a question that got no answer, and for that
// is not allowed.
func refusal(acl bool, err error) mqtt.ReasonCode {
	switch {
	case acl: // 0x88 and 0x89 can't be in PUBACK, PUBREC and SUBACK
		return mqtt.QuotaExceeded
	case errors.Is(err, errBusy):
		return mqtt.ServerBusy
	}
	return mqtt.ServerUnavailable
}

// passOver reports whether the chain goes on after an error. It doesn't if too
// many wait: that says nothing about the backend, and whoever floods it must
// not be let through by that.
func (l *link) passOver(err error) bool {
	return l.backend != nil && l.Backend.OnError == "ignore" && !errors.Is(err, errBusy)
}

// result is what a chain came to.
type result struct {
	Answer
	by  *link // who decided; nil: nobody
	err error // the answer is a refusal because of this

	asked  bool // a backend had a part in it
	missed bool // somebody could not be asked and was passed over
}

func (r result) lasting() bool { return r.asked && !r.missed && r.err == nil }

// walk is one question on its way through a chain.
type walk struct {
	left []*link // still to be asked
	acl  bool
	r    *Request
	// probe: if it comes to no decision, all are asked again later. Until then
	// it isn't known whether those who ignore the question are to be counted.
	probe bool
	result
}

// decide goes the whole way if nobody has to be waited for.
func (w *walk) decide(chain []*link) (decided bool) {
	w.left, w.probe = chain, true
	if !w.atOnce() {
		return false
	}
	for _, l := range chain[:len(chain)-len(w.left)] {
		l.count.verdict(w.acl, Ignore)
	}
	return true
}

// atOnce goes as far as nobody has to be waited for, and reports whether that
// was to a decision. If it was, left begins with who decided.
func (w *walk) atOnce() (decided bool) {
	for ; len(w.left) > 0; w.left = w.left[1:] {
		l := w.left[0]
		a, err, ok := l.atOnce(w.acl, w.r)
		if !ok {
			return false
		}
		w.asked = w.asked || l.backend != nil
		if w.take(a, err) {
			return true
		}
	}
	return true
}

// take notes what the next link said and reports whether that decides.
func (w *walk) take(a Answer, err error) (decided bool) {
	l := w.left[0]
	if err != nil {
		if errors.Is(err, errDown) || errors.Is(err, errBusy) {
			l.count.refused.Inc()
		}
		if l.passOver(err) {
			w.missed = true
			return false
		}
		w.Answer, w.by, w.err = Answer{Verdict: Deny, Code: refusal(w.acl, err)}, l, err
		return true
	}
	if a.Verdict != Ignore || !w.probe {
		l.count.verdict(w.acl, a.Verdict)
	}
	if a.Verdict == Ignore {
		return false
	}
	w.Answer, w.by = a, l
	return true
}

// later asks who is left and calls done on another goroutine.
func (w *walk) later(c *Control, done func(result)) {
	w.probe = false
	if w.atOnce() {
		c.crew.run(func() { done(w.result) })
		return
	}
	w.ask(done)
}

func (w *walk) ask(done func(result)) {
	w.asked = true
	w.left[0].backend.ask(w.acl, w.r, func(a Answer, err error) {
		decided := w.take(a, err)
		if w.left = w.left[1:]; decided || w.atOnce() {
			done(w.result)
			return
		}
		w.ask(done)
	})
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
	a, ok = l.prompt.AuthenticateAtOnce(r)
	return a, nil, ok
}

// answer calls a provider that has no backend.
func (l *link) answer(acl bool, r *Request) (a Answer, err error) {
	if l.Close != nil {
		l.use.RLock()
		defer l.use.RUnlock()
		if l.retired {
			return Answer{}, errClosed
		}
	}
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
	if l.backend != nil {
		l.backend.retire()
		return
	}
	l.use.Lock()
	first := !l.retired
	l.retired = true
	l.use.Unlock()
	if first && l.Close != nil {
		l.Close()
	}
}

func (l *link) sweep(now time.Duration) {
	if l.backend != nil {
		l.backend.sweep(now)
	}
}
