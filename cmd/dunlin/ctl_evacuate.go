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
	return verb{use: "evacuate [<start|stop|status>]", short: "Send the clients of this node to others before it stops, or say how far that is",
		flags: e.declare, run: func(r *remote, args []string) error {
			switch {
			case len(args) == 1 && args[0] == "start":
				return e.start(r)
			case e.given():
				return errUsage
			case len(args) == 0 || args[0] == "status":
				return nodeEvacuation(r, nil)
			case args[0] == "stop":
				return stopEvacuation(r, nil)
			}
			return errUsage
		}}
}

// rebalanceVerbs are EMQ X Enterprise's for the same.
func rebalanceVerbs(where *place) *cobra.Command {
	var e evacuateFlags
	evacuation := false
	return verbs(where, "rebalance", "Clients sent to other nodes",
		verb{use: "start", short: "Evacuate this node, with --evacuation", flags: func(f *pflag.FlagSet) {
			f.BoolVar(&evacuation, "evacuation", false, "send all clients to other nodes")
			e.declare(f)
		}, run: func(r *remote, _ []string) error {
			if !evacuation {
				if _, err := r.node(); err != nil {
					return err
				}
				return sentence("Rebalance start error: nodes are not evened out by this version; --evacuation empties one")
			}
			return e.start(r)
		}},
		verb{use: "stop", short: "Let clients in again", run: stopEvacuation},
		verb{use: "node-status", short: "Say whether this node is being evacuated", run: nodeEvacuation},
		verb{use: "status", short: "List the nodes that are being evacuated", run: evacuations})
}

// evacuateFlags are those of who starts it, by EMQ X's names and, in the first
// line, by the standard's.
type evacuateFlags struct {
	servers                             []string
	moved                               bool
	rate, waitHealthCheck, waitTakeover int
	set                                 *pflag.FlagSet
}

func (e *evacuateFlags) declare(f *pflag.FlagSet) {
	e.set = f
	f.StringArrayVar(&e.servers, "server-reference", nil, "where clients of MQTT 5 shall go: host:port; may be given several times, or hold several")
	f.StringArrayVar(&e.servers, "redirect-to", nil, "another name of --server-reference")
	f.BoolVar(&e.moved, "moved", false, "clients of MQTT 5 shall remember that: Server moved in place of Use another server")
	f.IntVar(&e.rate, "conn-evict-rate", 500, "connections to end in a second")
	f.IntVar(&e.waitHealthCheck, "wait-health-check", 60, "seconds for load balancers to notice that the node isn't available")
	f.IntVar(&e.waitTakeover, "wait-takeover", 60, "seconds for clients to take their sessions over, after the last connection")
}

// given reports whether one of them is.
func (e *evacuateFlags) given() (is bool) {
	for _, name := range []string{"server-reference", "redirect-to", "moved", "conn-evict-rate", "wait-health-check", "wait-takeover"} {
		is = is || e.set.Changed(name)
	}
	return is
}

func (e *evacuateFlags) start(r *remote) error {
	node, err := r.node()
	if err != nil {
		return err
	}
	err = r.call("POST", "/load_rebalance/"+escape(node)+"/evacuation/start", map[string]any{
		"redirect_to": strings.Join(e.servers, " "), "moved": e.moved, "conn_evict_rate": e.rate,
		"wait_health_check": e.waitHealthCheck, "wait_takeover": e.waitTakeover,
	}, nil)
	if why := refusal(""); errors.As(err, &why) {
		return sentence("Rebalance(evacuation) start error: " + string(why))
	}
	if err == nil {
		r.printf("Rebalance(evacuation) started\n")
	}
	return err
}

func stopEvacuation(r *remote, _ []string) error {
	node, err := r.node()
	if err != nil {
		return err
	}
	err = r.call("POST", "/load_rebalance/"+escape(node)+"/evacuation/stop", nil, nil)
	if why := refusal(""); errors.As(err, &why) {
		return sentence("Rebalance(evacuation) stop error: " + string(why))
	}
	if err == nil {
		r.printf("Rebalance(evacuation) stopped\n")
	}
	return err
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

func nodeEvacuation(r *remote, _ []string) error {
	var e evacuation
	err := r.get("/load_rebalance/status", &e)
	switch {
	case err != nil:
		return err
	case e.Status == "disabled":
		r.printf("Rebalance type: disabled\n")
	default:
		r.printf("Rebalance type: evacuation\n")
		e.print(r)
	}
	return nil
}

func evacuations(r *remote, _ []string) error {
	var all struct{ Evacuations map[string]*evacuation }
	err := r.get("/load_rebalance/global_status", &all)
	for _, node := range slices.Sorted(maps.Keys(all.Evacuations)) {
		r.printf("%s\nNode '%s': evacuation\n", strings.Repeat("-", 68), node)
		all.Evacuations[node].print(r)
	}
	return err
}
