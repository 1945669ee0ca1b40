package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// rules is an authorizer that forbids some topics and knows which it was asked
// about; with slow it takes its time.
type rules struct {
	deny []string
	slow time.Duration
	err  error

	mu    sync.Mutex
	asked []string
}

func (r *rules) Authorize(_ context.Context, q *auth.Request) (auth.Answer, error) {
	r.mu.Lock()
	r.asked = append(r.asked, q.Action.String()+" "+q.Topic)
	r.mu.Unlock()
	time.Sleep(r.slow)
	if slices.Contains(r.deny, q.Topic) {
		return auth.Answer{Verdict: auth.Deny}, nil
	}
	return auth.Answer{}, r.err
}

// want checks what the rules have been asked since the last time.
func (r *rules) want(t testing.TB, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.asked, want) {
		t.Errorf("asked %q, want %q", r.asked, want)
	}
	r.asked = nil
}

// guard puts the rules in force; as a backend, if backend.
func (r *rig) guard(to *rules, backend bool) {
	r.zone.EnableACL, r.zone.ACLNomatch = true, "allow"
	p := auth.Provider{Name: "rules", Authorizer: to}
	if backend {
		p.Backend = &auth.Backend{Pool: 1, Timeout: 10 * time.Second, MaxWaiting: 10, OnError: "deny"}
	}
	r.Access.Use(p)
}

// mayPublish asks until there is an answer.
func (r *rig) mayPublish(who *hook.ClientInfo, name string) (code mqtt.ReasonCode, later bool) {
	cache := new(auth.Cache)
	code, decided := r.MayPublish(r.zone, who, cache, name)
	if decided {
		return code, false
	}
	answer := make(chan mqtt.ReasonCode)
	r.MayPublishLater(r.zone, who, cache, name, func(code mqtt.ReasonCode) { answer <- code })
	return <-answer, true
}

func TestMayPublish(t *testing.T) {
	for _, backend := range []bool{false, true} {
		r := newRig(t)
		to := &rules{deny: []string{"secret", "$delayed/7/open"}}
		r.guard(to, backend)
		f := func(who *hook.ClientInfo, name string, want mqtt.ReasonCode, asked ...string) {
			t.Helper()
			if code, later := r.mayPublish(who, name); code != want || later != (backend && !who.Superuser) {
				t.Errorf("%s: %v, later %v; want %v", name, code, later, want)
			}
			for i := range asked {
				asked[i] = "publish " + asked[i]
			}
			slices.Sort(to.asked)
			slices.Sort(asked)
			to.want(t, asked...)
		}
		who := &hook.ClientInfo{ClientID: "a"}
		f(who, "open", mqtt.Success, "open")
		f(who, "secret", mqtt.NotAuthorized, "secret")
		f(&hook.ClientInfo{Superuser: true}, "secret", mqtt.Success)
		f(who, "$delayed/1/open", mqtt.Success, "$delayed/1/open", "open")
		f(who, "$delayed/1/secret", mqtt.NotAuthorized, "$delayed/1/secret", "secret")
		f(who, "$delayed/7/open", mqtt.NotAuthorized, "$delayed/7/open")
		f(who, "$delayed/1/$delayed/2/secret", mqtt.NotAuthorized, "$delayed/1/$delayed/2/secret", "secret")
		f(who, "$delayed/x/secret", mqtt.NotAuthorized, "$delayed/x/secret", "secret")
		f(who, "$delayed/1", mqtt.Success, "$delayed/1")
		f(who, "$delayed/", mqtt.Success, "$delayed/")
		f(&hook.ClientInfo{Mountpoint: "m/"}, "$delayed/1/secret", mqtt.Success, "$delayed/1/secret")
	}
}

// TestMayPublishNobodyKnows: what can't be judged isn't denied, and isn't
// allowed.
func TestMayPublishNobodyKnows(t *testing.T) {
	r := newRig(t)
	r.guard(&rules{err: errors.New("broken")}, true)
	for _, name := range []string{"t", "$delayed/1/t"} {
		if code, _ := r.mayPublish(&hook.ClientInfo{}, name); code != mqtt.QuotaExceeded {
			t.Errorf("%s: %v, want %v", name, code, mqtt.QuotaExceeded)
		}
	}
}

// TestWillAndACL has wills judged when they are due, by the rights of who left
// them.
func TestWillAndACL(t *testing.T) {
	f := func(name string, to *rules, backend bool, want []string, left ...how) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.guard(to, backend)
			watch := r.connect("watch").subscribe("m/will", 0)
			to.want(t)
			r.connect("a", append(left, mounted("m/"), will("m/will", 0))...).close("closed")
			if to.slow > 0 {
				watch.wants()
				time.Sleep(to.slow)
			}
			synctest.Wait()
			watch.wants(want...)
			if len(left) == 0 {
				to.want(t, "publish will")
			} else {
				to.want(t)
			}
			r.balances()
		})
	}
	root := func(o *Opening) { o.Ask.Client.Superuser = true }
	yes, no := []string{"m/will=will of a"}, []string(nil)
	f("allowed", &rules{}, false, yes)
	f("denied", &rules{deny: []string{"will"}}, false, no)
	f("denied, of a superuser", &rules{deny: []string{"will"}}, false, yes, root)
	f("allowed by a backend", &rules{slow: time.Second}, true, yes)
	f("denied by a backend", &rules{slow: time.Second, deny: []string{"will"}}, true, no)
	f("a backend that fails", &rules{slow: time.Second, err: errors.New("broken")}, true, no)
}

// TestWillAnsweredTooLate: a broker that has stopped meanwhile publishes
// nothing.
func TestWillAnsweredTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.guard(&rules{slow: time.Second}, true)
		watch := r.connect("watch").subscribe("will", 0)
		r.connect("a", will("will", 0)).close("closed")
		r.BeginStop()
		time.Sleep(2 * time.Second)
		watch.wants()
	})
}

func TestACLCache(t *testing.T) {
	r := newRig(t)
	if r.ACLCache("a") != nil {
		t.Error("a client that isn't there has a cache")
	}
	a := r.connect("a", expiry(60))
	if a.cache = new(auth.Cache); r.ACLCache("a") != a.cache {
		t.Error("the client's cache is not that of its connection")
	}
	b := r.connect("a", expiry(60))
	if r.ACLCache("a") != b.cache {
		t.Error("the next connection has the cache of the last")
	}
	b.close("closed")
	if r.ACLCache("a") != nil {
		t.Error("a client without a connection has a cache")
	}
}

func TestRenew(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", expiry(60))
	renewed := *a.info
	renewed.Superuser = true
	a.client.Renew(r.batch, a.fakeConn, &renewed)
	if !r.Client("a").Info().Superuser {
		t.Error("the client has its old rights")
	}
	r.connect("a", expiry(60))
	a.client.Renew(r.batch, a.fakeConn, &renewed)
	if r.Client("a").Info().Superuser {
		t.Error("a connection that was superseded has given the client its rights")
	}
}
