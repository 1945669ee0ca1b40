package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/host"
	"github.com/dunlin-mq/dunlin/server"
)

func TestTroubles(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	f := func(change func(*condition), want ...string) {
		t.Helper()
		c := condition{dataDir: "data", clock: noon, open: 20, most: 1 << 20, disk: host.FileSystem{Total: 100 << 30, Available: 50 << 30}}
		change(&c)
		got := c.troubles()
		ok := len(got) == len(want)
		for i := range min(len(got), len(want)) {
			ok = ok && strings.HasPrefix(got[i], want[i])
		}
		if !ok {
			t.Errorf("got %q, want sentences that begin with %q", got, want)
		}
	}
	f(func(*condition) {})
	f(func(c *condition) { *c = condition{clock: noon} }) // nothing can be found out
	f(func(c *condition) {
		c.listeners = []server.ListenerStatus{{Protocol: "tcp", Name: "a", Running: true}, {Protocol: "ssl", Name: "b"}}
	}, "listener mqtt:ssl:b is stopped")
	f(func(c *condition) {
		c.alarms = []alarm.Alarm{{Name: alarm.HighCPU, Message: "85% cpu usage", ActivateAt: noon}}
	}, "alarm high_cpu_usage since 2026-11-23 12:00:00: 85% cpu usage.")
	f(func(c *condition) { c.disk.Available = 500 << 20 }, "the file system of data has only 500 MB of 102400 MB left")
	f(func(c *condition) { c.disk.Available = 2 << 30 })                                     // 2 %, but enough
	f(func(c *condition) { c.disk = host.FileSystem{Total: 1 << 30, Available: 500 << 20} }) // small, but half empty
	f(func(c *condition) { c.open = 838_861 }, "838861 of 1048576 file descriptors are in use")
	f(func(c *condition) { c.open = 1 << 19 })
	f(func(c *condition) { c.most = 1023 }, "the process may have 1023 file descriptors only")
	f(func(c *condition) { c.open, c.most = 1000, 1023 }, "1000 of 1023 file descriptors are in use")
	f(func(c *condition) { c.clock = time.Unix(0, 0) }, "the clock says 19")
	f(func(c *condition) { c.stepped = -time.Hour }, "the clock was set by -1h0m0s")
	f(func(c *condition) { c.stepped = time.Minute })
	f(func(c *condition) {
		c.most, c.stepped, c.disk.Available = 256, time.Hour, 0
	}, "the file system", "the process may have", "the clock was set by 1h0m0s")
}

// TestHealth of a node: a listener that is stopped is told of, and no more.
func TestHealth(t *testing.T) {
	n, err := Start(configured(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	stopped := func() bool {
		return slices.ContainsFunc(n.health().Warnings, func(s string) bool { return strings.Contains(s, " is stopped") })
	}
	l := n.Server.Listeners()[0]
	if stopped() {
		t.Errorf("%v", n.health())
	}
	if err := n.Server.StopListener(l.Protocol, l.Name); err != nil {
		t.Fatal(err)
	}
	if !stopped() {
		t.Errorf("nothing is said of the listener: %v", n.health())
	}
	var now condition
	if now.look(n.started); now.clock.IsZero() || now.stepped.Abs() > time.Hour {
		t.Errorf("%+v", now)
	}
}
