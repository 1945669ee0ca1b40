package engine

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// logTail keeps the last lines that a node logged, to be shown when its test
// fails.
type logTail struct {
	mu    sync.Mutex
	lines []string
}

const tailLines = 400

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

// explain says what a node knows of its cluster: whom it can reach, and in each
// group of those that vote, who leads and how far this node is.
func explain(e *Engine) (lines []string) {
	say := func(what string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte(err.Error())
		}
		lines = append(lines, what+" "+string(text))
	}
	say("members", e.Members())
	say("quorate", e.quorate())
	say("health", fmt.Sprint(e.Health()))
	l := e.to()
	if z, err := l.server.Routez(nil); err == nil {
		for _, r := range z.Routes {
			say("route", map[string]any{"to": r.RemoteName, "at": r.IP, "idle": r.Idle, "pending": r.Pending, "rtt": r.RTT, "in": r.InMsgs, "out": r.OutMsgs})
		}
	}
	for _, account := range []string{server.DEFAULT_SYSTEM_ACCOUNT, accountDir} {
		if z := l.server.Raftz(&server.RaftzOptions{AccountFilter: account}); z != nil {
			for _, groups := range *z {
				for name, g := range groups {
					say("group "+name, g)
				}
			}
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
