package auth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// in a test's notation: + allows, - denies, . ignores, ! fails; behind a backend
// if @ is before it, one whose on_error is ignore if ~ is.
func parseProvider(name, text string) (Provider, *fake) {
	f := &fake{name: name}
	switch text[len(text)-1] {
	case '+':
		f = says(name, Answer{Verdict: Allow}, nil)
	case '-':
		f = says(name, Answer{Verdict: Deny}, nil)
	case '.':
		f = says(name, Answer{}, nil)
	case '!':
		f = says(name, Answer{}, errors.New("failed"))
	}
	switch text[0] {
	case '@':
		return behind(f, Backend{Pool: 1, Timeout: time.Second, OnError: "deny"}), f
	case '~':
		return behind(f, Backend{Pool: 1, Timeout: time.Second, OnError: "ignore"}), f
	}
	return inMemory(f), f
}

func TestChain(t *testing.T) {
	const no, down = mqtt.NotAuthorized, mqtt.ServerUnavailable
	run := func(chain string, start Anonymous, code mqtt.ReasonCode, by string) {
		t.Helper()
		bubble(t, chain, func(t *testing.T) {
			g := newRig(t, nil)
			g.policy.AllowAnonymous = start
			for i, text := range strings.Fields(chain) {
				p, _ := parseProvider(fmt.Sprint("p", i), text)
				g.Use(p)
			}
			o := g.login("c", "p")
			if o.Code != code || o.By != by || o.Anonymous != (by == "" && code == mqtt.Success) {
				t.Errorf("%s: %+v, want %v by %q", chain, o, code, by)
			}
		})
	}
	run("", AnonymousAllowed, 0, "")
	run("", AnonymousRefused, no, "")
	run("", AnonymousQuickDeny, no, "")
	run(".", AnonymousAllowed, 0, "") // a user that nobody knows
	run(".", AnonymousRefused, no, "")
	run("+", AnonymousRefused, 0, "p0")
	run("-", AnonymousAllowed, no, "p0")
	run(". +", AnonymousRefused, 0, "p1")
	run("- +", AnonymousAllowed, no, "p0")
	run("+ -", AnonymousAllowed, 0, "p0")
	run("!", AnonymousAllowed, down, "p0") // not open, as in EMQ X
	run("@+", AnonymousQuickDeny, 0, "p0")
	run("@. @+", AnonymousRefused, 0, "p1")
	run("@. - @+", AnonymousAllowed, no, "p1")
	run("@! +", AnonymousAllowed, down, "p0")
	run("~! +", AnonymousAllowed, 0, "p1")
	run("~!", AnonymousAllowed, 0, "")
	run("~! @.", AnonymousRefused, no, "")
}

func TestStartOfTheChain(t *testing.T) {
	now := func(what string, p Policy, username string, code mqtt.ReasonCode, calls int) {
		t.Helper()
		g := newRig(t, nil)
		f := says("jwt", Answer{Verdict: Deny, Code: mqtt.BadUserNameOrPassword}, nil)
		g.Use(inMemory(f))
		o, decided := g.Authenticate(&p, &Request{Client: &Client{ClientID: "c", Username: username}})
		if !decided || o.Code != code {
			t.Errorf("%s: %+v, %v, want %v", what, o, decided, code)
		}
		f.called(t, calls)
	}
	anonymous := func(a Anonymous, bypass bool) Policy {
		return Policy{Access: Access{AllowAnonymous: a}, BypassPlugins: bypass}
	}
	now("asked", anonymous(AnonymousAllowed, false), "u", mqtt.BadUserNameOrPassword, 1)
	now("bypassed", anonymous(AnonymousAllowed, true), "u", mqtt.Success, 0)
	now("bypassed and refused", anonymous(AnonymousRefused, true), "u", mqtt.NotAuthorized, 0)
	now("quick deny", anonymous(AnonymousQuickDeny, false), "", mqtt.NotAuthorized, 0)
	now("quick deny of a name", anonymous(AnonymousQuickDeny, false), "u", mqtt.BadUserNameOrPassword, 1)
}

func TestOutcomeHasTheWholeAnswer(t *testing.T) {
	g := newRig(t, nil)
	want := Answer{Verdict: Allow, Superuser: true, Mountpoint: "m/", Rights: 7, Expires: time.Unix(99, 0)}
	g.Use(inMemory(says("jwt", want, nil)))
	if o := g.login("c", ""); o.Answer != want || o.By != "jwt" {
		t.Errorf("%+v", o)
	}
}

func TestOrder(t *testing.T) {
	order := func(auth, acl []string, want, wantACL string) {
		t.Helper()
		g := newRig(t, func(c *Config) { c.AuthOrder, c.ACLOrder = auth, acl })
		file := inMemory(says("file", Answer{}, nil))
		file.Last = true
		g.Use(file)
		for _, name := range []string{"http", "mysql", "mongo"} {
			g.Use(inMemory(says(name, Answer{}, nil)))
		}
		names := func(links []*link) (s string) {
			for _, l := range links {
				s += l.Name + " "
			}
			return strings.TrimSpace(s)
		}
		if got := names(g.chains.Load().authn); got != want {
			t.Errorf("auth_order %v: %s, want %s", auth, got, want)
		}
		if got := names(g.chains.Load().authz); got != wantACL {
			t.Errorf("acl_order %v: %s, want %s", acl, got, wantACL)
		}
	}
	given := "http mysql mongo file"
	order(nil, nil, given, given)
	order([]string{"none"}, []string{"none"}, given, given)
	order([]string{"mysql"}, []string{"mongodb", "http"}, "mysql http mongo file", "mongo http mysql file")
	order([]string{"redis", "mongo"}, []string{"internal", "mysql"}, "mongo http mysql file", "file mysql http mongo")
}

func TestTwoProvidersOfOneName(t *testing.T) {
	g := newRig(t, nil)
	f := says("mnesia", Answer{Verdict: Allow}, nil)
	pair := []Provider{{Name: "mnesia", Authenticator: f}, {Name: "mnesia", Authorizer: f}}
	for range 2 {
		g.Use(pair...)
		if now := g.chains.Load(); len(now.authn) != 1 || len(now.authz) != 1 {
			t.Fatalf("%d and %d", len(now.authn), len(now.authz))
		}
	}
	if !g.Remove("mnesia") || len(g.links) != 0 {
		t.Error("not removed")
	}
}

func TestProviderInMemoryIsClosedOnceUnused(t *testing.T) {
	g := newRig(t, nil)
	inCall, goOn, closed := make(chan bool), make(chan bool), make(chan bool)
	p := inMemory(&fake{name: "jwt", answer: func(context.Context, *Request) (Answer, error) {
		inCall <- true
		<-goOn
		return Answer{Verdict: Allow}, nil
	}})
	p.Close = func() { close(closed) }
	g.Use(p)
	old := g.chains.Load().authn[0]
	outcome := make(chan Outcome)
	go func() { outcome <- g.login("a", "p") }()
	<-inCall
	go g.Remove("jwt")
	select {
	case <-closed:
		t.Error("closed during a call")
	case <-time.After(10 * time.Millisecond):
	}
	goOn <- true
	if o := <-outcome; o.Code != mqtt.Success {
		t.Error(o)
	}
	<-closed
	if _, err := old.answer(false, &Request{Client: client("b")}); err == nil {
		t.Error("called after Close")
	}
}

func TestACL(t *testing.T) {
	const no, busy = mqtt.NotAuthorized, mqtt.QuotaExceeded
	run := func(chain, nomatch string, code mqtt.ReasonCode, atOnce, kept bool) {
		t.Helper()
		bubble(t, chain, func(t *testing.T) {
			g := newRig(t, nil)
			g.policy.ACLNomatch = nomatch
			for i, text := range strings.Fields(chain) {
				p, _ := parseProvider(fmt.Sprint("p", i), text)
				g.Use(p)
			}
			time.Sleep(time.Nanosecond) // later than the drain by Use
			var cache Cache
			got, now := g.ask(client("c"), &cache, Publish, "t")
			if got != code || now != atOnce {
				t.Errorf("%s: %v at once=%v, want %v at once=%v", chain, got, now, code, atOnce)
			}
			if entries := cache.Entries(); (len(entries) == 1) != kept || kept && entries[0].Allow != (code == 0) {
				t.Errorf("%s: kept %+v", chain, entries)
			}
			if kept {
				if got, now = g.ask(client("c"), &cache, Publish, "t"); got != code || !now {
					t.Errorf("%s: from the cache %v, %v", chain, got, now)
				}
				g.count("client.acl.cache_hit", 1)
			}
		})
	}
	run("", "allow", 0, true, false)
	run("", "deny", no, true, false)
	run(". +", "deny", 0, true, false)
	run("- +", "allow", no, true, false)
	run("!", "allow", busy, true, false)
	run("@+", "deny", 0, false, true)
	run("@-", "allow", no, false, true)
	run("@.", "allow", 0, false, true)
	run("@. -", "allow", no, false, true)
	run("+ @-", "allow", 0, true, false)
	run("@!", "allow", busy, false, false)
	run("~!", "allow", 0, false, false)
	run("~! -", "allow", no, false, false)
	run("~! @+", "deny", 0, false, false)
}

func TestACLIsNotAsked(t *testing.T) {
	g := newRig(t, nil)
	f := says("file", Answer{Verdict: Deny}, nil)
	g.Use(inMemory(f))
	super := client("c")
	super.Superuser = true
	off := Policy{}
	for _, c := range []struct {
		p   *Policy
		who *Client
	}{{&off, client("c")}, {&g.policy, super}} {
		if code, decided := g.Authorize(c.p, c.who, new(Cache), Subscribe, "#"); code != mqtt.Success || !decided {
			t.Error(code, decided)
		}
	}
	f.called(t, 0)
	g.count("client.check_acl", 0)
	g.count("client.acl.allow", 0)
}

func TestCountsOfAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.policy.ACLNomatch = "allow"
		ignores, _ := parseProvider("file", ".")
		asked, _ := parseProvider("mysql", "@.")
		g.Use(ignores, asked)
		time.Sleep(time.Nanosecond)
		var cache Cache
		g.ask(client("c"), &cache, Publish, "t")
		g.ask(client("c"), &cache, Publish, "t")
		g.login("c", "p")
		for name, want := range map[string]int64{
			"client.check_acl": 1, "client.acl.allow": 2, "client.acl.ignore": 1, "client.acl.cache_hit": 1,
			"acl.file.ignore": 1, "acl.mysql.ignore": 1, "auth.file.ignore": 1, "auth.mysql.ignore": 1,
			"client.authenticate": 1, "client.auth.failure": 1, "client.auth.success": 0,
		} {
			g.count(name, want)
		}
	})
}

func TestNoCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.EnableACLCache = false })
		p, f := parseProvider("http", "@+")
		g.Use(p)
		var cache Cache
		for range 3 {
			g.ask(client("c"), &cache, Publish, "t")
		}
		f.called(t, 3)
	})
}

// evaluate says the same as the chains, as slowly and as plainly as the
// reference does.
func evaluate(chain []string, start mqtt.ReasonCode, failed mqtt.ReasonCode) mqtt.ReasonCode {
	for _, p := range chain {
		switch p[len(p)-1] {
		case '+':
			return mqtt.Success
		case '-':
			return mqtt.NotAuthorized
		case '!':
			if p[0] != '~' {
				return failed
			}
		}
	}
	return start
}

func TestChainAgainstTheReference(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { againstTheReference(t, rand.New(rand.NewPCG(seed, 1))) })
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

// againstTheReference changes the chains again and again, with other providers
// of few names, and asks.
func againstTheReference(t *testing.T, rnd *rand.Rand) {
	g := newRig(t, func(c *Config) { c.AuthCacheTTL, c.AuthCacheNegativeTTL = time.Second, time.Second })
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	now := map[string]string{}
	var order []string // of names, as they were given
	for range 30 {
		name := pick("http", "mysql", "redis", "jwt")
		order = slices.DeleteFunc(order, func(s string) bool { return s == name })
		delete(now, name)
		if rnd.IntN(4) == 0 {
			g.Remove(name)
		} else {
			text := pick("", "@", "~") + pick("+", "-", ".", ".", "!")
			p, _ := parseProvider(name, text)
			g.Use(p)
			now[name], order = text, append(order, name)
		}
		var chain []string
		for _, name := range order {
			chain = append(chain, now[name])
		}
		g.policy.AllowAnonymous = Anonymous(pick("true", "false"))
		g.policy.ACLNomatch = pick("allow", "deny")
		start := func(allow bool) mqtt.ReasonCode {
			if allow {
				return mqtt.Success
			}
			return mqtt.NotAuthorized
		}
		want := evaluate(chain, start(g.policy.AllowAnonymous == AnonymousAllowed), mqtt.ServerUnavailable)
		wantACL := evaluate(chain, start(g.policy.ACLNomatch == "allow"), mqtt.QuotaExceeded)
		time.Sleep(time.Nanosecond)
		var cache Cache
		for range 1 + rnd.IntN(8) {
			if o := g.login("c", "p"); o.Code != want {
				t.Fatalf("%v: %v, want %v", chain, o.Code, want)
			}
			if code, _ := g.ask(client("c"), &cache, Subscribe, "t/#"); code != wantACL {
				t.Fatalf("%v: ACL %v, want %v", chain, code, wantACL)
			}
			time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
		}
	}
}

func TestProviderReplacedBehindOneThatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.Use(behind(slow("http", time.Second, Ignore), deny), behind(says("mysql", Answer{Verdict: Deny}, nil), deny))
		done := g.begin("a", "p")
		time.Sleep(time.Millisecond)
		g.Use(behind(slow("mysql", time.Second, Allow), deny))
		if o := <-done; o.Code != mqtt.Success || o.By != "mysql" {
			t.Errorf("%+v", o)
		}
	})
}

// Nobody is refused because the operator reloads something.
func TestReplacingUnderLoad(t *testing.T) {
	g := newRig(t, nil)
	provider := func(name string) Provider {
		p := inMemory(says(name, Answer{Verdict: Allow}, nil))
		p.Close = func() {}
		return p
	}
	g.Use(provider("jwt"))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 2000 {
				if code, decided := g.Authorize(&g.policy, client("a"), new(Cache), Publish, "t"); code != mqtt.Success || !decided {
					t.Error(code, decided)
				}
				if o, decided := g.Authenticate(&g.policy, &Request{Client: client("a")}); o.Code != mqtt.Success || !decided {
					t.Error(o, decided)
				}
			}
		})
	}
	for range 200 {
		g.Use(provider("jwt"))
	}
	wg.Wait()
}

func TestMechanisms(t *testing.T) {
	g := newRig(t, nil)
	m := mechanism{}
	g.UseMechanism("SCRAM-SHA-256", m)
	if g.Mechanism("SCRAM-SHA-256") != m || g.Mechanism("PLAIN") != nil {
		t.Error("not the one that was offered")
	}
	g.UseMechanism("SCRAM-SHA-256", nil)
	if g.Mechanism("SCRAM-SHA-256") != nil {
		t.Error("still there")
	}
}

type mechanism struct{}

func (mechanism) Begin(*Client) Exchange { return nil }
