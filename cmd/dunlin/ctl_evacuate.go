package main

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// evacuateVerb is a verb of cluster.
func evacuateVerb() verb {
	var e evacuateFlags
	return verb{use: "evacuate [<start|stop|status>]", short: "Send the clients of a node to others before it stops, or say how far that is",
		flags: e.declare, run: func(r *remote, args []string) error {
			switch {
			case len(args) == 1 && args[0] == "start":
				return e.start(r, nil)
			case e.given():
				return errUsage
			case len(args) == 0 || args[0] == "status":
				return e.status(r, nil)
			case args[0] == "stop":
				return e.stop(r, nil)
			}
			return errUsage
		}}
}

// rebalanceVerbs are EMQ X Enterprise's for the same.
func rebalanceVerbs(where *place) *cobra.Command {
	var e evacuateFlags
	evacuation := false
	return verbs(where, "rebalance", "Clients sent to other nodes",
		verb{use: "start", short: "Evacuate a node, with --evacuation", flags: func(f *pflag.FlagSet) {
			f.BoolVar(&evacuation, "evacuation", false, "send all clients to other nodes")
			e.declare(f)
		}, run: func(r *remote, args []string) error {
			if !evacuation {
				if _, err := r.node(); err != nil {
					return err
				}
				return sentence("Rebalance start error: nodes are not evened out by this version; --evacuation empties one")
			}
			return e.start(r, args)
		}},
		verb{use: "stop", short: "Let clients in again", flags: e.declareNode, run: e.stop},
		verb{use: "node-status", short: "Say whether a node is being evacuated", flags: e.declareNode, run: e.status},
		verb{use: "status", short: "List the nodes that are being evacuated", run: evacuations})
}

// evacuateFlags say how to evacuate, by EMQ X's names, but for the node and what
// the standard has names for.
type evacuateFlags struct {
	node                                string // empty: the one that is asked
	servers, redirectTo                 []string
	moved                               bool
	rate, waitHealthCheck, waitTakeover int
	set                                 *pflag.FlagSet
}

func (e *evacuateFlags) declareNode(f *pflag.FlagSet) {
	f.StringVar(&e.node, "node", "", "the node that is meant, if not this one")
}

func (e *evacuateFlags) declare(f *pflag.FlagSet) {
	e.set = f
	e.declareNode(f)
	f.StringArrayVar(&e.servers, "server-reference", nil, "where clients of MQTT 5 shall go: host:port; may be given several times, or hold several")
	f.StringArrayVar(&e.redirectTo, "redirect-to", nil, "another name of --server-reference")
	f.BoolVar(&e.moved, "moved", false, "clients of MQTT 5 shall remember that: Server moved in place of Use another server")
	f.IntVar(&e.rate, "conn-evict-rate", 500, "connections to end in a second")
	f.IntVar(&e.waitHealthCheck, "wait-health-check", 60, "seconds for load balancers to notice that the node isn't available")
	f.IntVar(&e.waitTakeover, "wait-takeover", 60, "seconds for clients to take their sessions over, after the last connection")
}

// given reports whether one is that only start has a use for.
func (e *evacuateFlags) given() (is bool) {
	for _, name := range []string{"server-reference", "redirect-to", "moved", "conn-evict-rate", "wait-health-check", "wait-takeover"} {
		is = is || e.set.Changed(name)
	}
	return is
}

func (e *evacuateFlags) start(r *remote, _ []string) error {
	return e.ask(r, "start", map[string]any{
		"redirect_to": strings.Join(append(e.servers, e.redirectTo...), " "), "moved": e.moved, "conn_evict_rate": e.rate,
		"wait_health_check": e.waitHealthCheck, "wait_takeover": e.waitTakeover,
	}, "started")
}

func (e *evacuateFlags) stop(r *remote, _ []string) error { return e.ask(r, "stop", nil, "stopped") }

// ask has a node do something; done is how that is said.
func (e *evacuateFlags) ask(r *remote, do string, how any, done string) error {
	node, err := e.node, error(nil)
	if node == "" {
		if node, err = r.node(); err != nil {
			return err
		}
	}
	err = r.call("POST", "/load_rebalance/"+escape(node)+"/evacuation/"+do, how, nil)
	if why := refusal(""); errors.As(err, &why) {
		return sentence("Rebalance(evacuation) " + do + " error: " + string(why))
	}
	if err == nil {
		r.printf("Rebalance(evacuation) %s\n", done)
	}
	return err
}

// status is that of one node.
func (e *evacuateFlags) status(r *remote, _ []string) error {
	now := new(evacuation)
	var err error
	if e.node == "" {
		err = r.get("/load_rebalance/status", now)
	} else {
		var all evacuationsOfAll
		err = r.get("/load_rebalance/global_status", &all)
		now = all.Evacuations[e.node]
	}
	switch {
	case err != nil:
		return err
	case now == nil || now.Status == "disabled":
		r.printf("Rebalance type: disabled\n")
	default:
		r.printf("Rebalance type: evacuation\n")
		now.print(r)
	}
	return nil
}

// evacuations lists those of all nodes.
func evacuations(r *remote, _ []string) error {
	var all evacuationsOfAll
	err := r.get("/load_rebalance/global_status", &all)
	for _, node := range slices.Sorted(maps.Keys(all.Evacuations)) {
		r.printf("%s\nNode '%s': evacuation\n", strings.Repeat("-", 68), node)
		all.Evacuations[node].print(r)
	}
	return err
}

type evacuationsOfAll struct {
	Evacuations map[string]*evacuation
}

// evacuation is one that goes on.
type evacuation struct {
	Status, State   string
	Rate            int    `json:"connection_eviction_rate"`
	Goal            int    `json:"connection_goal"`
	ServerReference string `json:"server_reference"`
	Stats           map[string]json.Number
}

func (e *evacuation) print(r *remote) {
	r.printf("Rebalance state: %s\nConnection eviction rate: %d connections/second\nConnection goal: %d\n", e.State, e.Rate, e.Goal)
	if e.ServerReference != "" {
		r.printf("Server reference: %s\n", e.ServerReference)
	}
	r.printf("Channel statistics:\n")
	for _, name := range slices.Sorted(maps.Keys(e.Stats)) {
		r.printf("  %s: %s\n", name, e.Stats[name])
	}
}
