package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// listenerVerbs show where clients connect, and close and open that.
func listenerVerbs(where *place) *cobra.Command {
	return ownVerbs(where, "listeners", "Listeners",
		verb{short: "List the listeners, and how many connections ended for which reason", run: func(r *remote, _ []string) error {
			rows, err := r.listeners()
			printAll(r, rows)
			return err
		}},
		verb{use: "stop <Identifier> [<Port>]", short: "Close a listener, which ends its connections", run: stopListener},
		verb{use: "restart <Identifier>", short: "Close a listener and open it again, with its certificates read anew", run: restartListener})
}

func (r *remote) listeners() (all []listenerRow, err error) {
	var nodes []struct{ Listeners []listenerRow }
	err = r.get("/listeners", &nodes)
	for _, n := range nodes {
		all = append(all, n.Listeners...)
	}
	return all, err
}

// stopListener takes EMQ X 4.3's identifier, or a protocol with a port or an
// address, as it was before.
func stopListener(r *remote, args []string) error {
	said, found := args[0], listenerRow{}
	rows, err := r.listeners()
	if err != nil {
		return err
	}
	for _, l := range rows {
		if l.Identifier == args[0] || l.Protocol == args[0] && strings.HasPrefix(l.Protocol, "http") || len(args) == 2 && l.Protocol == args[0] && (l.ListenOn == args[1] || strings.HasSuffix(l.ListenOn, ":"+args[1])) {
			found = l
		}
	}
	if found.Identifier == "" {
		return sentence("No such listener " + strings.Join(args, " "))
	}
	if strings.HasPrefix(found.Protocol, "http") {
		return sentence(ownListener("stop", found.Protocol))
	}
	r.answers = nil // of the list nobody asked
	err = r.call("PUT", "/listeners/"+escape(found.Identifier)+"/stop", nil, nil)
	if why := refusal(""); errors.As(err, &why) {
		return sentence(fmt.Sprintf("Failed to stop %s listener on %s, error:%s", said, found.ListenOn, why))
	}
	if err == nil {
		r.printf("Stop %s listener on %s successfully.\n", said, found.ListenOn)
	}
	return err
}

// ownListener says why the interface's own listeners are left alone.
func ownListener(verb, identifier string) string {
	return fmt.Sprintf("Failed to %s %s listener: it goes with the management API; management.listener.* and dashboard.listener.* switch it", verb, identifier)
}

func restartListener(r *remote, args []string) error {
	if strings.HasPrefix(args[0], "http") {
		if _, err := r.node(); err != nil {
			return err
		}
		return sentence(ownListener("restart", args[0]))
	}
	err := r.call("PUT", "/listeners/"+escape(args[0])+"/restart", nil, nil)
	switch why := refusal(""); {
	case errors.As(err, &why) && strings.HasPrefix(string(why), "No such listener"):
		return sentence(why)
	case errors.As(err, &why):
		return sentence(fmt.Sprintf("Failed to restart %s listener: %s", args[0], why))
	case err == nil:
		r.printf("Restarted %s listener successfully.\n", args[0])
	}
	return err
}

type listenerRow struct {
	Protocol      string       `json:"protocol"`
	Identifier    string       `json:"identifier"`
	ListenOn      string       `json:"listen_on"`
	Acceptors     int          `json:"acceptors"`
	MaxConns      int          `json:"max_conns"`
	CurrentConns  int          `json:"current_conns"`
	ShutdownCount shutdownText `json:"shutdown_count"`
	Running       *bool        `json:"running"` // nil: it does
}

func (l listenerRow) print(r *remote) {
	r.printf("%s\n", l.Identifier)
	if l.Running != nil && !*l.Running {
		r.printf("  %-16s: %v\n", "running", false)
	}
	for _, line := range []struct {
		key   string
		value any
	}{
		{"listen_on", l.ListenOn}, {"acceptors", l.Acceptors}, {"max_conns", l.MaxConns}, {"current_conn", l.CurrentConns},
		{"shutdown_count", l.ShutdownCount},
	} {
		r.printf("  %-16s: %v\n", line.key, line.value)
	}
}

// shutdownText is the counts as Erlang writes them: [{closed,2},{kicked,1}].
type shutdownText string

// UnmarshalJSON reads an object; without counts it is an empty array.
func (s *shutdownText) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte("[")) {
		*s = "[]"
		return nil
	}
	var counts map[string]int64
	if err := json.Unmarshal(text, &counts); err != nil {
		return err
	}
	var all []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("{%s,%d}", reason, counts[reason]))
	}
	*s = shutdownText("[" + strings.Join(all, ",") + "]")
	return nil
}
