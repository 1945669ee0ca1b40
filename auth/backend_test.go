package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/mqtt"
)

var deny = Backend{Pool: 2, Timeout: 5 * time.Second, MaxWaiting: 100, OnError: "deny"}

// in reports after which time f is over.
func in(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func TestBackendAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("http", time.Second, Allow)
		g.Use(behind(f, deny))
		var o Outcome
		if took := in(func() { o = g.login("c", "secret") }); took != time.Second {
			t.Errorf("it took %v", took)
		}
		if o.Code != mqtt.Success || o.By != "http" || o.Anonymous {
			t.Errorf("%+v", o)
		}
		g.count("auth.http.success", 1)
		g.count("client.auth.success", 1)
		g.count("client.authenticate", 1)
	})
}

func TestPoolIsBoundedAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		var order []string
		f := slow("http", time.Second, Allow)
		inner := f.answer
		f.answer = func(ctx context.Context, r *Request) (Answer, error) {
			f.mu.Lock()
			order = append(order, r.Client.ClientID)
			f.mu.Unlock()
			return inner(ctx, r)
		}
		g.Use(behind(f, Backend{Pool: 1, Timeout: time.Minute}))
		var all []<-chan Outcome
		var want []string
		for i := range 5 {
			id := fmt.Sprint(i)
			all, want = append(all, g.begin(id, "p")), append(want, id)
			synctest.Wait()
		}
		g.count("auth.http.waiting", 4)
		if took := in(func() { wait(all) }); took != 5*time.Second {
			t.Errorf("five took %v", took)
		}
		if f.most != 1 || !slices.Equal(order, want) {
			t.Errorf("%d at once, in the order %v", f.most, order)
		}
		g.count("auth.http.waiting", 0)
	})
}

func wait(all []<-chan Outcome) (codes []mqtt.ReasonCode) {
	for _, done := range all {
		codes = append(codes, (<-done).Code)
	}
	return codes
}

// A storm needs no more goroutines than the pool has places.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("http", 10*time.Millisecond, Allow)
		g.Use(behind(f, Backend{Pool: 32, Timeout: 5 * time.Second}))
		before := runtime.NumGoroutine()
		var all []<-chan Outcome
		for i := range 5000 {
			all = append(all, g.begin(fmt.Sprint(i), "p"))
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 32 {
			t.Errorf("%d goroutines for 5000 who wait", n)
		}
		if took := in(func() { wait(all) }); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		g.count("auth.http.success", 5000)
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines at rest", n)
		}
	})
}

func TestDeadlineCountsFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.Use(behind(slow("http", 4*time.Second, Allow), Backend{Pool: 1, Timeout: 5 * time.Second, OnError: "deny"}))
		first, second := g.begin("a", "p"), g.begin("b", "p")
		var codes []mqtt.ReasonCode
		if took := in(func() { codes = wait([]<-chan Outcome{first, second}) }); took > 5*time.Second || took < 4900*time.Millisecond {
			t.Errorf("it took %v", took) // the second has 1 s left when its turn comes
		}
		if codes[0] != mqtt.Success || codes[1] != mqtt.ServerUnavailable {
			t.Error(codes)
		}
		g.count("auth.http.timeout", 1)
	})
}

// A backend that is slow and heeds its context is not one whose calls are all
// stuck: who comes later has his turn.
func TestSlowIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("http", time.Hour, Allow)
		hangs := f.answer
		f.answer = func(ctx context.Context, r *Request) (Answer, error) {
			if r.Client.ClientID == "quick" {
				return Answer{Verdict: Allow}, nil
			}
			return hangs(ctx, r)
		}
		g.Use(behind(f, Backend{Pool: 1, Timeout: time.Second}))
		all := []<-chan Outcome{g.begin("slow", "p"), g.begin("no time left", "p")}
		time.Sleep(200 * time.Millisecond)
		all = append(all, g.begin("quick", "p"))
		if codes := wait(all); codes[0] != mqtt.ServerUnavailable || codes[1] != mqtt.ServerUnavailable || codes[2] != mqtt.Success {
			t.Error(codes)
		}
		f.called(t, 2)
	})
}

// deaf heeds no context; it hangs until released.
func deaf(name string) (*fake, chan struct{}) {
	release := make(chan struct{})
	return &fake{name: name, answer: func(context.Context, *Request) (Answer, error) {
		<-release
		return Answer{Verdict: Allow}, nil
	}}, release
}

func TestStuckCallsHoldNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f, release := deaf("http")
		g.Use(behind(f, deny))
		var all []<-chan Outcome
		for i := range 10 {
			all = append(all, g.begin(fmt.Sprint(i), "p"))
		}
		var codes []mqtt.ReasonCode
		if took := in(func() { codes = wait(all) }); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if slices.ContainsFunc(codes, func(c mqtt.ReasonCode) bool { return c != mqtt.ServerUnavailable }) {
			t.Error(codes)
		}
		f.called(t, 2)
		g.count("auth.http.stuck", 2)
		g.count("auth.http.error", 10)
		if s := g.Backends()[0]; s.Stuck != 2 || s.Busy != 2 || s.Waiting != 0 || s.Up {
			t.Errorf("%+v", s)
		}
		if took := in(func() { g.login("late", "p") }); took != 0 {
			t.Errorf("with all stuck a client waited %v", took)
		}
		close(release)
		synctest.Wait()
		g.count("auth.http.stuck", 0)
		if o := g.login("back", "p"); o.Code != mqtt.Success {
			t.Error("not back:", o.Code)
		}
	})
}

func TestQueueFull(t *testing.T) {
	for _, onError := range []string{"deny", "ignore"} {
		bubble(t, onError, func(t *testing.T) {
			g := newRig(t, nil)
			g.policy.AllowAnonymous = AnonymousAllowed
			g.Use(behind(slow("http", time.Second, Allow), Backend{Pool: 1, Timeout: time.Minute, MaxWaiting: 2, OnError: onError}))
			var all []<-chan Outcome
			for i := range 3 {
				all = append(all, g.begin(fmt.Sprint(i), "p"))
			}
			synctest.Wait() // one runs
			all = append(all, g.begin("3", "p"), g.begin("0", "p"), g.begin("4", "p"))
			want := []mqtt.ReasonCode{0, 0, 0, mqtt.ServerBusy, mqtt.ServerBusy, mqtt.ServerBusy}
			var code mqtt.ReasonCode
			who, cache := client("x"), new(Cache)
			if took := in(func() { code, _ = g.ask(who, cache, Publish, "t") }); took != 0 || code != mqtt.QuotaExceeded {
				t.Errorf("ACL: %v after %v", code, took)
			}
			if codes := wait(all); !slices.Equal(codes, want) {
				t.Error(codes)
			}
		})
	}
}

func TestIdenticalRequestsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("http", time.Second, Allow)
		g.Use(behind(f, deny))
		all := []<-chan Outcome{g.begin("a", "p"), g.begin("a", "p"), g.begin("a", "q"), g.begin("a", "p")}
		for _, code := range wait(all) {
			if code != mqtt.Success {
				t.Error(code)
			}
		}
		f.called(t, 2)
		g.count("auth.http.shared", 2)
	})
}

func TestClientsWithRightsShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("http", time.Second, Allow)
		g.Use(behind(f, deny))
		for range 2 {
			who := client("a")
			who.Rights = []string{"t/#"}
			g.AuthorizeLater(&g.policy, &Request{Client: who, Topic: "t"}, new(Cache), func(mqtt.ReasonCode) {})
		}
		time.Sleep(time.Minute)
		f.called(t, 2)
	})
}

func TestAnswersAreKept(t *testing.T) {
	kept := func(name string, a Answer, for_ time.Duration) {
		t.Helper()
		bubble(t, name, func(t *testing.T) {
			if !a.Expires.IsZero() {
				a.Expires = time.Now().Add(2 * time.Second)
			}
			g := newRig(t, nil)
			f := says("http", a, nil)
			g.Use(behind(f, deny))
			first := g.login("a", "p")
			time.Sleep(for_)
			if again, decided := g.Authenticate(&g.policy, &Request{Client: client("a"), Password: []byte("p")}); !decided || again != first {
				t.Errorf("after %v: %+v, %v", for_, again, decided)
			}
			f.called(t, 1)
			g.count("auth.http.cached", 1)
			time.Sleep(time.Millisecond)
			g.login("a", "p")
			f.called(t, 2)
			g.login("a", "wrong")
			f.called(t, 3)
		})
	}
	kept("allow", Answer{Verdict: Allow, Superuser: true}, 5*time.Second)
	kept("deny", Answer{Verdict: Deny, Code: mqtt.BadUserNameOrPassword}, time.Second)
	kept("ignore", Answer{}, time.Second)
	kept("expires", Answer{Verdict: Allow, Expires: time.Unix(1, 0)}, 2*time.Second-1)
}

func TestNothingIsKept(t *testing.T) {
	fresh := func(name string, a Answer, err error, between func(*rig)) {
		t.Helper()
		bubble(t, name, func(t *testing.T) {
			g := newRig(t, func(c *Config) {
				if name == "off" {
					c.AuthCacheTTL, c.AuthCacheNegativeTTL = 0, 0
				}
			})
			f := says("http", a, err)
			g.Use(behind(f, deny))
			g.login("a", "p")
			between(g)
			g.login("a", "p")
			f.called(t, 2)
		})
	}
	nothing := func(*rig) {}
	fresh("off", Answer{Verdict: Allow}, nil, nothing)
	fresh("errors", Answer{Verdict: Allow}, errors.New("no"), nothing)
	fresh("drained", Answer{Verdict: Allow}, nil, func(g *rig) { time.Sleep(time.Nanosecond); g.DrainCaches() })
}

func TestAnswerFromBeforeADrainIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("http", time.Second, Allow)
		g.Use(behind(f, deny))
		var cache Cache
		who := client("a")
		go g.ask(who, &cache, Publish, "t")
		done := g.begin("a", "p")
		time.Sleep(time.Millisecond)
		g.DrainCaches()
		g.login("a", "p") // not shared with the one under way
		<-done
		g.ask(who, &cache, Publish, "t")
		f.called(t, 4)
		if o, decided := g.Authenticate(&g.policy, &Request{Client: client("a"), Password: []byte("p")}); !decided || o.Code != mqtt.Success {
			t.Error("the answer from after it is not kept:", o, decided)
		}
	})
}

func TestGoesDownAndComesBack(t *testing.T) {
	for _, pings := range []bool{true, false} {
		bubble(t, fmt.Sprint("pings=", pings), func(t *testing.T) {
			g := newRig(t, nil)
			var well atomic.Bool
			broken := func() error {
				if well.Load() {
					return nil
				}
				return errors.New("connection refused")
			}
			f := &fake{name: "http", answer: func(context.Context, *Request) (Answer, error) {
				return Answer{Verdict: Allow}, broken()
			}}
			b := deny
			if pings {
				b.Ping = func(context.Context) error { return broken() }
			}
			g.Use(behind(f, b))
			for i := range failuresInARow {
				if !g.Backends()[0].Up {
					t.Fatal("down after", i)
				}
				g.login(fmt.Sprint(i), "p")
			}
			if s := g.Backends()[0]; s.Up || s.LastError != "connection refused" {
				t.Errorf("%+v", s)
			}
			// At once, on the loop, and without a call.
			o, decided := g.Authenticate(&g.policy, &Request{Client: client("x")})
			if !decided || o.Code != mqtt.ServerUnavailable {
				t.Error(o, decided)
			}
			g.count("auth.http.refused", 1)
			for range 600 {
				time.Sleep(100 * time.Millisecond)
				g.login("x", "p")
			}
			if n := f.calls - failuresInARow; pings && n != 0 || !pings && (n < 12 || n > 20) { // 0.1+…+3.2 s, then every 5 s
				t.Errorf("%d requests in a minute", n)
			}
			well.Store(true)
			time.Sleep(lastRetry)
			if o := g.login("x", "p"); o.Code != mqtt.Success {
				t.Error("not back:", o.Code)
			}
			if s := g.Backends()[0]; !s.Up {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestOneRequestOnTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("http", time.Hour, Allow)
		g.Use(behind(f, Backend{Pool: 8, Timeout: time.Second}))
		var all []<-chan Outcome
		for i := range 8 {
			all = append(all, g.begin(fmt.Sprint(i), "p"))
		}
		wait(all)
		f.called(t, 8)
		time.Sleep(firstRetry)
		for i := range 8 {
			g.begin(fmt.Sprint("t", i), "p")
		}
		synctest.Wait()
		f.called(t, 9)
		time.Sleep(time.Second + firstRetry) // it failed: twice the pause
		g.begin("u", "p")
		synctest.Wait()
		f.called(t, 9)
		time.Sleep(firstRetry)
		g.begin("v", "p")
		synctest.Wait()
		f.called(t, 10)
	})
}

func TestPingsAnsweredWhileRequestsAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		pings := 0
		b := deny
		b.Ping = func(context.Context) error { pings++; return nil }
		f := says("http", Answer{}, errors.New("read-only"))
		g.Use(behind(f, b))
		for range 3000 {
			g.login("a", "p")
			time.Sleep(20 * time.Millisecond)
		}
		if f.calls > 30 || pings > 20 {
			t.Errorf("%d calls and %d pings in a minute", f.calls, pings)
		}
	})
}

func TestAMistakeInOneRequestBringsNothingDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := says("http", Answer{}, connector.Permanent(errors.New("syntax")))
		g.Use(behind(f, deny))
		for range 20 {
			if o := g.login("a", "p"); o.Code != mqtt.ServerUnavailable {
				t.Error(o.Code)
			}
		}
		f.called(t, 20)
		g.count("auth.http.error", 20)
	})
}

// A client library may try again and again until the time is over: the log has
// to say what it met.
func TestTimeoutSaysWhatWasMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := &fake{name: "http", answer: func(ctx context.Context, _ *Request) (Answer, error) {
			<-ctx.Done()
			return Answer{}, connector.Permanent(fmt.Errorf("certificate of a stranger: %w", ctx.Err()))
		}}
		g.Use(behind(f, deny))
		for range failuresInARow {
			if o := g.login("a", "p"); o.Code != mqtt.ServerUnavailable {
				t.Error(o.Code)
			}
		}
		const want = "no answer in time: certificate of a stranger: context deadline exceeded"
		if s := g.Backends()[0]; s.Up || s.LastError != want {
			t.Errorf("up: %v, last error %q, want a backend that is down because of %q", s.Up, s.LastError, want)
		}
		g.count("auth.http.timeout", failuresInARow)
	})
}

func TestWaitingEndsWhenTheBackendGoesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := &fake{name: "http", answer: func(context.Context, *Request) (Answer, error) {
			time.Sleep(100 * time.Millisecond)
			return Answer{}, errors.New("reset")
		}}
		g.Use(behind(f, Backend{Pool: 1, Timeout: time.Minute}))
		var all []<-chan Outcome
		for i := range 50 {
			all = append(all, g.begin(fmt.Sprint(i), "p"))
		}
		if took := in(func() { wait(all) }); took != failuresInARow*100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		f.called(t, failuresInARow)
	})
}

func TestChainGoesOnToTheNextBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		ignore := deny
		ignore.OnError, ignore.Timeout = "ignore", time.Second
		f, release := deaf("http")
		second := slow("mysql", time.Second, Allow)
		g.Use(behind(f, ignore), behind(second, deny))
		var o Outcome
		if took := in(func() { o = g.login("a", "p") }); took != 2*time.Second || o.By != "mysql" {
			t.Errorf("%+v after %v", o, took)
		}
		var cache Cache
		who := client("a")
		if code, _ := g.ask(who, &cache, Publish, "t"); code != mqtt.Success {
			t.Error(code)
		}
		if cache.Entries() != nil {
			t.Error("kept though one could not be asked")
		}
		close(release)
	})
}

func TestOneBackendDoesNotDelayAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f, release := deaf("http")
		only := func(f *fake, id string) *fake {
			inner := f.answer
			f.answer = func(ctx context.Context, r *Request) (Answer, error) {
				if r.Client.ClientID != id {
					return Answer{}, nil
				}
				return inner(ctx, r)
			}
			return f
		}
		g.Use(inMemory(only(says("mnesia", Answer{Verdict: Allow}, nil), "m")), behind(slow("mysql", time.Second, Allow), deny))
		p := behind(f, deny)
		p.Authenticator = nil
		g.Use(p)
		who := client("stuck")
		for range 100 {
			g.AuthorizeLater(&g.policy, &Request{Client: who, Topic: "t"}, new(Cache), func(mqtt.ReasonCode) {})
		}
		if took := in(func() { g.login("x", "p") }); took != time.Second {
			t.Errorf("by way of another backend: %v", took)
		}
		if took := in(func() { g.login("m", "p") }); took != 0 {
			t.Errorf("by way of none: %v", took)
		}
		close(release)
	})
}

func TestPanicIsAnError(t *testing.T) {
	panics := func(p Provider, want mqtt.ReasonCode) {
		t.Helper()
		bubble(t, fmt.Sprint(want), func(t *testing.T) {
			g := newRig(t, nil)
			g.policy.AllowAnonymous = AnonymousAllowed
			g.Use(p)
			if o := g.login("a", "p"); o.Code != want {
				t.Errorf("%v, want %v", o.Code, want)
			}
		})
	}
	f := &fake{name: "http", answer: func(context.Context, *Request) (Answer, error) { panic("oops") }}
	ignore := deny
	ignore.OnError = "ignore"
	panics(inMemory(f), mqtt.ServerUnavailable)
	panics(behind(f, deny), mqtt.ServerUnavailable)
	panics(behind(f, ignore), mqtt.Success)
}

func TestReplacedProviderEndsItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		var closed atomic.Int32
		old := behind(slow("http", time.Second, Allow), Backend{Pool: 1, Timeout: time.Minute})
		old.Close = func() { closed.Add(1) }
		g.Use(old)
		all := []<-chan Outcome{g.begin("a", "p"), g.begin("b", "p")}
		g.Use(behind(says("http", Answer{Verdict: Deny}, nil), deny))
		if o := g.login("c", "p"); o.Code != mqtt.NotAuthorized {
			t.Error("the new one wasn't asked:", o)
		}
		if closed.Load() != 0 {
			t.Error("closed with calls under way")
		}
		if codes := wait(all); codes[0] != 0 || codes[1] != 0 {
			t.Error(codes)
		}
		synctest.Wait()
		if closed.Load() != 1 {
			t.Errorf("closed %d times", closed.Load())
		}
		if !g.Remove("http") || g.Remove("http") {
			t.Error("Remove")
		}
		if o := g.login("c", "p"); o.By != "" {
			t.Error("a removed one was asked")
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.policy.AllowAnonymous = AnonymousAllowed
		var closed atomic.Int32
		p := behind(slow("http", time.Hour, Allow), Backend{Pool: 1, Timeout: time.Minute, Ping: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		p.Close = func() { closed.Add(1) }
		g.Use(p)
		all := []<-chan Outcome{g.begin("a", "p"), g.begin("b", "p"), g.begin("c", "p")}
		synctest.Wait()
		if took := in(g.Close); took != 0 {
			t.Errorf("it took %v", took)
		}
		for _, code := range wait(all) {
			if code != mqtt.ServerUnavailable {
				t.Error(code)
			}
		}
		if closed.Load() != 1 {
			t.Errorf("closed %d times", closed.Load())
		}
		if o := g.login("d", "p"); o.Code != mqtt.ServerUnavailable {
			t.Error("let in after the end:", o)
		}
	})
}

func TestCloseLeavesStuckCallsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f, release := deaf("http")
		var closed atomic.Int32
		p := behind(f, deny)
		p.Close = func() { closed.Add(1) }
		g.Use(p)
		done := g.begin("a", "p")
		synctest.Wait()
		if took := in(g.Close); took != closePatience {
			t.Errorf("it took %v", took)
		}
		if o := <-done; o.Code != mqtt.ServerUnavailable {
			t.Error(o)
		}
		close(release)
		synctest.Wait()
		if closed.Load() != 1 {
			t.Errorf("closed %d times", closed.Load())
		}
	})
}

func TestCloseWithARemovedProviderAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f, release := deaf("http")
		g.Use(behind(f, deny))
		done := g.begin("a", "p")
		synctest.Wait()
		g.Remove("http")
		g.Close()
		if took := in(func() { <-done }); took > deny.Timeout {
			t.Errorf("told after %v", took)
		}
		close(release)
	})
}

func TestPromptAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		f := slow("mnesia", time.Second, Allow)
		p := behind(f, deny)
		p.Authenticator = prompt{f}
		g.Use(p)
		if took := in(func() { g.login("known", "p") }); took != 0 {
			t.Errorf("known after %v", took)
		}
		if took := in(func() { g.login("other", "p") }); took != time.Second {
			t.Errorf("other after %v", took)
		}
		g.policy.AllowAnonymous = AnonymousAllowed
		if o := g.login("panic", "p"); o.Code != mqtt.ServerUnavailable {
			t.Error(o)
		}
	})
}

type prompt struct{ *fake }

func (prompt) AuthenticateAtOnce(r *Request) (Answer, bool) {
	if r.Client.ClientID == "panic" {
		panic("oops")
	}
	return Answer{Verdict: Allow}, r.Client.ClientID == "known"
}

// What a stuck call looks at must not be what the asker has reused.
func TestCallsHaveCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		saw := make(chan string, 1)
		f := &fake{name: "http", answer: func(_ context.Context, r *Request) (Answer, error) {
			time.Sleep(10 * time.Second)
			saw <- r.Client.ClientID + " " + string(r.Password)
			return Answer{}, nil
		}}
		g.Use(behind(f, deny))
		r := &Request{Client: client("a"), Password: []byte("p")}
		done := make(chan Outcome)
		g.AuthenticateLater(&g.policy, r, func(o Outcome) { done <- o })
		<-done
		r.Client.ClientID, r.Password[0] = "b", 'q'
		if got := <-saw; got != "a p" {
			t.Errorf("it saw %q", got)
		}
	})
}
