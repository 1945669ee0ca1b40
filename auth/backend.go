package auth

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/connector"
)

// What a Backend that leaves it open gets.
const (
	defaultPool       = 8
	defaultTimeout    = 5 * time.Second
	defaultMaxWaiting = 10_000
)

// backend asks a provider that may block. A question that is put to it is a
// flight; identical ones share one. Flights stand in one line until they are
// over, in the order in which they were put, which is also that of their
// deadlines: the first ones are running, the others wait. So one timer watches
// over all.
//
// Neither a provider nor a client is called with mu held.
type backend struct {
	*link
	opts Backend
	// grace is what a call has less than its flight: a provider that heeds its
	// context returns before expire takes it for one that doesn't.
	grace time.Duration

	mu      sync.Mutex
	flights map[requestKey]*flight
	line    list.List     // of *flight
	next    *list.Element // of line, the first that may still have its turn
	waiting int           // flights that do
	askers  int           // who wait for all flights
	busy    int           // goroutines that call the provider, those of stuck calls included
	stuck   int           // calls whose time is over
	pinging bool
	retired bool // closes once nothing is under way
	closed  bool

	timer    *time.Timer // for the deadline of the first in the line
	watching bool        // it is set
	probe    *time.Timer // for the next Ping
	health   health
	answers  recent[requestKey, kept]
}

// kept is an answer for those who come with the same question.
type kept struct {
	Answer
	at time.Duration // when it was asked for
}

func newBackend(l *link) *backend {
	b := &backend{link: l, opts: *l.Backend, flights: make(map[requestKey]*flight)}
	if b.opts.Pool <= 0 {
		b.opts.Pool = defaultPool
	}
	if b.opts.Timeout <= 0 {
		b.opts.Timeout = defaultTimeout
	}
	if b.opts.MaxWaiting <= 0 {
		b.opts.MaxWaiting = defaultMaxWaiting
	}
	b.grace = min(b.opts.Timeout/20, 100*time.Millisecond)
	c := l.control.config.Load()
	b.answers = recent[requestKey, kept]{keep: max(c.AuthCacheTTL, c.AuthCacheNegativeTTL), limit: c.AuthCacheMaxSize}
	b.health.since = l.control.now()
	return b
}

// atOnce answers from what is known, if anything is.
func (b *backend) atOnce(acl bool, r *Request) (a Answer, known bool, err error) {
	key, keyed := b.control.digests.of(acl, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known(b.control.now(), acl, key, keyed)
}

// ask puts a question and has done called with the answer, on another
// goroutine, before the Timeout is over.
func (b *backend) ask(acl bool, r *Request, done func(Answer, error)) {
	key, keyed := b.control.digests.of(acl, r)
	now := b.control.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, known, err := b.known(now, acl, key, keyed); known {
		b.control.crew.run(func() { done(a, err) })
		return
	}
	b.askers++
	if f := b.flights[key]; keyed && f != nil && b.control.fresh(f.asked) {
		f.done = append(f.done, done)
		b.count.backend.shared.Inc()
		return
	}
	f := &flight{
		key: key, keyed: keyed, acl: acl, client: *r.Client, r: *r,
		asked: now, deadline: now + b.opts.Timeout, done: []func(Answer, error){done}, trial: b.health.down,
	}
	f.r.Client, f.r.Password, f.r.Topic = &f.client, slices.Clone(r.Password), strings.Clone(r.Topic)
	b.put(f)
}

// known is what can be said without asking.
func (b *backend) known(now time.Duration, acl bool, key requestKey, keyed bool) (a Answer, known bool, err error) {
	if keyed && !acl {
		if k, there := b.answers.get(now, key); there && b.good(k) {
			b.count.backend.cached.Inc()
			return k.Answer, true, nil
		}
	}
	switch {
	case b.retired:
		return Answer{}, true, errClosed
	case b.stuck >= b.opts.Pool, b.health.refuses(now, b.opts.Ping != nil):
		return Answer{}, true, errDown
	case b.askers+b.stuck >= b.opts.Pool+b.opts.MaxWaiting:
		return Answer{}, true, errBusy
	}
	return Answer{}, false, nil
}

func (b *backend) keepFor(ttl time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers.keep = ttl
}

// good reports whether an answer still holds.
func (b *backend) good(k kept) bool {
	ttl := b.control.config.Load().AuthCacheNegativeTTL
	if k.Verdict == Allow {
		ttl = b.control.config.Load().AuthCacheTTL
	}
	return ttl > 0 && k.at >= b.control.since(ttl) && (k.Expires.IsZero() || time.Now().Before(k.Expires))
}

// put takes a flight to the end of the line, and somebody to work on it.
func (b *backend) put(f *flight) {
	f.place = b.line.PushBack(f)
	if f.keyed {
		b.flights[f.key] = f
	}
	if b.next == nil {
		b.next = f.place
	}
	b.wait(1)
	b.health.trial = b.health.trial || f.trial
	if !b.watching {
		b.watch(b.opts.Timeout)
	}
	if b.busy < b.opts.Pool {
		b.busy++
		b.control.crew.run(b.work)
	}
}

// work calls the provider as long as somebody waits.
func (b *backend) work() {
	for f, left := b.take(); f != nil; f, left = b.take() {
		ctx, cancel := context.WithTimeout(b.control.ctx, left)
		began := time.Now()
		a, err := b.call(ctx, f.acl, &f.r)
		b.count.backend.calls.Observe(time.Since(began).Microseconds())
		switch {
		case err == nil:
		case b.control.ctx.Err() != nil:
			err = errClosed
		case ctx.Err() != nil: // what it was waiting for is worth knowing, but not whether trying again makes sense
			err = fmt.Errorf("%w: %v", errTimeout, err)
		}
		cancel()
		b.landed(f, a, err)
	}
}

// take is the next flight and how long its call may take; nil sends the
// goroutine home. Flights with no time left are for expire to end.
func (b *backend) take() (f *flight, left time.Duration) {
	b.mu.Lock()
	now := b.control.now()
	for b.next != nil {
		f = b.next.Value.(*flight)
		b.next = b.next.Next()
		if left = f.deadline - now - b.grace; left > 0 {
			f.running = true
			b.wait(-1)
			b.mu.Unlock()
			return f, left
		}
	}
	b.busy--
	b.unlockAndClose()
	return nil, 0
}

// landed is told what came of a call.
func (b *backend) landed(f *flight, a Answer, err error) {
	b.mu.Lock()
	if f.over { // who asked has been told
		b.hang(-1)
		b.mu.Unlock()
		return
	}
	now := b.control.now()
	all := []news{b.end(f, a, err)}
	switch {
	case err == nil:
		b.keep(now, f, a)
		b.succeeded(now)
	case errors.Is(err, errClosed):
	case connector.IsPermanent(err): // it is there, and refuses this one request
		b.succeeded(now)
		b.health.lastError, b.health.errorAt = err, now
		b.complain("a backend of access control failed", "error", err)
	default:
		all = append(all, b.failed(now, f, err)...)
	}
	b.mu.Unlock()
	tell(all)
}

// expire ends the flights whose time is over. Their calls, if the provider
// doesn't heed its context, go on and keep their places in the pool.
func (b *backend) expire() {
	b.mu.Lock()
	now := b.control.now()
	var all []news
	b.watching = false
	for e := b.line.Front(); e != nil; e = b.line.Front() {
		f := e.Value.(*flight)
		if f.deadline > now {
			b.watch(f.deadline - now)
			break
		}
		all = append(all, b.abandon(f, errTimeout))
		if f.running || f.trial { // one that was not begun says only that others are slow
			all = append(all, b.failed(now, f, errTimeout)...)
		}
	}
	if b.stuck >= b.opts.Pool { // nobody is left to begin the others
		all = append(all, b.dropWaiting(errDown)...)
	}
	b.mu.Unlock()
	tell(all)
}

func (b *backend) keep(now time.Duration, f *flight, a Answer) {
	if k := (kept{a, f.asked}); f.keyed && !f.acl && b.good(k) {
		b.answers.put(now, f.key, k)
	}
}

func (b *backend) watch(d time.Duration) {
	b.watching = true
	if b.timer == nil {
		b.timer = b.control.crew.after(d, b.expire)
		return
	}
	b.timer.Reset(d)
}

func (b *backend) wait(n int) {
	b.waiting += n
	b.count.backend.waiting.Add(int64(n))
}

func (b *backend) hang(n int) {
	b.stuck += n
	b.count.backend.stuck.Add(int64(n))
}

// retire closes the provider as soon as nothing is under way. What waits is
// still asked, unless the whole Control is closed.
func (b *backend) retire() {
	b.mu.Lock()
	b.retired = true
	b.unprobe()
	var all []news
	for b.control.ctx.Err() != nil && b.line.Len() > 0 {
		all = append(all, b.abandon(b.line.Front().Value.(*flight), errClosed))
	}
	b.unlockAndClose()
	tell(all)
}

// unlockAndClose closes the provider if it is time for that.
func (b *backend) unlockAndClose() {
	last := b.retired && !b.closed && b.busy == 0 && !b.pinging
	if last {
		b.closed = true
		if b.timer != nil {
			b.timer.Stop()
		}
	}
	b.mu.Unlock()
	if last && b.Close != nil {
		b.Close()
	}
}

func (b *backend) sweep(now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers.turn(now)
}
