package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"
)

// statusVerb says that the broker runs, what is wrong, and what to do.
func statusVerb(where *place) *cobra.Command {
	return ownVerbs(where, "status", "Whether the broker runs",
		verb{short: "Say whether the broker runs, what is wrong, and what to do", run: func(r *remote, _ []string) error {
			var brokers []struct{ Node, Version string }
			if err := r.get("/brokers", &brokers); err != nil {
				return err
			}
			for _, b := range brokers {
				r.printf("Node '%s' %s is started\n", b.Node, b.Version)
			}
			return r.health()
		}})
}

// health prints what is wrong.
func (r *remote) health() error {
	var all map[string]json.RawMessage // of which newer brokers may tell more
	if err := r.get("/health", &all); err != nil {
		return err
	}
	var h struct {
		Warnings []string
		Backends []struct {
			Name, Error   string
			Up            bool
			Since         int64
			Waiting, Busy int
		}
	}
	for name, into := range map[string]any{"warnings": &h.Warnings, "backends": &h.Backends} {
		if err := json.Unmarshal(all[name], into); err != nil {
			return err
		}
	}
	all["nodes"] = r.answers[0].Data
	r.shown = all
	for _, b := range h.Backends {
		state := "is asked"
		if !b.Up {
			state = "doesn't answer: " + b.Error + "; clients are refused, or left to others by on_error = ignore,"
		}
		r.printf("auth.%s %s since %s; %d wait, %d are asked about\n", b.Name, state, time.Unix(b.Since, 0).Format(time.DateTime), b.Waiting, b.Busy)
	}
	for _, warning := range h.Warnings {
		r.printf("WARNING: %s\n", warning)
	}
	return nil
}
