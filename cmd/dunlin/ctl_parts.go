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

// part is a plugin or a module.
type part struct {
	Name, Description string
	Active            bool
}

// pluginVerbs list what EMQ X has as plugins.
func pluginVerbs(where *place) *cobra.Command {
	return verbs(where, "plugins", "Plugins",
		verb{use: "list", short: "List the plugins", run: func(r *remote, _ []string) error {
			var nodes []struct{ Plugins []part }
			err := r.get("/plugins", &nodes)
			for _, n := range nodes {
				printParts(r, "Plugin", n.Plugins)
			}
			return err
		}},
		verb{use: "load <Plugin>", short: "Load a plugin", run: switching("plugin", "load")},
		verb{use: "unload <Plugin>", short: "Unload a plugin", run: switching("plugin", "unload")},
		verb{use: "reload <Plugin>", short: "Reload a plugin", run: switching("plugin", "reload")})
}

// moduleVerbs list what EMQ X has as modules, and reload the one that can be.
func moduleVerbs(where *place) *cobra.Command {
	return verbs(where, "modules", "Modules",
		verb{use: "list", short: "List the modules", run: func(r *remote, _ []string) error {
			var nodes []struct{ Modules []part }
			err := r.get("/modules", &nodes)
			for _, n := range nodes {
				printParts(r, "Module", n.Modules)
			}
			return err
		}},
		verb{use: "load <Module>", short: "Load a module", run: switching("module", "load")},
		verb{use: "unload <Module>", short: "Unload a module", run: switching("module", "unload")},
		verb{use: "reload <Module>", short: "Reload a module: emqx_mod_acl_internal reads the rule file again", run: switching("module", "reload")})
}

func printParts(r *remote, kind string, parts []part) {
	for _, p := range parts {
		r.printf("%s(%s, description=%s, active=%t)\n", kind, p.Name, p.Description, p.Active)
	}
}

// switching is a verb that asks to switch a plugin or a module.
func switching(kind, verb string) func(*remote, []string) error {
	title := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
	return func(r *remote, args []string) error {
		node, err := r.node()
		if err != nil {
			return err
		}
		name := args[0]
		err = r.call("PUT", fmt.Sprintf("/nodes/%s/%ss/%s/%s", escape(node), kind, escape(name), verb), nil, nil)
		why := refusal("")
		switch {
		case err == nil:
			r.printf("%s %s %sed successfully.\n", title(kind), name, verb)
			return nil
		case !errors.As(err, &why):
			return err
		case strings.HasPrefix(string(why), "Module: "):
			return sentence(why)
		case kind == "plugin" && verb == "unload" && name == "emqx_management":
			return sentence("Plugin emqx_management can not be unloaded.")
		case kind == "plugin" && verb == "reload" && why == "not_found":
			why = "The plugin doesn't exist"
		case kind == "module" && verb == "reload": // of the rule file, whose sentence says where it is wrong
			return err
		}
		return sentence(fmt.Sprintf("%s %s %s error: %s.", title(verb), kind, name, why))
	}
}

// listenerVerbs show where clients connect.
func listenerVerbs(where *place) *cobra.Command {
	return verbs(where, "listeners", "Listeners",
		verb{short: "List the listeners, and how many connections ended for which reason", run: func(r *remote, _ []string) error {
			var nodes []struct{ Listeners []listenerRow }
			err := r.get("/listeners", &nodes)
			for _, n := range nodes {
				printAll(r, n.Listeners)
			}
			return err
		}})
}

type listenerRow struct {
	Identifier    string       `json:"identifier"`
	ListenOn      string       `json:"listen_on"`
	Acceptors     int          `json:"acceptors"`
	MaxConns      int          `json:"max_conns"`
	CurrentConns  int          `json:"current_conns"`
	ShutdownCount shutdownText `json:"shutdown_count"`
}

func (l listenerRow) print(r *remote) {
	r.printf("%s\n", l.Identifier)
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
