package auth

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

func (g *rig) admit(who *Client, want mqtt.ReasonCode) {
	g.t.Helper()
	if code := g.Admit(&g.policy, who); code != want {
		g.t.Errorf("%s is told %v, want %v", who.ClientID, code, want)
	}
}

// come is admit and, if that succeeds, all that follows.
func (g *rig) come(who *Client, want mqtt.ReasonCode) {
	g.t.Helper()
	if g.admit(who, want); want == mqtt.Success {
		g.Accepted(&g.policy, who)
	}
}

func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Flapping = Threshold{3, time.Minute, 5 * time.Minute} })
		g.policy.EnableFlapping = true
		start := time.Now().Round(0).UTC()
		g.come(client("a"), mqtt.Success)
		g.come(client("a"), mqtt.Success)
		g.come(client("b"), mqtt.Success)
		for range 10 { // refused later on
			g.admit(client("b"), mqtt.Success)
		}
		g.come(client("a"), mqtt.Success) // found with this one, banned from the next on
		want := Ban{
			Kind: BanClientID, Who: "a", By: "flapping detector", Reason: "flapping is detected",
			At: start, Until: start.Add(5 * time.Minute),
		}
		all := g.Bans().All()
		for i := range all { // from memory, or already as they are kept: in another zone and without a monotonic clock
			all[i].At, all[i].Until = all[i].At.Round(0).UTC(), all[i].Until.Round(0).UTC()
		}
		if len(all) != 1 || all[0] != want {
			t.Errorf("%+v, want %+v", all, want)
		}
		g.come(client("a"), mqtt.Banned)
		g.come(client("b"), mqtt.Success)
		time.Sleep(5*time.Minute - 1)
		g.come(client("a"), mqtt.Banned)
		time.Sleep(time.Nanosecond)
		g.come(client("a"), mqtt.Success)
		g.count("auth.flapping", 1)
		g.count("auth.refused.banned", 2)
	})
}

func TestRestrict(t *testing.T) {
	g := newRig(t, nil)
	admits := func(p *Policy, id string, want mqtt.ReasonCode) {
		t.Helper()
		if code := g.Admit(p, &Client{ClientID: id}); code != want {
			t.Errorf("%s: %v, want %v", id, code, want)
		}
	}
	admits(&Policy{}, "anybody", mqtt.Success)
	g.Restrict(func(id string) bool { return id == "listed" })
	admits(&Policy{}, "listed", mqtt.Success)
	admits(&Policy{}, "anybody", mqtt.ClientIdentifierNotValid)
	admits(&Policy{BypassPlugins: true}, "anybody", mqtt.Success)
}

func TestFlappingWindowStartsWithTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Flapping = Threshold{3, time.Minute, time.Hour} })
		g.policy.EnableFlapping = true
		for range 20 { // two in each minute
			g.come(client("a"), mqtt.Success)
			time.Sleep(30 * time.Second)
		}
		g.count("auth.flapping", 0)
	})
}

func TestFlappingByZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.policy.EnableFlapping = true
		g.policy.FlappingThreshold = config.Rate{Limit: 2, Window: time.Second, Burst: 2}
		g.policy.FlappingBan = time.Hour
		g.come(client("a"), mqtt.Success)
		g.come(client("a"), mqtt.Success)
		g.come(client("a"), mqtt.Banned)
		if b := g.Bans().All()[0]; b.Until.Sub(b.At) != time.Hour {
			t.Errorf("%+v", b)
		}
	})
}

// TestFlappingKeepsNoIDs: what strangers send is counted, and not kept.
func TestFlappingKeepsNoIDs(t *testing.T) {
	g := newRig(t, nil)
	g.policy.EnableFlapping = true
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 500 {
		g.come(client(strings.Repeat("x", 60_000)+strconv.Itoa(i)), mqtt.Success)
	}
	if after := heap(); after > before+5<<20 {
		t.Errorf("%d ids of 60 kB keep %d kB", 500, (after-before)>>10)
	}
}

func TestFlappingOff(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Flapping = Threshold{1, time.Minute, time.Minute} })
	g.come(client("a"), mqtt.Success)
	g.count("auth.flapping", 0)
	g.policy.EnableFlapping, g.policy.EnableBan = true, false
	g.come(client("a"), mqtt.Success)
	g.come(client("a"), mqtt.Success) // as in EMQ X the ban bites with enable_ban only
	g.count("auth.flapping", 2)
}

func TestFailuresBlockAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Failures = Threshold{3, time.Minute, 10 * time.Minute} })
		f := says("jwt", Answer{Verdict: Deny}, nil)
		g.Use(inMemory(f))
		for range 2 {
			g.login("a", "guess")
		}
		g.admit(client("b"), mqtt.Success)
		g.CountExchange(client("a"), mqtt.NotAuthorized) // counts with them
		f.called(t, 2)
		g.admit(client("b"), mqtt.ConnectionRateExceeded) // the same address
		other := client("a")
		other.Peer = netip.MustParseAddrPort("127.0.0.1:1")
		g.admit(other, mqtt.Success)
		time.Sleep(10*time.Minute - 1)
		g.admit(client("b"), mqtt.ConnectionRateExceeded)
		time.Sleep(time.Nanosecond)
		g.admit(client("b"), mqtt.Success)
		g.count("auth.refused.failures", 2)
	})
}

// TestGuessesAtOnce: those that were admitted before the limit was reached learn
// nothing after it.
func TestGuessesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Failures = Threshold{3, time.Minute, time.Minute} })
		f := &fake{name: "http", answer: func(_ context.Context, r *Request) (Answer, error) {
			time.Sleep(time.Millisecond) // until all five have begun
			if string(r.Password) == "right" {
				return Answer{Verdict: Allow, Superuser: true}, nil
			}
			return Answer{Verdict: Deny}, nil
		}}
		g.Use(behind(f, Backend{Pool: 1, Timeout: time.Second}))
		var answers []<-chan Outcome
		for _, password := range []string{"a", "b", "c", "d", "right"} {
			g.admit(client("a"), mqtt.Success)
			answers = append(answers, g.begin("a", password))
		}
		for i, want := range []mqtt.ReasonCode{mqtt.NotAuthorized, mqtt.NotAuthorized, mqtt.NotAuthorized, mqtt.ConnectionRateExceeded, mqtt.ConnectionRateExceeded} {
			if o := <-answers[i]; o.Code != want || o.Superuser {
				t.Errorf("guess %d: %+v, want %v", i, o, want)
			}
		}
		if code := g.CountExchange(client("a"), mqtt.Success); code != mqtt.ConnectionRateExceeded {
			t.Errorf("an exchange that has proved a name ends with %v", code)
		}
		time.Sleep(time.Minute)
		if o := g.login("a", "right"); o.Code != mqtt.Success {
			t.Errorf("%v when the time is over", o.Code)
		}
		g.count("client.auth.failure", 6)
	})
}

func TestWhatIsNoFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, text := range []string{"+", "!", "@!", "~!"} {
			g := newRig(t, func(c *Config) { c.Failures = Threshold{1, time.Minute, time.Minute} })
			p, _ := parseProvider("http", text)
			g.Use(p)
			g.login("a", "p")
			g.admit(client("a"), mqtt.Success)
		}
		g := newRig(t, nil) // no limit
		for range 1000 {
			g.login("a", "p")
		}
		g.admit(client("a"), mqtt.Success)
	})
}

func TestFailuresOfIPv6CountByNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.Failures = Threshold{3, time.Minute, time.Minute} })
		from := func(addr string) *Client {
			return &Client{ClientID: "x", Peer: netip.AddrPortFrom(netip.MustParseAddr(addr), 1)}
		}
		for i := range 3 {
			g.CountExchange(from(fmt.Sprintf("2001:db8::%d", i)), mqtt.NotAuthorized)
		}
		g.admit(from("2001:db8::ffff"), mqtt.ConnectionRateExceeded)
		g.admit(from("2001:db8:0:1::1"), mqtt.Success)
		g.CountExchange(from("::ffff:10.0.0.1"), mqtt.NotAuthorized)
		g.CountExchange(from("10.0.0.1"), mqtt.NotAuthorized)
		g.CountExchange(from("10.0.0.1"), mqtt.NotAuthorized)
		g.admit(from("::ffff:10.0.0.1"), mqtt.ConnectionRateExceeded)
	})
}

func TestTallyIsBounded(t *testing.T) {
	tally := newTally[int](100)
	at := Threshold{2, time.Hour, 0}
	for i := range 10_000 {
		tally.count(time.Duration(i), i, at)
	}
	if n := len(tally.spans.young) + len(tally.spans.old); n > 100 {
		t.Errorf("%d are remembered", n)
	}
	if !tally.count(10_000, 9_999, at) {
		t.Error("the latest is forgotten")
	}
	tally.sweep(3 * time.Hour)
	if len(tally.spans.young)+len(tally.spans.old) != 0 {
		t.Error("what is over is remembered")
	}
}

func TestRecentKeepsLongEnough(t *testing.T) {
	r := recent[int, int]{keep: 10, limit: 1000}
	put := map[int]time.Duration{}
	for now := time.Duration(0); now < 500; now++ {
		if k := int(now*7) % 60; now%3 == 0 {
			r.put(now, k, int(now))
			put[k] = now
		}
		for k, at := range put {
			v, ok := r.get(now, k)
			if now-at < 10 && (!ok || v != int(at)) {
				t.Fatalf("%d, put at %d, is %v %v at %d", k, at, v, ok, now)
			}
			if now-at > 30 && ok {
				t.Fatalf("%d, put at %d, is still there at %d", k, at, now)
			}
		}
	}
}

func TestSweepEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.policy.EnableFlapping = true
		p, _ := parseProvider("http", "@+")
		g.Use(p)
		g.login("a", "p")
		g.come(client("a"), mqtt.Success)
		if err := g.Bans().Add(Ban{Kind: BanUsername, Who: "u", Until: time.Now().Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3*sweepEvery + 1)
		synctest.Wait()
		b := g.chains.Load().authn[0].backend
		spans := &g.gates.flapping.spans
		if n := len(b.answers.young) + len(b.answers.old) + len(spans.young) + len(spans.old) + len(g.bans.names); n != 0 {
			t.Errorf("%d things that are over are still there", n)
		}
	})
}
