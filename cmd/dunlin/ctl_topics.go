package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
)

// routeVerbs show which topic filters there are. EMQ X 2 calls them topics.
func routeVerbs(where *place, name string) *cobra.Command {
	return verbs(where, name, "Topic filters that are subscribed to",
		verb{use: "list", short: "List the topic filters", run: func(r *remote, _ []string) error {
			var routes []routeRow
			err := r.listInto("/routes", &routes)
			printAll(r, routes)
			return err
		}},
		verb{use: "show <Topic>", short: "Show a topic filter, if anybody subscribes to it", run: func(r *remote, args []string) error {
			var routes []routeRow
			err := r.get("/routes/"+escape(args[0]), &routes)
			printAll(r, routes)
			return err
		}})
}

type routeRow struct{ Topic, Node string }

func (o routeRow) print(r *remote) { r.printf("%s -> %s\n", o.Topic, o.Node) }

// subscriptionVerbs show who subscribes to what, and subscribe for clients.
func subscriptionVerbs(where *place) *cobra.Command {
	change := func(path string, body map[string]any) func(*remote) error {
		return func(r *remote) error {
			err := r.call("POST", path, body, nil)
			if errors.Is(err, refusal("channel_not_found")) {
				return sentence("Error: Channel not found!")
			}
			if err == nil {
				r.printf("ok\n")
			}
			return err
		}
	}
	return verbs(where, "subscriptions", "Subscriptions",
		verb{use: "list", own: true, short: "List the subscriptions of this node", run: func(r *remote, _ []string) error {
			var all []subscriptionRow
			err := r.listInto("/subscriptions", &all)
			printAll(r, all)
			return err
		}},
		verb{use: "show <ClientId>", short: "List the subscriptions of a client", run: func(r *remote, args []string) error {
			var all []subscriptionRow
			err := r.get("/subscriptions/"+escape(args[0]), &all)
			printAll(r, all)
			return err
		}},
		verb{use: "add <ClientId> <Topic> <QoS>", short: "Subscribe for a client; the ACL isn't asked", run: func(r *remote, args []string) error {
			qos := slices.Index([]string{"0", "1", "2"}, args[2])
			if qos < 0 {
				return sentence("QoS should be 0, 1, 2")
			}
			return change("/mqtt/subscribe", map[string]any{"clientid": args[0], "topic": args[1], "qos": qos})(r)
		}},
		verb{use: "del <ClientId> <Topic>", alias: "delete", short: "Unsubscribe for a client", run: func(r *remote, args []string) error {
			return change("/mqtt/unsubscribe", map[string]any{"clientid": args[0], "topic": args[1]})(r)
		}})
}

type subscriptionRow struct{ ClientID, Topic string }

func (s subscriptionRow) print(r *remote) { r.printf("%s -> %s\n", s.ClientID, s.Topic) }
