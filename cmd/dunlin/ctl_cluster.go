package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// clusterVerbs show and change which nodes are one broker with this one.
func clusterVerbs(where *place) *cobra.Command {
	return verbs(where, "cluster", "The nodes of the cluster",
		verb{use: "join <Node>", short: "Join the cluster of a node; what this one has kept is given up", run: func(r *remote, args []string) error {
			self, err := r.node()
			if err != nil {
				return err
			}
			node := args[0]
			if !strings.Contains(node, "@") { // as EMQ X takes it
				_, host, _ := strings.Cut(self, "@")
				node += "@" + host
			}
			if node == self {
				return sentence("Ignore.")
			}
			return r.reshape("PUT", "/cluster/join", map[string]string{"node": node}, "Join the cluster successfully.", "Failed to join the cluster: ", node)
		}},
		verb{use: "leave", short: "Leave the cluster, and go on alone without what it keeps", run: func(r *remote, _ []string) error {
			return r.reshape("PUT", "/cluster/leave", nil, "Leave the cluster successfully.", "Failed to leave the cluster: ", "")
		}},
		verb{use: "force-leave <Node>", short: "Remove a node that is down and will not come back", run: func(r *remote, args []string) error {
			return r.reshape("DELETE", "/cluster/"+escape(args[0]), nil, "Remove the node from cluster successfully.", "Failed to remove the node from cluster: ", args[0])
		}},
		evacuateVerb(),
		verb{use: "status", short: "List the nodes that run and those that don't", run: func(r *remote, _ []string) error { return r.clusterStatus(true) }})
}

// reshape changes the cluster, and shows what has become of it.
func (r *remote) reshape(method, path string, body any, done, failed, node string) error {
	err := r.call(method, path, body, nil)
	why := refusal("")
	switch {
	case errors.As(err, &why):
		return sentence(failed + reason(string(why), node))
	case err != nil:
		return err
	}
	r.printf("%s\n", done)
	return r.clusterStatus(false) // a moment after a change there are fewer copies always
}

// reason is why the cluster is not changed: EMQ X's word, if it has one, and
// what it means here.
func reason(text, node string) string {
	for _, word := range []string{"node_down", "already_in_cluster", "node_not_in_cluster"} {
		rest, is := strings.CutPrefix(text, word+": ")
		switch {
		case !is:
		case node == "" || word == "node_not_in_cluster":
			return word + "\n" + rest
		default:
			return fmt.Sprintf("{%s,'%s'}\n%s", word, node, rest)
		}
	}
	return text
}

// clusterStatus prints the nodes in EMQ X 4's words, and if it is asked for,
// whether one may be stopped.
func (r *remote) clusterStatus(copies bool) error {
	var now struct {
		Running []string `json:"running_nodes"`
		Stopped []string `json:"stopped_nodes"`
		Quorum  bool
		Copied  *bool // brokers before had no such word
	}
	if err := r.get("/cluster", &now); err != nil {
		return err
	}
	atoms := func(names []string) string {
		if len(names) == 0 {
			return ""
		}
		return "'" + strings.Join(names, "','") + "'"
	}
	r.printf("Cluster status: #{running_nodes => [%s],stopped_nodes => [%s]}\n", atoms(now.Running), atoms(now.Stopped))
	switch {
	case now.Quorum && copies && now.Copied != nil && !*now.Copied && len(now.Stopped) == 0:
		r.printf("WARNING: what is kept is not on as many nodes yet as it should be: stop none of them before it is\n")
	case !now.Quorum:
		r.printf("WARNING: too few nodes can be reached: what has to be kept is refused until they are there again, or removed by force-leave\n")
	}
	return nil
}
