package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// bannedVerbs manage bans, for which EMQ X has REST only.
func bannedVerbs(where *place) *cobra.Command {
	ban := banFlags{end: 5 * time.Minute}
	return verbs(where, "banned", "Clients that are refused",
		verb{use: "list", short: "List the bans", run: listBans},
		verb{use: "add <clientid|username|peerhost> <Who>", short: "Ban a client id, a user name, an address or a network",
			flags: ban.declare, run: ban.add},
		verb{use: "del <clientid|username|peerhost> <Who>", alias: "delete", short: "End a ban", run: func(r *remote, args []string) error {
			if err := r.call("DELETE", "/banned/"+escape(args[0])+"/"+escape(args[1]), nil, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}})
}

func listBans(r *remote, _ []string) error {
	rows, err := r.list("/banned")
	for _, row := range rows {
		r.printf("Banned(%v, as=%v, by=%v, reason=%v, at=%s, until=%s)\n",
			row["who"], row["as"], row["by"], row["reason"], localTime(row["at"]), localTime(row["until"]))
	}
	return err
}

// localTime writes Unix seconds as a time of day, and leaves text as it is.
func localTime(v any) string {
	if seconds, ok := v.(float64); ok {
		return time.Unix(int64(seconds), 0).Format(time.DateTime)
	}
	return fmt.Sprint(v)
}

// banFlags are the flags of banned add.
type banFlags struct {
	end    time.Duration
	reason string
}

func (b *banFlags) declare(f *pflag.FlagSet) {
	f.DurationVar(&b.end, "for", b.end, "how long; 0 is for ever")
	f.StringVar(&b.reason, "reason", "", "why, for whoever lists the bans")
}

func (b *banFlags) add(r *remote, args []string) error {
	now := time.Now()
	body := map[string]any{"as": args[0], "who": args[1], "by": "ctl", "at": now.Unix(), "until": "infinity"}
	if b.reason != "" {
		body["reason"] = b.reason
	}
	if b.end > 0 {
		body["until"] = now.Add(b.end).Unix()
	}
	if err := r.call("POST", "/banned", body, nil); err != nil {
		return err
	}
	r.printf("ok\n")
	return nil
}
