package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
)

// errNotFound is EMQ X's word for a client that it doesn't know.
var errNotFound = sentence("Not Found.")

// clientVerbs list clients and end their connections.
func clientVerbs(where *place) *cobra.Command {
	return verbs(where, "clients", "Clients, connected or not",
		verb{use: "list", own: true, short: "List the clients of this node", run: func(r *remote, _ []string) error {
			var clients []clientRow
			err := r.listInto("/clients", &clients)
			printAll(r, clients)
			return err
		}},
		verb{use: "show <ClientId>", short: "Show a client", run: func(r *remote, args []string) error {
			return show[clientRow](r, "/clients/"+escape(args[0]))
		}},
		verb{use: "kick <ClientId>", short: "Close a client's connection and end its session", run: func(r *remote, args []string) error {
			if err := r.call("DELETE", "/clients/"+escape(args[0]), nil, nil); err != nil {
				return unlessFound(err)
			}
			r.printf("ok\n")
			return nil
		}})
}

// sessionVerbs are EMQ X 3's, whose clients and sessions are lists of their
// own.
func sessionVerbs(where *place) *cobra.Command {
	return verbs(where, "sessions", "Sessions, as in EMQ X 3",
		verb{use: "list", own: true, short: "List the sessions of this node", run: func(r *remote, _ []string) error {
			var sessions []sessionRow
			r.version = "v3"
			err := r.listInto("/sessions", &sessions)
			printAll(r, sessions)
			return err
		}},
		verb{use: "show <ClientId>", short: "Show the session of a client", run: func(r *remote, args []string) error {
			r.version = "v3"
			return show[sessionRow](r, "/sessions/"+escape(args[0]))
		}},
		verb{use: "clean-persistent <ClientId>", short: "End the session of a client that is away", run: func(r *remote, args []string) error {
			r.version = "v3"
			err := r.call("DELETE", "/sessions/persistent/"+escape(args[0]), nil, nil)
			if errors.Is(err, refusal("running_session")) {
				return sentence("Couldn't clean a session with a valid connection.")
			}
			if err != nil {
				return unlessFound(err)
			}
			r.printf("Clean persistent session successfully.\n")
			return nil
		}})
}

// unlessFound puts a refusal into EMQ X's words if it means that there is no
// such client.
func unlessFound(err error) error {
	if errors.Is(err, refusal("not_found")) {
		return errNotFound
	}
	return err
}

// row is what lists and look-ups answer with.
type row interface{ print(r *remote) }

func printAll[R row](r *remote, rows []R) {
	for _, one := range rows {
		one.print(r)
	}
}

// show prints what a look-up found.
func show[R row](r *remote, path string) error {
	var found []R
	err := r.get(path, &found)
	if err == nil && len(found) == 0 {
		return errNotFound
	}
	printAll(r, found)
	return err
}

// clientRow is what is printed of a client.
type clientRow struct {
	ClientID       string `json:"clientid"`
	Username       string `json:"username"`
	IPAddress      string `json:"ip_address"`
	Port           int    `json:"port"`
	CleanStart     bool   `json:"clean_start"`
	Keepalive      int    `json:"keepalive"`
	ExpiryInterval int64  `json:"expiry_interval"`
	Subscriptions  int    `json:"subscriptions_cnt"`
	Inflight       int    `json:"inflight"`
	AwaitingRel    int    `json:"awaiting_rel"`
	SendMsg        int64  `json:"send_msg"`
	MqueueLen      int    `json:"mqueue_len"`
	MqueueDropped  int64  `json:"mqueue_dropped"`
	Connected      bool   `json:"connected"`
	CreatedAt      string `json:"created_at"`
	ConnectedAt    string `json:"connected_at"`
	DisconnectedAt string `json:"disconnected_at"`
}

// print is EMQ X 4's line.
func (c clientRow) print(r *remote) {
	r.printf("Client(%s, username=%s, peername=%s:%d, clean_start=%t, keepalive=%d, session_expiry_interval=%d, subscriptions=%d, inflight=%d, "+
		"awaiting_rel=%d, delivered_msgs=%d, enqueued_msgs=%d, dropped_msgs=%d, connected=%t, created_at=%d, connected_at=%d",
		c.ClientID, c.Username, c.IPAddress, c.Port, c.CleanStart, c.Keepalive, c.ExpiryInterval, c.Subscriptions, c.Inflight,
		c.AwaitingRel, c.SendMsg, c.MqueueLen, c.MqueueDropped, c.Connected, seconds(c.CreatedAt)*1000, seconds(c.ConnectedAt)*1000)
	if c.DisconnectedAt != "" {
		r.printf(", disconnected_at=%d", seconds(c.DisconnectedAt)*1000)
	}
	r.printf(")\n")
}

// sessionRow is what is printed of a session.
type sessionRow struct {
	ClientID       string `json:"client_id"`
	CleanStart     bool   `json:"clean_start"`
	ExpiryInterval int64  `json:"expiry_interval"`
	Subscriptions  int    `json:"subscriptions_count"`
	MaxInflight    int    `json:"max_inflight"`
	Inflight       int    `json:"inflight_len"`
	MqueueLen      int    `json:"mqueue_len"`
	MqueueDropped  int64  `json:"mqueue_dropped"`
	AwaitingRel    int    `json:"awaiting_rel_len"`
	DeliverMsg     int64  `json:"deliver_msg"`
	EnqueueMsg     int64  `json:"enqueue_msg"`
	CreatedAt      string `json:"created_at"`
}

// print is EMQ X 3's line.
func (s sessionRow) print(r *remote) {
	r.printf("Session(%s, clean_start=%t, expiry_interval=%d, subscriptions_count=%d, max_inflight=%d, inflight=%d, mqueue_len=%d, "+
		"mqueue_dropped=%d, awaiting_rel=%d, deliver_msg=%d, enqueue_msg=%d, created_at=%d)\n",
		s.ClientID, s.CleanStart, s.ExpiryInterval, s.Subscriptions, s.MaxInflight, s.Inflight, s.MqueueLen,
		s.MqueueDropped, s.AwaitingRel, s.DeliverMsg, s.EnqueueMsg, seconds(s.CreatedAt))
}

// seconds is the time of a clock on the wall, in Unix seconds.
func seconds(clock string) int64 {
	t, err := time.ParseInLocation(time.DateTime, clock, time.Local)
	if err != nil {
		return 0
	}
	return t.Unix()
}
