package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/node"
	"github.com/dunlin-mq/dunlin/server"
)

// voice is how the broker speaks to who started it.
type voice struct {
	out  io.Writer
	emqx bool // as EMQ X's console does, whose lines are looked for by scripts
}

// greet says what runs: the listeners, what is refused, and how to change it.
func (v voice) greet(n *node.Node, report *config.Report, file string) {
	w := v.out
	if v.emqx {
		v.greetAsEMQX(n)
		return
	}
	from := "compiled-in defaults"
	if file != "" {
		from = file
	}
	fmt.Fprintf(w, "Dunlin %s, node %s, configured by %s\n", node.Version, n.Config.Node.Name, from)
	loopback := true
	for _, l := range n.Server.Listeners() {
		path := ""
		if strings.HasPrefix(l.Protocol, "ws") {
			path = "  path " + n.Config.WebSocketPath(l.Protocol, l.Name)
		}
		fmt.Fprintf(w, "  %-5s %-10s %v%s\n", l.Protocol, l.Name, l.Addr, path)
		loopback = loopback && l.Addr.Addr().Unmap().IsLoopback()
	}
	for _, l := range n.API.Listeners() {
		switch l.For {
		case "management":
			fmt.Fprintf(w, "  %-5s %-10s %v  paths /api/v3, /api/v4\n", l.Protocol, l.For, l.Addr)
		case "dashboard":
			fmt.Fprintf(w, "  %-5s %-10s %v  in a browser: %[1]s://%[3]v\n", l.Protocol, l.For, l.Addr)
		}
	}
	n.AwaitDiscovery()
	fmt.Fprint(w, n.API.Greeting())
	if loopback {
		fmt.Fprintln(w, "Only this machine can connect; everything else is refused. To open it to others:")
		fmt.Fprintln(w, "  DUNLIN_LISTENER__TCP__EXTERNAL=0.0.0.0:1883 dunlin")
	}
	for _, warning := range n.Warnings() {
		fmt.Fprintln(w, "WARNING:", warning)
	}
	if len(report.NoEffect) > 0 {
		fmt.Fprintf(w, "%d settings have no effect here; `dunlin check-config` lists them.\n", len(report.NoEffect))
	}
	fmt.Fprintf(w, "Dunlin %s is running now!\n", node.Version)
}

// greetAsEMQX has a line for each listener, as version 4.3 has. The warnings
// and a first login are there as well: nothing else shows them.
func (v voice) greetAsEMQX(n *node.Node) {
	fmt.Fprintf(v.out, "Starting emqx on node %s\n", n.Config.Node.Name)
	for _, l := range n.API.Listeners() {
		if l.For != "" {
			fmt.Fprintf(v.out, "Start %s:%s listener on %v successfully.\n", l.Protocol, l.For, l.Addr)
		}
	}
	for _, l := range n.Server.Listeners() {
		fmt.Fprintf(v.out, "Start mqtt:%s:%s listener on %v successfully.\n", l.Protocol, l.Name, l.Addr)
	}
	n.AwaitDiscovery()
	fmt.Fprint(v.out, n.API.Greeting())
	for _, warning := range n.Warnings() {
		fmt.Fprintln(v.out, "WARNING:", warning)
	}
	fmt.Fprintf(v.out, "%s is running now!\n", edition)
}

// stopping says that the end has begun.
func (v voice) stopping() {
	if !v.emqx {
		fmt.Fprintln(v.out, "Stopping: clients are told to reconnect elsewhere.")
	}
}

// stopped says that the listeners are closed.
func (v voice) stopped(listeners []server.ListenerStatus) {
	if !v.emqx {
		return
	}
	for _, l := range listeners {
		fmt.Fprintf(v.out, "Stop mqtt:%s:%s listener on %v successfully.\n", l.Protocol, l.Name, l.Addr)
	}
}
