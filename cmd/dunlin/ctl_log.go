package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// logVerbs change what the log takes, until the broker starts again.
func logVerbs(where *place) *cobra.Command {
	c := verbs(where, "log", "The log: its levels and where it goes",
		verb{use: "set-level <Level>", short: "Set the primary level and those of all handlers", run: func(r *remote, args []string) error {
			return setLogLevel(r, "/log/level", args[0], "set overall log level failed: ")
		}},
		verb{use: "primary-level [<Level>]", short: "Show the primary level, below which nothing is logged, or set it", run: primaryLogLevel})
	c.AddCommand(verbs(where, "handlers", "Where the log goes",
		verb{use: "list", short: "List the handlers", run: listLogHandlers},
		verb{use: "start <HandlerId>", short: "Start a handler", run: func(r *remote, args []string) error {
			return switchLogHandler(r, args[0], "start", "started")
		}},
		verb{use: "stop <HandlerId>", short: "Stop a handler", run: func(r *remote, args []string) error {
			return switchLogHandler(r, args[0], "stop", "stopped")
		}},
		verb{use: "set-level <HandlerId> <Level>", short: "Set the level of a handler", run: func(r *remote, args []string) error {
			return setLogLevel(r, "/log/handlers/"+escape(args[0])+"/level", args[1], "")
		}}))
	return c
}

// logState is the answer of GET /log.
type logState struct {
	Primary  string `json:"primary_level"`
	Handlers []struct {
		ID, Level, Destination, Status string
		Lost                           int64
	}
}

func primaryLogLevel(r *remote, args []string) error {
	if len(args) > 0 {
		return setLogLevel(r, "/log/primary_level", args[0], "")
	}
	var s logState
	err := r.get("/log", &s)
	if err == nil {
		r.printf("%s\n", s.Primary)
	}
	return err
}

func listLogHandlers(r *remote, _ []string) error {
	var s logState
	err := r.get("/log", &s)
	for _, h := range s.Handlers {
		r.printf("LogHandler(id=%s, level=%s, destination=%s, status=%s)\n", h.ID, h.Level, h.Destination, h.Status)
		if h.Lost > 0 {
			r.printf("  %d lines could not be written\n", h.Lost)
		}
	}
	return err
}

// setLogLevel prints the level, as EMQ X does, or why not.
func setLogLevel(r *remote, path, level, failed string) error {
	if err := r.call("PUT", path, map[string]string{"level": level}, nil); err != nil {
		return logRefusal(failed, err)
	}
	r.printf("%s\n", level)
	return nil
}

func switchLogHandler(r *remote, id, verb, status string) error {
	if err := r.call("PUT", "/log/handlers/"+escape(id)+"/status", map[string]string{"status": status}, nil); err != nil {
		return logRefusal("failed to "+verb+" log handler "+id+": ", err)
	}
	r.printf("log handler %s %s\n", id, status)
	return nil
}

// logRefusal gives a refusal the form that EMQ X has for those of the log.
func logRefusal(failed string, err error) error {
	if refused := refusal(""); errors.As(err, &refused) {
		return refusal("[error] " + failed + string(refused))
	}
	return err
}
