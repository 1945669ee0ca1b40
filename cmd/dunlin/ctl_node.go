package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// brokerVerbs show the broker and what it counts.
func brokerVerbs(where *place) *cobra.Command {
	return ownVerbs(where, "broker", "The broker",
		verb{short: "Show what runs, for how long, and its clock", run: func(r *remote, _ []string) error {
			var brokers []map[string]any
			err := r.get("/brokers", &brokers)
			for _, b := range brokers {
				for _, key := range []string{"sysdescr", "version", "uptime", "datetime"} {
					r.printf("%-10s: %v\n", key, b[key])
				}
			}
			return err
		}},
		verb{use: "stats", short: "Show how many clients, subscriptions, … there are", run: func(r *remote, _ []string) error {
			var nodes []struct{ Stats figures }
			err := r.get("/stats", &nodes)
			for _, n := range nodes {
				n.Stats.print(r)
			}
			return err
		}},
		verb{use: "metrics", short: "Show what was counted since the start", run: func(r *remote, _ []string) error {
			var nodes []struct{ Metrics figures }
			err := r.get("/metrics", &nodes)
			for _, n := range nodes {
				n.Metrics.print(r)
			}
			return err
		}})
}

type figures map[string]json.Number

func (f figures) print(r *remote) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		r.printf("%-30s: %s\n", name, f[name])
	}
}

// vmFigures are what the verbs of vm print: under which name and with which
// width EMQ X has it, and which member of a node it is. Of Erlang's memory
// there is the sum; goroutines stand for processes,
// file descriptors for ports.
var vmFigures = []struct {
	group string
	width int
	names [][2]string
}{
	{"load", 20, [][2]string{{"cpu/load1", "load1"}, {"cpu/load5", "load5"}, {"cpu/load15", "load15"}}},
	{"memory", 17, [][2]string{{"memory/total", "memory_total"}, {"memory/used", "memory_used"}}},
	{"process", 16, [][2]string{{"process/limit", "process_available"}, {"process/count", "process_used"}}},
	{"io", 21, [][2]string{{"io/max_fds", "max_fds"}, {"io/active_fds", "used_fds"}}},
	{"ports", 16, [][2]string{{"ports/count", "used_fds"}, {"ports/limit", "max_fds"}}},
}

// vmVerbs show the process and the machine it is on.
func vmVerbs(where *place) *cobra.Command {
	show := func(which string) func(*remote, []string) error {
		return func(r *remote, _ []string) error {
			var nodes []map[string]json.RawMessage
			err := r.get("/nodes", &nodes)
			for _, n := range nodes {
				printVM(r, n, which)
			}
			return err
		}
	}
	all := []verb{{short: "Show all of it", run: show("all")}, {use: "all", short: "Show all of it", run: show("all")}}
	for _, f := range vmFigures {
		all = append(all, verb{use: f.group, short: "Show " + f.group, run: show(f.group)})
	}
	return ownVerbs(where, "vm", "The process and its machine", all...)
}

func printVM(r *remote, n map[string]json.RawMessage, which string) {
	for _, f := range vmFigures {
		if which != "all" && which != f.group {
			continue
		}
		for _, name := range f.names {
			group, label, _ := strings.Cut(name[0], "/")
			if v, ok := n[name[1]]; ok {
				r.printf("%s: %s\n", fmt.Sprintf("%s/%-*s", group, f.width, label), strings.Trim(string(v), `"`))
			}
		}
	}
}
