package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/node"
)

// greet says what runs: the listeners, what is refused, and how to change it.
func greet(w io.Writer, n *node.Node, report *config.Report, file string) {
	from := "compiled-in defaults"
	if file != "" {
		from = file
	}
	fmt.Fprintf(w, "Dunlin %s, node %s, configured by %s\n", node.Version, n.Config.Node.Name, from)
	loopback, open := true, false
	for _, l := range n.Server.Listeners() {
		path := ""
		if strings.HasPrefix(l.Protocol, "ws") {
			path = "  path " + n.Config.WebSocketPath(l.Protocol, l.Name)
		}
		fmt.Fprintf(w, "  %-5s %-10s %v%s\n", l.Protocol, l.Name, l.Addr, path)
		if !isLoopback(l.Addr) {
			loopback = false
			open = open || n.Config.Zone(l.Zone).AllowAnonymous == auth.AnonymousAllowed
		}
	}
	switch {
	case loopback:
		fmt.Fprintln(w, "Only this machine can connect; everything else is refused. To open it to others:")
		fmt.Fprintln(w, "  DUNLIN_LISTENER__TCP__EXTERNAL=0.0.0.0:1883 dunlin")
	case open:
		fmt.Fprintln(w, "WARNING: other machines can connect without a password (allow_anonymous = true). To refuse them:")
		fmt.Fprintln(w, "  DUNLIN_ALLOW_ANONYMOUS=false dunlin")
	}
	if len(report.NoEffect) > 0 {
		fmt.Fprintf(w, "%d settings have no effect here; `dunlin check-config` lists them.\n", len(report.NoEffect))
	}
}

func isLoopback(a netip.AddrPort) bool { return a.Addr().Unmap().IsLoopback() }
