package engine

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// logTail keeps the last lines that a node logged, to be shown when its test
// fails: few, as whoever reads the failure has three nodes to look at.
type logTail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 10

func newLogTail() (*logTail, *slog.Logger) {
	l := new(logTail)
	return l, slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logTail) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == tailLines {
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, strings.TrimSpace(string(line)))
	return len(line), nil
}

func (l *logTail) tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// explain says what a node knows of its cluster: whom it can reach, and in each
// group of those that vote, who leads and how far this node is.
func explain(e *Engine) (lines []string) {
	say := func(format string, a ...any) { lines = append(lines, fmt.Sprintf(format, a...)) }
	say("%s, members %v, quorate %v, health %v", e.Self().ID, members(e), e.quorate(), e.Health())
	l := e.to()
	if z, err := l.server.Routez(nil); err == nil {
		for _, r := range z.Routes {
			say("route to %s: idle %s, pending %d, rtt %s", r.RemoteName, r.Idle, r.Pending, r.RTT)
		}
	}
	for _, account := range []string{server.DEFAULT_SYSTEM_ACCOUNT, accountDir} {
		z := l.server.Raftz(&server.RaftzOptions{AccountFilter: account})
		if z == nil {
			continue
		}
		for name, g := range (*z)[account] {
			var peers []string
			for id, p := range g.Peers {
				peers = append(peers, fmt.Sprintf("%s %s known %v seen %s at %d", id, p.Name, p.Known, p.LastSeen, p.LastReplicatedIndex))
			}
			say("group %s: %s %s, leader %q, term %d, vote %q, log to %d of term %d, committed %d, applied %d, catching up %v, of %d; %s",
				name, g.ID, g.State, g.Leader, g.Term, g.Vote, g.PIndex, g.PTerm, g.Committed, g.Applied, g.CatchingUp, g.Size, strings.Join(peers, "; "))
		}
	}
	return lines
}

// explain has a node say what it knows, and what it logged last.
func (c *child) explain() {
	if _, err := fmt.Fprintln(c.in, "explain"); err != nil {
		return // it has ended
	}
	late := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-c.said:
			if !ok || line == "explained" {
				return
			}
			c.t.Log(c.o.Node, line)
		case <-late:
			c.t.Log(c.o.Node, "doesn't explain itself")
			return
		}
	}
}

// explainWhenFailed has all nodes explain themselves before they are ended.
func explainWhenFailed(nodes []*child) {
	t := nodes[0].t
	t.Cleanup(func() {
		if t.Failed() {
			for _, c := range nodes {
				c.explain()
			}
		}
	})
}
