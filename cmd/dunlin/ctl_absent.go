package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// absent is a command of EMQ X about something that isn't here.
type absent struct {
	name, short string
	sentence    string   // what each of its verbs answers
	verbs       []string // "use # what it is for", as EMQ X has it
}

// absents are the commands that can only say why they do nothing.
func absents() []absent {
	const noRules = "This version has no rule engine yet"
	const noBridges = "This version has no bridges yet"
	return []absent{
		{"rules", "Rules", noRules, []string{"list # List all rules", "show <RuleId> # Show a rule", "create <Sql> <Actions> [<Options>] # Create a rule",
			"update <RuleId> [<Options>] # Update a rule", "delete <RuleId> # Delete a rule"}},
		{"rule-actions", "Actions of rules", noRules, []string{"list # List actions", "show <ActionId> # Show a rule action"}},
		{"resources", "Resources of rules", noRules, []string{"create <ResourceType> [<Options>] # Create a resource", "list [<Options>] # List resources",
			"show <ResourceId> # Show a resource", "delete <ResourceId> # Delete a resource", "update <ResourceId> [<Options>] # Update a resource"}},
		{"resource-types", "Types of resources", noRules, []string{"list # List all resource-types", "show <Type> # Show a resource-type"}},
		{"bridges", "Bridges", noBridges, []string{"list # List bridges", "start <Name> # Start a bridge", "stop <Name> # Stop a bridge",
			"forwards <Name> # Show a bridge forward topic", "add-forward <Name> <Topic> # Add bridge forward topic", "del-forward <Name> <Topic> # Delete bridge forward topic",
			"subscriptions <Name> # Show a bridge subscriptions topic", "add-subscription <Name> <Topic> <Qos> # Add bridge subscriptions topic",
			"del-subscription <Name> <Topic> # Delete bridge subscriptions topic"}},
		{"recon", "The Erlang runtime", "recon looks into the Erlang runtime, which Dunlin does without; see vm, and go_memory_* of /metrics",
			[]string{"memory # recon_alloc:memory/2", "allocated # recon_alloc:memory(allocated_types, current|max)", "bin_leak # recon:bin_leak(100)",
				"node_stats # recon:node_stats(10, 1000)", "remote_load <Mod> # recon:remote_load(Mod)", "proc_count <Attr> <N> # recon:proc_count(Attr, N)"}},
	}
}

// command is a with verbs that take what EMQ X's take, so that its help reads
// the same.
func (a absent) command(where *place) *cobra.Command {
	var all []verb
	for _, line := range a.verbs {
		use, short, _ := strings.Cut(line, " # ")
		all = append(all, verb{use: use, short: short, run: func(r *remote, _ []string) error {
			if _, err := r.node(); err != nil { // whether it runs comes first, as with all verbs
				return err
			}
			return sentence(a.sentence)
		}})
	}
	c := verbs(where, a.name, a.short+": "+a.sentence, all...)
	for _, below := range c.Commands() { // options such as -d are none of this program
		below.FParseErrWhitelist.UnknownFlags = true
	}
	return c
}

// absentCommands are the commands of all absents.
func absentCommands(where *place) (all []*cobra.Command) {
	for _, a := range absents() {
		all = append(all, a.command(where))
	}
	return all
}

// licenseVerbs are EMQ X Enterprise's.
func licenseVerbs(where *place) *cobra.Command {
	return verbs(where, "license", "The license",
		verb{use: "info", short: "Show the license: there is one edition, which needs none", run: func(r *remote, _ []string) error {
			if _, err := r.node(); err != nil {
				return err
			}
			info := [][2]string{{"edition", "Dunlin, the only one"}, {"license", "Apache-2.0"}, {"max_connections", "unlimited"}, {"expiry_at", "never"}}
			shown := make(map[string]string)
			for _, line := range info {
				shown[line[0]] = line[1]
				r.printf("%-12s: %s\n", line[0], line[1])
			}
			r.shown = shown
			return nil
		}},
		verb{use: "reload <File>", short: "Refused: there is no license to load", run: func(r *remote, _ []string) error {
			if _, err := r.node(); err != nil {
				return err
			}
			return refusal("there is one edition of Dunlin, and no license to load")
		}})
}

// telemetryVerbs are EMQ X's. Nothing is ever sent to anybody.
func telemetryVerbs(where *place) *cobra.Command {
	status := func(enabled bool, said string) func(*remote, []string) error {
		return func(r *remote, _ []string) error {
			err := r.call("PUT", "/telemetry/status", map[string]bool{"enabled": enabled}, nil)
			if err == nil {
				r.printf("%s\n", said)
			}
			return err
		}
	}
	return verbs(where, "telemetry", "Telemetry: there is none, nothing is ever sent",
		verb{use: "enable", short: "Refused: nothing is ever sent", run: status(true, "Enable telemetry successfully")},
		verb{use: "disable", short: "Disable telemetry, which is off always", run: status(false, "Disable telemetry successfully")},
		verb{use: "get <status|data>", short: "Get telemetry status or data", run: func(r *remote, args []string) error {
			switch args[0] {
			case "status":
				var now struct{ Enabled bool }
				err := r.get("/telemetry/status", &now)
				if err == nil {
					r.printf("Telemetry is %s\n", map[bool]string{true: "enabled", false: "disabled"}[now.Enabled])
				}
				return err
			case "data":
				var data map[string]any
				err := r.get("/telemetry/data", &data)
				if err == nil && !r.json {
					err = writeJSON(r.out, data)
				}
				return err
			}
			return errUsage
		}})
}
