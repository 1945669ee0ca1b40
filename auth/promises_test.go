package auth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestBackendKeepsItsPromises has a backend misbehave in every way while
// clients come at random, and holds it to what it promises each of them.
func TestBackendKeepsItsPromises(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) { keepsItsPromises(t, rand.New(rand.NewPCG(seed, 9))) })
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

// moody answers rightly, if at all: the password of each id is the id itself.
type moody struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	now     int
	most    int
	stopped bool
}

func (m *moody) roll(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rnd.IntN(n)
}

func (m *moody) enter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += n
	m.most = max(m.most, m.now)
	if m.stopped {
		panic("called after Close")
	}
}

func (m *moody) Authenticate(ctx context.Context, r *Request) (Answer, error) {
	m.enter(1)
	defer m.enter(-1)
	d := time.Duration(m.roll(1500)) * time.Millisecond
	switch m.roll(12) {
	case 0: // deaf and slow
		time.Sleep(3 * d)
	case 1:
		return Answer{}, errors.New("reset")
	case 2:
		panic("oops")
	default:
		select {
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		case <-time.After(d):
		}
	}
	if string(r.Password) == r.Client.ClientID {
		return Answer{Verdict: Allow}, nil
	}
	return Answer{Verdict: Deny}, nil
}

func keepsItsPromises(t *testing.T, rnd *rand.Rand) {
	g := newRig(t, nil)
	m := &moody{rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1))}
	b := Backend{Pool: 1 + rnd.IntN(4), Timeout: time.Second, MaxWaiting: 1 + rnd.IntN(20), OnError: "deny"}
	if rnd.IntN(2) == 0 {
		b.Ping = func(context.Context) error {
			if m.roll(2) == 0 {
				return errors.New("still gone")
			}
			return nil
		}
	}
	g.Use(Provider{Name: "http", Authenticator: m, Backend: &b, Close: func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stopped = true
	}})
	var mu sync.Mutex
	told := make(map[int]int)
	asked := 300
	for i := range asked {
		time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
		if rnd.IntN(20) == 0 {
			time.Sleep(5 * time.Second)
		}
		if rnd.IntN(30) == 0 {
			g.DrainCaches()
		}
		id, password := fmt.Sprint(rnd.IntN(10)), fmt.Sprint(rnd.IntN(10))
		if rnd.IntN(3) > 0 {
			password = id
		}
		r := &Request{Client: client(id), Password: []byte(password)}
		start := time.Now()
		check := func(o Outcome) {
			mu.Lock()
			defer mu.Unlock()
			told[i]++
			if took := time.Since(start); took > b.Timeout {
				t.Errorf("%d was told after %v", i, took)
			}
			right := mqtt.NotAuthorized
			if password == id {
				right = mqtt.Success
			}
			if o.Code != right && o.Code != mqtt.ServerUnavailable && o.Code != mqtt.ServerBusy {
				t.Errorf("%s with password %s: %v", id, password, o.Code)
			}
		}
		if o, decided := g.Authenticate(&g.policy, r); decided {
			check(o)
		} else {
			g.AuthenticateLater(&g.policy, r, check)
		}
		if s := g.Backends()[0]; s.Waiting > b.MaxWaiting+b.Pool || s.Busy > b.Pool || s.Stuck > s.Busy {
			t.Fatalf("%+v", s)
		}
	}
	if rnd.IntN(2) == 0 {
		time.Sleep(time.Minute)
		at := g.chains.Load().authn[0].backend
		at.mu.Lock()
		if n := at.waiting + at.busy + at.stuck + at.askers + at.line.Len() + len(at.flights); n != 0 {
			t.Errorf("%d things are left at rest", n)
		}
		at.mu.Unlock()
	}
	g.Close()
	time.Sleep(time.Minute)
	synctest.Wait()
	g.count("auth.http.waiting", 0)
	g.count("auth.http.stuck", 0)
	for i := range asked {
		if told[i] != 1 {
			t.Errorf("%d was told %d times", i, told[i])
		}
	}
	if m.most > b.Pool || !m.stopped {
		t.Errorf("%d calls at once with a pool of %d; closed: %v", m.most, b.Pool, m.stopped)
	}
}
