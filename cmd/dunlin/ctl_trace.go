package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dunlin-mq/dunlin/config"
)

// Defaults of what traces are given on the command line.
const (
	traceOff     = "off" // ends a trace where a file would begin one
	traceSeconds = 900   // of a named trace, as in EMQ X 4.4
)

// traceKinds are what traces can be about, by the words of the command line.
var traceKinds = map[string]string{"client": "clientid", "topic": "topic", "ip_address": "ip_address"}

// traceVerbs begin and end traces to files. The node opens the file, so a path
// begins at the folder that it was started in.
func traceVerbs(where *place) *cobra.Command {
	var how traceFlags
	kinds := []struct{ word, value, short string }{
		{"client", "<ClientId>", "a client"}, {"topic", "<Topic>", "a topic"}, {"ip_address", "<IP>", "a client ip or network"},
	}
	var old, start, stop []verb
	for _, k := range kinds {
		begin := func(r *remote, args []string) error { return startTrace(r, &how, k.word, args) }
		end := func(r *remote, args []string) error { return stopTrace(r, k.word, args[0]) }
		old = append(old, verb{use: k.word + " " + k.value + " <File|off>", short: "The same as start and stop, as EMQ X 2 has it", flags: how.declare,
			run: func(r *remote, args []string) error {
				if args[1] == traceOff {
					return end(r, args)
				}
				return begin(r, args)
			}})
		start = append(start, verb{use: k.word + " " + k.value + " <File> [<Level>]", short: "Traces for " + k.short, flags: how.declare, run: begin})
		stop = append(stop, verb{use: k.word + " " + k.value, short: "Stop tracing for " + k.short, run: end})
	}
	c := verbs(where, "trace", "Traces of clients, topics and addresses to files",
		append([]verb{{use: "list", short: "List all traces started on local node", run: listTraces}}, old...)...)
	c.AddCommand(verbs(where, "start", "Begin a trace", start...), verbs(where, "stop", "End a trace", stop...))
	return c
}

// traceFlags are how a trace is written.
type traceFlags struct {
	formatter, payload string
	payloadLimit       int
	maxSize            string
}

func (f *traceFlags) declare(flags *pflag.FlagSet) {
	flags.StringVar(&f.formatter, "formatter", "text", "text or json")
	flags.StringVar(&f.payload, "payload", "text", "how payloads are written: text, hex or hidden")
	flags.IntVar(&f.payloadLimit, "payload-limit", 1024, "bytes of a payload that are written")
	flags.StringVar(&f.maxSize, "max-size", "512MB", "of the file")
}

// body is what the routes take.
func (f *traceFlags) body() (map[string]any, error) {
	var size config.Bytes
	if err := size.UnmarshalText([]byte(f.maxSize)); err != nil {
		return nil, sentence("[error] --max-size: " + err.Error())
	}
	return map[string]any{"formatter": f.formatter, "payload": f.payload, "payload_limit": f.payloadLimit, "max_size": int64(size)}, nil
}

func startTrace(r *remote, how *traceFlags, word string, args []string) error {
	body, err := how.body()
	if err != nil {
		return err
	}
	kind, value := traceKinds[word], args[0]
	body["type"], body["value"], body["file"] = kind, value, args[1]
	if len(args) > 2 {
		body["level"] = args[2]
	}
	if err := r.call("POST", "/log/traces", body, nil); err != nil {
		return traceRefusal(fmt.Sprintf("trace %s %s: ", kind, value), err)
	}
	r.printf("trace %s %s successfully\n", kind, value)
	return nil
}

func stopTrace(r *remote, word, value string) error {
	kind := traceKinds[word]
	if err := r.call("DELETE", "/log/traces", map[string]any{"type": kind, "value": value}, nil); err != nil {
		return traceRefusal(fmt.Sprintf("stop tracing %s %s: ", kind, value), err)
	}
	r.printf("stop tracing %s %s successfully\n", kind, value)
	return nil
}

// traceRefusal gives a refusal the form that EMQ X has for those of traces.
func traceRefusal(failed string, err error) error {
	if why := refusal(""); errors.As(err, &why) {
		return refusal("[error] " + failed + string(why))
	}
	return err
}

func listTraces(r *remote, _ []string) error {
	var rows []struct {
		Type, Value, Level, Destination string
		Lost                            int64
	}
	err := r.get("/log/traces", &rows)
	for _, t := range rows {
		r.printf("Trace(%s=%s, level=%s, destination=%q)\n", t.Type, t.Value, t.Level, t.Destination)
		if t.Lost > 0 {
			r.printf("  %d lines could not be written\n", t.Lost)
		}
	}
	return err
}

// namedTraceVerbs manage the traces that the dashboard has too.
func namedTraceVerbs(where *place) *cobra.Command {
	var how traceFlags
	var level string
	flags := func(f *pflag.FlagSet) {
		how.declare(f)
		f.StringVar(&level, "level", "debug", "the lowest that is written")
	}
	return verbs(where, "traces", "Traces with a name and an end, as REST and the dashboard have them",
		verb{use: "list", short: "List all cluster traces started", run: listNamedTraces},
		verb{use: "start <Name> <client|topic|ip_address> <Value> [<Seconds>]", short: "Start a cluster trace, for 900 seconds", flags: flags,
			run: func(r *remote, args []string) error { return startNamedTrace(r, &how, level, args) }},
		verb{use: "stop <Name>", short: "Stop trace in cluster", run: func(r *remote, args []string) error {
			return endNamedTrace(r, "PUT", "/trace/"+escape(args[0])+"/stop", "Stop cluster_trace "+args[0])
		}},
		verb{use: "delete <Name>", short: "Delete trace in cluster", run: func(r *remote, args []string) error {
			return endNamedTrace(r, "DELETE", "/trace/"+escape(args[0]), "Del cluster_trace "+args[0])
		}})
}

func startNamedTrace(r *remote, how *traceFlags, level string, args []string) error {
	kind, known := traceKinds[args[1]]
	seconds := traceSeconds
	var err error
	if len(args) > 3 {
		seconds, err = strconv.Atoi(args[3])
	}
	if !known || err != nil || seconds < 1 {
		return errUsage
	}
	body, err := how.body()
	if err != nil {
		return err
	}
	body["name"], body["type"], body[kind], body["level"] = args[0], kind, args[2], level
	body["end_at"] = time.Now().Add(time.Duration(seconds) * time.Second).Format(time.RFC3339)
	if err := r.call("POST", "/trace", body, nil); err != nil {
		return traceRefusal(fmt.Sprintf("Cluster_trace %s %s=%s ", args[0], kind, args[2]), err)
	}
	r.printf("Cluster_trace %s %s %s successfully\n", kind, args[2], args[0])
	return nil
}

func endNamedTrace(r *remote, method, path, done string) error {
	if err := r.call(method, path, nil, nil); err != nil {
		return traceRefusal(done+": ", err)
	}
	r.printf("%s successfully\n", done)
	return nil
}

func listNamedTraces(r *remote, _ []string) error {
	var rows []struct {
		Name, Type, Status string
		ClientID, Topic    string
		IPAddress          string           `json:"ip_address"`
		LogSize            map[string]int64 `json:"log_size"`
		Lost               int64
	}
	err := r.get("/trace", &rows)
	if err == nil && len(rows) == 0 {
		r.printf("Cluster Trace is empty\n")
	}
	for _, t := range rows {
		var sizes []string
		for _, node := range slices.Sorted(maps.Keys(t.LogSize)) {
			sizes = append(sizes, fmt.Sprintf("'%s' => %d", node, t.LogSize[node]))
		}
		r.printf("Trace(%s: %s=%s, %s, LogSize:#{%s})\n", t.Name, t.Type, cmp.Or(t.ClientID, t.Topic, t.IPAddress), t.Status, strings.Join(sizes, ","))
		if t.Lost > 0 {
			r.printf("  %d lines could not be written\n", t.Lost)
		}
	}
	return err
}

// aclTestFlags are what ctl acl test may be told about a client.
type aclTestFlags struct {
	username, peerhost, zone string
	qos                      int
}

func (f *aclTestFlags) declare(flags *pflag.FlagSet) {
	flags.StringVar(&f.username, "username", "", "the client's user name, if it isn't connected with it")
	flags.StringVar(&f.peerhost, "peerhost", "", "its address (default: that of its connection, or 0.0.0.0)")
	flags.StringVar(&f.zone, "zone", "", "whose settings hold (default: that of its listener, or of the first one)")
	flags.IntVar(&f.qos, "qos", 0, "of a publish")
}

// run asks what the ACL answers, and prints which part of it said what.
func (f *aclTestFlags) run(r *remote, args []string) error {
	body := map[string]any{"clientid": args[0], "action": args[1], "topic": args[2], "qos": f.qos}
	for name, value := range map[string]string{"username": f.username, "peerhost": f.peerhost, "zone": f.zone} {
		if value != "" {
			body[name] = value
		}
	}
	var t struct {
		Result, By, Rule, Where, Username, Peerhost, Zone string
		Connected                                         bool
		Asked                                             []struct{ By, Answer, Rule, Error string }
	}
	if err := r.call("POST", "/acl/test", body, &t); err != nil {
		return err
	}
	state := "not connected"
	if t.Connected {
		state = "connected"
	}
	r.printf("Client(%s, username=%s, peerhost=%s, zone=%s, %s)\n", args[0], cmp.Or(t.Username, "undefined"), t.Peerhost, t.Zone, state)
	for _, a := range t.Asked {
		r.printf("  %-10s %s\n", a.By, strings.TrimSpace(fmt.Sprintf("%-7s %s", a.Answer, cmp.Or(a.Error, a.Rule))))
	}
	why := t.By
	if t.Rule != "" {
		why += ", " + t.Rule
	}
	if t.Where != "" {
		why += " (" + t.Where + ")"
	}
	r.printf("%s %s: %s, by %s\n", args[1], args[2], t.Result, why)
	return nil
}
