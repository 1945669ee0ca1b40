package main

import (
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// accountingVerbs say what became of all messages, for which EMQ X has nothing.
func accountingVerbs(where *place) *cobra.Command {
	return ownVerbs(where, "accounting", "What became of every message, and who lost most",
		verb{use: "show", short: "Show the account, with the clients and topics that lost most for each reason", run: func(r *remote, _ []string) error {
			var a account
			err := r.get("/accounting", &a)
			if err == nil {
				a.print(r)
			}
			return err
		}},
		verb{use: "reset", short: "Begin the search for who loses most again", run: func(r *remote, _ []string) error {
			if err := r.call("DELETE", "/accounting/top", nil, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}})
}

// account is what is printed of the account.
type account struct {
	Since, TopSince                  int64 // Unix milliseconds
	Published, Matched, Redispatched uint64
	MovedIn                          uint64 `json:"moved_in"`
	MovedOut                         uint64 `json:"moved_out"`
	Delivered                        uint64
	Queued, Balance                  int64
	Dropped                          map[string]uint64
	MessagesDropped                  map[string]uint64 `json:"messages_dropped"`
	Top                              map[string]struct{ Clients, Topics []loser }
}

type loser struct {
	ClientID, Topic string
	Count           uint64
}

func (a *account) print(r *remote) {
	r.printf("since         : %s\n", time.UnixMilli(a.Since).Format(time.DateTime))
	r.printf("published     : %d\n", a.Published)
	a.printReasons(r, "dropped", a.MessagesDropped)
	r.printf("matched       : %d\n", a.Matched)
	r.printf("redispatched  : %d\n", a.Redispatched)
	r.printf("moved in      : %d\n", a.MovedIn)
	r.printf("moved out     : %d\n", a.MovedOut)
	r.printf("delivered     : %d\n", a.Delivered)
	r.printf("queued        : %d\n", a.Queued)
	a.printReasons(r, "dropped", a.Dropped)
	r.printf("balance       : %d\n", a.Balance)
}

// printReasons prints how many were dropped for each reason, and who lost them.
func (a *account) printReasons(r *remote, word string, counts map[string]uint64) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if counts[reason] == 0 {
			continue
		}
		r.printf("%-14s: %d %s\n", word, counts[reason], reason)
		for _, c := range a.Top[reason].Clients {
			r.printf("    client %s: %d\n", c.ClientID, c.Count)
		}
		for _, t := range a.Top[reason].Topics {
			r.printf("    topic %s: %d\n", t.Topic, t.Count)
		}
	}
}
