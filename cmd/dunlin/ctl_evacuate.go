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
	var b balanceFlags
	return verbs(where, "rebalance", "Clients sent to other nodes",
		verb{use: "start", short: "Even out how many clients nodes have, or with --evacuation send all of a node to others", flags: func(f *pflag.FlagSet) {
			e.declare(f)
			b.declare(f)
		}, run: func(r *remote, args []string) error {
			switch {
			case b.evacuation && !b.given(e.set):
				return e.start(r, args)
			case b.evacuation, e.set.Changed("server-reference"), e.set.Changed("redirect-to"), e.set.Changed("sess-evict-rate"), e.set.Changed("migrate-to"), e.moved, e.node != "":
				return errUsage
			}
			return b.start(r, &e)
		}},
		verb{use: "stop", short: "End that", flags: e.declareNode, run: stopRebalance(&e)},
		verb{use: "node-status", short: "Say whether a node sends clients away", flags: e.declareNode, run: e.status},
		verb{use: "status", short: "List the nodes that send clients away", run: evacuations})
}

// balanceFlags say when nodes are even, by EMQ X's names.
type balanceFlags struct {
	evacuation bool
	nodes      []string
	absolute   int
	relative   float64
}

func (b *balanceFlags) declare(f *pflag.FlagSet) {
	f.BoolVar(&b.evacuation, "evacuation", false, "send all clients of one node to others")
	f.StringArrayVar(&b.nodes, "nodes", nil, "the nodes that are to be evened out; may be given several times, or hold several (default: all that run)")
	f.IntVar(&b.absolute, "abs-conn-threshold", 1000, "how many clients more than the others nodes may have on average")
	f.Float64Var(&b.relative, "rel-conn-threshold", 1.1, "how many times as many")
}

// given reports whether one is that an evacuation has no use for.
func (b *balanceFlags) given(set *pflag.FlagSet) bool {
	return set.Changed("nodes") || set.Changed("abs-conn-threshold") || set.Changed("rel-conn-threshold")
}

func (b *balanceFlags) start(r *remote, e *evacuateFlags) error {
	node, err := r.node()
	if err != nil {
		return err
	}
	var done struct {
		Donors, Recipients []string
		Goal               int `json:"connection_goal"`
	}
	err = r.call("POST", "/load_rebalance/"+escape(node)+"/start", map[string]any{
		"nodes": strings.Join(b.nodes, " "), "abs_conn_threshold": b.absolute, "rel_conn_threshold": b.relative,
		"conn_evict_rate": e.rate, "wait_health_check": e.waitHealthCheck, "wait_takeover": e.waitTakeover,
	}, &done)
	if why := refusal(""); errors.As(err, &why) {
		return sentence("Rebalance start error: " + string(why))
	}
	if err == nil {
		r.printf("Rebalance started\nDonor nodes: %s\nRecipient nodes: %s\nConnection goal: %d\n",
			strings.Join(done.Donors, ", "), strings.Join(done.Recipients, ", "), done.Goal)
	}
	return err
}

// stopRebalance ends the evacuation of the node, if there is one, else the
// rebalance of all.
func stopRebalance(e *evacuateFlags) func(*remote, []string) error {
	return func(r *remote, args []string) error {
		node, err := e.who(r)
		if err != nil {
			return err
		}
		var all evacuationsOfAll
		if err := r.get("/load_rebalance/global_status", &all); err != nil {
			return err
		}
		r.answers = nil // of what nobody asked
		if len(all.Rebalances) == 0 || all.Evacuations[node] != nil {
			return e.stop(r, args)
		}
		if err = r.call("POST", "/load_rebalance/"+escape(node)+"/stop", nil, nil); err == nil {
			r.printf("Rebalance stopped\n")
		}
		return err
	}
}

// evacuateFlags say how to evacuate, by EMQ X's names, but for the node and what
// the standard has names for.
type evacuateFlags struct {
	node                                string // empty: the one that is asked
	servers, redirectTo                 []string
	moved                               bool
	migrateTo                           []string
	rate, waitHealthCheck, waitTakeover int
	sessionRate                         int
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
	f.IntVar(&e.sessionRate, "sess-evict-rate", 500, "sessions in memory without a client to move in a second; 0: they stay")
	f.StringArrayVar(&e.migrateTo, "migrate-to", nil, "the nodes that take them; may be given several times, or hold several (default: all that run)")
	f.IntVar(&e.waitHealthCheck, "wait-health-check", 60, "seconds for load balancers to notice that the node isn't available")
	f.IntVar(&e.waitTakeover, "wait-takeover", 60, "seconds for clients to take their sessions over, after the last connection")
}

// given reports whether one is that only start has a use for.
func (e *evacuateFlags) given() (is bool) {
	for _, name := range []string{"server-reference", "redirect-to", "moved", "conn-evict-rate", "sess-evict-rate", "migrate-to", "wait-health-check", "wait-takeover"} {
		is = is || e.set.Changed(name)
	}
	return is
}

func (e *evacuateFlags) start(r *remote, _ []string) error {
	return e.ask(r, "start", map[string]any{
		"redirect_to": strings.Join(append(e.servers, e.redirectTo...), " "), "moved": e.moved, "conn_evict_rate": e.rate,
		"sess_evict_rate": e.sessionRate, "migrate_to": strings.Join(e.migrateTo, " "), "wait_health_check": e.waitHealthCheck, "wait_takeover": e.waitTakeover,
	}, "started")
}

func (e *evacuateFlags) stop(r *remote, _ []string) error { return e.ask(r, "stop", nil, "stopped") }

// who is the node that is meant.
func (e *evacuateFlags) who(r *remote) (string, error) {
	if e.node != "" {
		return e.node, nil
	}
	return r.node()
}

// ask has a node do something; done is how that is said.
func (e *evacuateFlags) ask(r *remote, do string, how any, done string) error {
	node, err := e.who(r)
	if err != nil {
		return err
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
		if now = all.Evacuations[e.node]; now == nil {
			now = all.Rebalances[e.node]
		}
	}
	switch {
	case err != nil:
		return err
	case now == nil || now.Status == "disabled":
		r.printf("Rebalance type: disabled\n")
	default:
		r.printf("Rebalance type: %s\n", now.kind())
		now.print(r)
	}
	return nil
}

// evacuations lists those of all nodes.
func evacuations(r *remote, _ []string) error {
	var all evacuationsOfAll
	err := r.get("/load_rebalance/global_status", &all)
	for _, rows := range []map[string]*evacuation{all.Evacuations, all.Rebalances} {
		for _, node := range slices.Sorted(maps.Keys(rows)) {
			r.printf("%s\nNode '%s': %s\n", strings.Repeat("-", 68), node, rows[node].kind())
			rows[node].print(r)
		}
	}
	return err
}

type evacuationsOfAll struct {
	Evacuations, Rebalances map[string]*evacuation
}

// evacuation is one that goes on.
type evacuation struct {
	Status, State   string
	Rate            int      `json:"connection_eviction_rate"`
	Goal            int      `json:"connection_goal"`
	SessionRate     int      `json:"session_eviction_rate"`
	Recipients      []string `json:"session_recipients"`
	ServerReference string   `json:"server_reference"`
	Stats           map[string]json.Number
}

// kind is what EMQ X calls it: one with a goal hands some clients over.
func (e *evacuation) kind() string {
	if e.Goal > 0 {
		return "rebalance"
	}
	return "evacuation"
}

func (e *evacuation) print(r *remote) {
	r.printf("Rebalance state: %s\nConnection eviction rate: %d connections/second\n", e.State, e.Rate)
	if e.Goal == 0 {
		r.printf("Session eviction rate: %d sessions/second\n", e.SessionRate)
	}
	r.printf("Connection goal: %d\n", e.Goal)
	if len(e.Recipients) > 0 {
		r.printf("Session recipient nodes: %s\n", strings.Join(e.Recipients, ", "))
	}
	if e.ServerReference != "" {
		r.printf("Server reference: %s\n", e.ServerReference)
	}
	r.printf("Channel statistics:\n")
	for _, name := range slices.Sorted(maps.Keys(e.Stats)) {
		r.printf("  %s: %s\n", name, e.Stats[name])
	}
}
