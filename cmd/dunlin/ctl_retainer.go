package main

import (
	"net/url"

	"github.com/spf13/cobra"
)

// retainerVerbs show and delete retained messages.
func retainerVerbs(where *place) *cobra.Command {
	return verbs(where, "retainer", "Retained messages",
		verb{use: "info", short: "Show the count of retained messages", run: func(r *remote, _ []string) error {
			a, err := r.ask("GET", "/retained?_limit=1", nil)
			if err == nil {
				err = r.take(a, nil)
			}
			if err == nil && a.Meta != nil {
				r.shown = map[string]int{"retained/total": a.Meta.Count}
				r.printf("retained/total: %d\n", a.Meta.Count)
			}
			return err
		}},
		verb{use: "topics", short: "Show all topics of retained messages", run: func(r *remote, _ []string) error {
			var rows []struct{ Topic string }
			err := r.listInto("/retained", &rows)
			for _, row := range rows {
				r.printf("%s\n", row.Topic)
			}
			return err
		}},
		verb{use: "clean [<TopicFilter>]", short: "Delete all retained messages, or those whose topics match a filter", run: func(r *remote, args []string) error {
			path := "/retained"
			if len(args) > 0 {
				path += "?" + url.Values{"_match_topic": args}.Encode()
			}
			var cleaned struct{ Deleted int }
			if err := r.call("DELETE", path, nil, &cleaned); err != nil {
				return err
			}
			r.printf("Cleaned %d retained messages\n", cleaned.Deleted)
			return nil
		}})
}
