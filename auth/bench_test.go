package auth

import (
	"context"
	"fmt"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// bench is a Control and a client with an ACL.
func bench(b *testing.B, ps ...Provider) (*Control, *Policy, *Client) {
	var o Options
	o.Config.SetDefaults()
	c := New(o)
	b.Cleanup(c.Close)
	c.Use(ps...)
	p := &Policy{EnableACL: true}
	p.SetDefaults()
	b.ReportAllocs()
	return c, p, client("c")
}

func BenchmarkAuthorizeOff(b *testing.B) {
	c, _, who := bench(b)
	p := new(Policy)
	for b.Loop() {
		c.Authorize(p, who, nil, Publish, "site/1/device/2/state")
	}
}

func BenchmarkAuthorizeNobody(b *testing.B) {
	c, p, who := bench(b)
	for b.Loop() {
		c.Authorize(p, who, nil, Publish, "site/1/device/2/state")
	}
}

// rule is an authorizer in memory with one rule.
type rule struct{ pattern Pattern }

func (r rule) Authorize(_ context.Context, q *Request) (Answer, error) {
	if r.pattern.Match(q.Client, q.Topic) {
		return Answer{Verdict: Allow}, nil
	}
	return Answer{}, nil
}

func BenchmarkAuthorizeRule(b *testing.B) {
	pattern, err := NewPattern("site/+/device/#")
	if err != nil {
		b.Fatal(err)
	}
	c, p, who := bench(b, Provider{Name: "file", Authorizer: rule{pattern}})
	for b.Loop() {
		if code, _ := c.Authorize(p, who, nil, Publish, "site/1/device/2/state"); code != mqtt.Success {
			b.Fatal(code)
		}
	}
}

func BenchmarkAuthorizeCached(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c, p, who := bench(b, behind(says("mysql", Answer{Verdict: Allow}, nil), deny))
			var cache Cache
			topics := make([]string, n)
			for i := range topics {
				topics[i] = fmt.Sprintf("site/1/device/%d/state", i)
				done := make(chan mqtt.ReasonCode)
				c.AuthorizeLater(p, &Request{Client: who, Topic: topics[i]}, &cache, func(code mqtt.ReasonCode) { done <- code })
				<-done
			}
			i := 0
			for b.Loop() {
				if code, decided := c.Authorize(p, who, &cache, Publish, topics[i]); code != mqtt.Success || !decided {
					b.Fatal(code, decided)
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

func BenchmarkAuthenticateInMemory(b *testing.B) {
	c, p, who := bench(b, inMemory(says("jwt", Answer{Verdict: Allow}, nil)))
	r := &Request{Client: who, Password: []byte("secret")}
	for b.Loop() {
		if o, _ := c.Authenticate(p, r); o.Code != mqtt.Success {
			b.Fatal(o)
		}
	}
}

func BenchmarkAuthenticateCached(b *testing.B) {
	c, p, who := bench(b, behind(says("http", Answer{Verdict: Allow}, nil), deny))
	c.config.Load().AuthCacheTTL = 1 << 60
	r := &Request{Client: who, Password: []byte("secret")}
	done := make(chan bool)
	c.AuthenticateLater(p, r, func(Outcome) { done <- true })
	<-done
	for b.Loop() {
		if o, decided := c.Authenticate(p, r); o.Code != mqtt.Success || !decided {
			b.Fatal(o)
		}
	}
}

// BenchmarkAuthenticateBackend is what it costs to have a backend asked, the
// backend itself not counted.
func BenchmarkAuthenticateBackend(b *testing.B) {
	c, p, who := bench(b, behind(says("http", Answer{Verdict: Allow}, nil), deny))
	c.config.Load().AuthCacheTTL = 0
	r := &Request{Client: who, Password: []byte("secret")}
	done := make(chan bool)
	for b.Loop() {
		if _, decided := c.Authenticate(p, r); decided {
			b.Fatal("decided")
		}
		c.AuthenticateLater(p, r, func(Outcome) { done <- true })
		<-done
	}
}

func BenchmarkAdmit(b *testing.B) {
	c, p, who := bench(b)
	p.EnableBan, p.EnableFlapping = true, true
	p.FlappingThreshold.Limit, p.FlappingThreshold.Window = 1<<31, 1<<60
	for b.Loop() {
		c.Admit(p, who)
	}
}

// TestHotPathDoesNotAllocate holds Authorize to nothing on the heap.
func TestHotPathDoesNotAllocate(t *testing.T) {
	g := newRig(t, nil)
	pattern, err := NewPattern("t/#")
	if err != nil {
		t.Fatal(err)
	}
	who := client("c")
	var cache Cache
	free := func(what string) {
		t.Helper()
		if n := testing.AllocsPerRun(200, func() {
			if _, decided := g.Authorize(&g.policy, who, &cache, Publish, "t/1"); !decided {
				t.Error("not decided")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	free("no provider")
	g.Use(Provider{Name: "file", Authorizer: rule{pattern}})
	free("a rule in memory")
	g.Remove("file")
	p, _ := parseProvider("mysql", "@+")
	g.Use(p)
	g.ask(who, &cache, Publish, "t/1")
	free("the cache")
}
