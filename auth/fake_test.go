package auth

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// rig is a Control with what tests need around it.
type rig struct {
	*Control
	t      *testing.T
	reg    *metrics.Registry
	policy Policy
}

// newRig makes a Control that t closes. change may be nil.
func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	var o Options
	o.Config.SetDefaults()
	if change != nil {
		change(&o.Config)
	}
	o.Metrics = new(metrics.Registry)
	g := &rig{Control: New(o), t: t, reg: o.Metrics}
	g.policy.SetDefaults()
	g.policy.EnableACL, g.policy.EnableBan = true, true
	t.Cleanup(g.Close)
	return g
}

func (g *rig) count(name string, want int64) {
	g.t.Helper()
	s, ok := g.reg.Get(name)
	if !ok || s.Value != want {
		g.t.Errorf("%s is %d, want %d", name, s.Value, want)
	}
}

// login is a CONNECT from its beginning to its outcome.
func (g *rig) login(id, password string) Outcome {
	return <-g.begin(id, password)
}

func (g *rig) begin(id, password string) <-chan Outcome {
	done := make(chan Outcome, 1)
	r := &Request{Client: client(id), Password: []byte(password)}
	if o, decided := g.Authenticate(&g.policy, r); decided {
		done <- o
		return done
	}
	g.AuthenticateLater(&g.policy, r, func(o Outcome) { done <- o })
	return done
}

// ask is an ACL check from its beginning to its end; now: it was decided at once.
func (g *rig) ask(who *Client, cache *Cache, action Action, topic string) (code mqtt.ReasonCode, now bool) {
	if code, now = g.Authorize(&g.policy, who, cache, action, topic); now {
		return code, now
	}
	done := make(chan mqtt.ReasonCode, 1)
	g.AuthorizeLater(&g.policy, &Request{Client: who, Action: action, Topic: topic}, cache, func(code mqtt.ReasonCode) { done <- code })
	return <-done, false
}

func client(id string) *Client {
	return &Client{ClientID: id, Username: "u-" + id, Peer: netip.MustParseAddrPort("10.1.2.3:4567")}
}

// fake is a provider whose answers a test writes.
type fake struct {
	name   string
	answer func(ctx context.Context, r *Request) (Answer, error)

	mu    sync.Mutex
	calls int
	most  int // calls at the same time
	now   int
}

func (f *fake) Authenticate(ctx context.Context, r *Request) (Answer, error) {
	f.mu.Lock()
	f.calls++
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	return f.answer(ctx, r)
}

func (f *fake) Authorize(ctx context.Context, r *Request) (Answer, error) {
	return f.Authenticate(ctx, r)
}

func (f *fake) called(t *testing.T, want int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls != want {
		t.Errorf("%s was called %d times, want %d", f.name, f.calls, want)
	}
}

// slow is a backend that says v after d, or stops when its context does.
func slow(name string, d time.Duration, v Verdict) *fake {
	return &fake{name: name, answer: func(ctx context.Context, _ *Request) (Answer, error) {
		select {
		case <-time.After(d):
			return Answer{Verdict: v}, nil
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}}
}

// says is a provider that says the same always.
func says(name string, a Answer, err error) *fake {
	return &fake{name: name, answer: func(context.Context, *Request) (Answer, error) { return a, err }}
}

// inMemory and behind make a fake a provider of both chains.
func inMemory(f *fake) Provider { return Provider{Name: f.name, Authenticator: f, Authorizer: f} }

func behind(f *fake, b Backend) Provider {
	p := inMemory(f)
	p.Backend = &b
	return p
}

// bubble runs a test with a clock that doesn't wait; a goroutine left behind
// fails it.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}
