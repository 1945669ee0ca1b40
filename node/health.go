package node

import (
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/host"
	"github.com/dunlin-mq/dunlin/server"
)

// health is for the management API.
func (n *Node) health() api.Health {
	now := condition{dataDir: n.Config.Node.DataDir, listeners: n.Server.Listeners(), alarms: n.Alarms.Active(), evacuation: n.Server.Evacuation()}
	now.look(n.started)
	return api.Health{Warnings: append(n.Warnings(), now.troubles()...), Backends: n.backends()}
}

// condition is how the node and its machine are at one moment. What can't be
// found out is zero.
type condition struct {
	dataDir    string
	listeners  []server.ListenerStatus
	alarms     []alarm.Alarm
	evacuation server.EvacuationStatus
	disk       host.FileSystem
	open       uint64 // files, with connections
	most       uint64 // of them that there may be
	clock      time.Time
	stepped    time.Duration // how far the clock was set since the start
}

// look finds out about the machine; started is when the node did.
func (c *condition) look(started time.Time) {
	c.disk, _ = host.ReadFileSystem(c.dataDir) // only Linux tells
	c.open, c.most, _ = host.ReadFiles()
	c.clock = time.Now()
	c.stepped = c.clock.Round(0).Sub(started.Round(0)) - c.clock.Sub(started) // by the clock on the wall, and by the other
}

// Where troubles begin.
const (
	leastDisk  = 5       // percent of the file system
	enoughDisk = 1 << 30 // bytes that do, however large it is
	leastFiles = 1024    // where EMQ X warns too
	mostFiles  = 80      // percent
	mostStep   = time.Minute
	firstYear  = 2024 // before it there was nothing of this program
)

// troubles are what is wrong, and what to do, a sentence each.
func (c *condition) troubles() (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, l := range c.listeners {
		if id := "mqtt:" + l.Protocol + ":" + l.Name; !l.Running {
			add("listener %s is stopped, nobody can connect there. To open it: dunlin ctl listeners restart %[1]s", id)
		}
	}
	if e := &c.evacuation; e.State != server.NoEvacuation {
		add("the node is being evacuated, %d of %d clients are still connected: %s. To let clients in again: dunlin ctl cluster evacuate stop",
			e.Connected, e.InitialConnected, e.State)
	}
	for i := range c.alarms {
		a := &c.alarms[i]
		add("alarm %s since %s: %s. What it means: docs/alarms.md", a.Name, a.ActivateAt.Format(time.DateTime), a.Message)
	}
	if d := c.disk; d.Total > 0 && d.Available < enoughDisk && d.Available*100 < d.Total*leastDisk {
		add("the file system of %s has only %d MB of %d MB left: without any, accounts, bans and logs can't be written. Make room, or move node.data_dir",
			c.dataDir, d.Available>>20, d.Total>>20)
	}
	switch {
	case c.most > 0 && c.open*100 >= c.most*mostFiles:
		add("%d of %d file descriptors are in use; without one nobody can connect. Raise the limit: ulimit -n, or LimitNOFILE of systemd", c.open, c.most)
	case c.most > 0 && c.most < leastFiles:
		add("the process may have %d file descriptors only, which is one for each connection. Raise the limit: ulimit -n, or LimitNOFILE of systemd", c.most)
	}
	switch {
	case c.clock.Year() < firstYear:
		add("the clock says %s: certificates, tokens and expiry are judged by it. Set it, best by NTP", c.clock.Format(time.DateTime))
	case c.stepped.Abs() > mostStep:
		add("the clock was set by %v since the node started, or the machine slept: what expires by the clock did so early or late. Check NTP",
			c.stepped.Round(time.Second))
	}
	return all
}
