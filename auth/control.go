package auth

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/metrics"
)

// Options are what New needs. Log and Metrics may be nil.
type Options struct {
	Config  Config
	Metrics *metrics.Registry
	Log     *slog.Logger
	Bans    keep.Map // nil: bans are gone after the next start
}

// Control is the access control of one broker: the chains of providers, what
// their answers are kept for, bans and limits. All methods may be called at the
// same time.
//
// Admit, Authenticate and Authorize answer at once and are for event loops.
// What they leave open is asked by AuthenticateLater and AuthorizeLater, which
// don't block either and call back.
type Control struct {
	config  atomic.Pointer[Config]
	log     *slog.Logger
	metrics *metrics.Registry
	count   counters
	start   time.Time
	epoch   time.Duration // start, since 1970
	drained atomic.Int64  // since 1970 in nanoseconds; older answers don't count
	chains  atomic.Pointer[chains]
	watcher atomic.Pointer[func(*Decision)] // nil: nobody watches
	asking  sync.Pool                       // of *Request, for authorizers that answer at once
	digests *digester

	bans   *Bans
	gates  *gates
	listed atomic.Pointer[func(clientID string) bool] // nil: everybody may come

	mu         sync.Mutex // of what follows
	links      []*link    // in the order they were given
	counts     map[string]*providerCounters
	mechanisms map[string]Mechanism
	sweeper    *time.Timer
	closed     bool

	ctx    context.Context // of all calls
	cancel context.CancelFunc
	crew   crew
}

// Change puts another configuration in force, but for AuthOrder, ACLOrder and
// AuthCacheMaxSize, which stay. What was kept of answers is forgotten: it was
// good under the old one.
func (c *Control) Change(to Config) {
	old := c.config.Load()
	to.AuthOrder, to.ACLOrder, to.AuthCacheMaxSize = old.AuthOrder, old.ACLOrder, old.AuthCacheMaxSize
	c.gates.keepFor(to.Failures.Block)
	c.config.Store(&to)
	c.mu.Lock()
	links := c.links
	c.mu.Unlock()
	for _, l := range links {
		l.keepFor(max(to.AuthCacheTTL, to.AuthCacheNegativeTTL))
	}
	c.DrainCaches()
}

// sweepEvery is how often what is over and was not looked for is forgotten.
const sweepEvery = time.Minute

// New makes a Control without providers: allow_anonymous and acl_nomatch alone
// decide. It reads the bans that were kept.
func New(o Options) *Control {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = new(metrics.Registry)
	}
	start := time.Now()
	c := &Control{
		log: o.Log, metrics: o.Metrics, count: newCounters(o.Metrics), start: start, epoch: time.Duration(start.UnixNano()),
		digests: newDigester(), bans: newBans(o.Bans), gates: newGates(o.Config),
		counts: make(map[string]*providerCounters), mechanisms: make(map[string]Mechanism),
	}
	c.config.Store(&o.Config)
	c.asking.New = func() any { return new(Request) }
	c.chains.Store(new(chains))
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := c.bans.follow(c.log); err != nil {
		c.log.Error("not all bans could be read", "error", err)
	}
	c.mu.Lock() // sweep may come before after returns
	defer c.mu.Unlock()
	c.sweeper = c.crew.after(sweepEvery, c.sweep)
	return c
}

// now is the time since 1970 by a clock that is never set.
func (c *Control) now() time.Duration {
	return c.epoch + time.Since(c.start)
}

// Bans are the banned clients.
func (c *Control) Bans() *Bans { return c.bans }

// DrainCaches has everything forgotten that backends said up to now: what
// connections keep about topics, and who was let in.
func (c *Control) DrainCaches() { c.drained.Store(int64(c.now())) }

// since is the time before which an answer that is good for ttl is too old.
func (c *Control) since(ttl time.Duration) time.Duration {
	return max(c.now()-ttl, time.Duration(c.drained.Load()))
}

// Drained is when DrainCaches was called last, in nanoseconds since 1970.
func (c *Control) Drained() int64 { return c.drained.Load() }

// fresh reports whether what was asked then has not been drained since.
func (c *Control) fresh(asked time.Duration) bool { return int64(asked) >= c.drained.Load() }

// closePatience is how long Close waits for calls that don't heed their end.
const closePatience = 5 * time.Second

// Close ends the calls under way, waits for them, and closes the providers.
// What is asked afterwards is refused.
func (c *Control) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.sweeper.Stop()
	links := c.links
	c.mu.Unlock()
	c.cancel()
	for _, l := range links {
		l.retire()
	}
	if !c.crew.dismiss(closePatience) {
		c.log.Error("calls of access control are stuck, and left behind", "backends", c.Backends())
	}
}

// sweep forgets what is over.
func (c *Control) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	links := c.links
	c.crew.run(func() {
		now := c.now()
		c.gates.sweep(now)
		for _, l := range links {
			l.sweep(now)
		}
		if err := c.bans.sweep(time.Now()); err != nil {
			c.log.Error("bans that are over could not be removed", "error", err)
		}
	})
	c.sweeper.Reset(sweepEvery)
}

// UseMechanism offers a method of enhanced authentication, in the place of an
// earlier one of the same name; nil takes it away.
func (c *Control) UseMechanism(name string, m Mechanism) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mechanisms[name] = m; m == nil {
		delete(c.mechanisms, name)
	}
}

// Mechanism is the method of that name, or nil.
func (c *Control) Mechanism(name string) Mechanism {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mechanisms[name]
}
