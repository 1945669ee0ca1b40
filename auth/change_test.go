package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestChangeThresholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Config
		g := newRig(t, func(of *Config) { of.Flapping, of.Failures = Threshold{}, Threshold{}; c = *of })
		g.policy.EnableFlapping, g.policy.EnableBan = true, true
		for range 10 {
			g.come(client("a"), mqtt.Success)
		}
		c.Flapping = Threshold{2, time.Minute, time.Hour}
		g.Change(c)
		g.come(client("a"), mqtt.Success)
		g.come(client("a"), mqtt.Success)
		g.admit(client("a"), mqtt.Banned)

		who := client("b")
		fail := func() { g.CountExchange(who, mqtt.NotAuthorized) }
		for range 5 {
			fail()
		}
		g.admit(who, mqtt.Success)
		c.Failures = Threshold{2, time.Minute, 3 * time.Hour}
		g.Change(c)
		fail()
		fail()
		g.admit(who, mqtt.ConnectionRateExceeded)
		time.Sleep(2 * time.Hour) // it is remembered as long as it has to be
		g.admit(who, mqtt.ConnectionRateExceeded)
		c.Failures = Threshold{}
		g.Change(c)
		g.admit(who, mqtt.Success)
	})
}

// TestChangeForgets: what backends said under another configuration isn't good
// any more, and the orders stay what they were at the start.
func TestChangeForgets(t *testing.T) {
	var c Config
	g := newRig(t, func(of *Config) { of.AuthOrder = []string{"http"}; c = *of })
	before := g.Drained()
	c.AuthOrder, c.AuthCacheMaxSize = []string{"ldap"}, 7
	c.ACLCacheTTL = 10 * time.Second
	g.Change(c)
	if g.Drained() <= before {
		t.Error("answers are kept")
	}
	if now := g.config.Load(); now.AuthOrder[0] != "http" || now.AuthCacheMaxSize == 7 {
		t.Errorf("%+v", now)
	}
	if got := g.Remember(); got != time.Second {
		t.Errorf("a publish is remembered for %v", got)
	}
	c.ACLCacheTTL = time.Second
	g.Change(c)
	if got := g.Remember(); got != time.Second/2 {
		t.Errorf("a publish is remembered for %v", got)
	}
}
