package main

import (
	"errors"
	"fmt"
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
	return ownVerbs(where, "plugins", "Plugins",
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
	return ownVerbs(where, "modules", "Modules",
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
