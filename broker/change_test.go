package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestChangeIntervals: $SYS follows at once, and no timer of before is left.
func TestChangeIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cfg BrokerConfig
		r := newRig(t, func(o *Options) {
			o.Config.Broker.SysInterval, o.Config.Broker.SysHeartbeat = time.Hour, time.Minute
			cfg = o.Config.Broker
		})
		c := r.connect("c").subscribe("$SYS/brokers/dunlin@host/uptime", 0)
		beats := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := len(c.take()); got != want {
				t.Errorf("%d heartbeats in %v, want %d", got, d, want)
			}
		}
		beats(5*time.Minute+time.Second, 5)
		cfg.SysHeartbeat = 10 * time.Second
		r.Change(cfg)
		beats(61*time.Second, 6)
		r.Change(cfg) // the same: nothing begins anew
		beats(60*time.Second, 6)
		cfg.SysHeartbeat = 0
		r.Change(cfg)
		beats(time.Hour/2, 0)
		cfg.SysHeartbeat = time.Minute
		r.Change(cfg)
		beats(10*time.Minute+time.Second, 10)
	})
}

func TestChangeBoundsOfDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cfg BrokerConfig
		r := newRig(t, func(o *Options) { cfg = o.Config.Broker })
		p := r.connect("p")
		f := func(want mqtt.ReasonCode) {
			t.Helper()
			if code := p.publish("$delayed/10/a", "12345", 1); code != want {
				t.Errorf("got %v, want %v", code, want)
			}
		}
		f(mqtt.NoMatchingSubscribers)
		f(mqtt.NoMatchingSubscribers)
		cfg.MaxDelayed = 1 // two wait already, and stay
		r.Change(cfg)
		f(mqtt.QuotaExceeded)
		cfg.MaxDelayed, cfg.MaxDelayedBytes = 0, 15
		r.Change(cfg)
		f(mqtt.NoMatchingSubscribers)
		f(mqtt.QuotaExceeded)
	})
}
