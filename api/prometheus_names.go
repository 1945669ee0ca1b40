package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/metrics"
)

// nativeRules say which metrics are one family of several values. A part * of
// a pattern stands for any text, which is the value of the label. Everything
// else goes by its own name, see nativePlace; a family "" is left out, as it
// is the sum of others or the same under two names.
var nativeRules = []struct{ pattern, family, label, help string }{
	{"packets.*.received", "packets_received", "type", "packets from clients"},
	{"packets.*.sent", "packets_sent", "type", "packets to clients"},
	{"packets.*.error", "packets_error", "type", "packets that were answered with a failure, or of a CONNACK said one"},
	{"packets.*.auth_error", "packets_auth_error", "type", "those of packets_error that were about rights"},
	{"packets.*.missed", "packets_missed", "type", "packets with an unknown identifier"},
	{"packets.*.inuse", "packets_inuse", "type", "packets whose identifier is in use for something else"},
	{"packets.*.dropped", "packets_dropped", "type", "packets that were refused for a limit, or because they could not be judged"},
	{"messages.qos*.received", "messages_received", "qos", "PUBLISH packets from clients"},
	{"messages.qos*.sent", "messages_sent", "qos", "PUBLISH packets to clients"},
	{"delivery.dropped.*", "deliveries_dropped", "reason", "deliveries dropped"},
	{"messages.refused.*", "messages_refused", "reason", "messages of clients refused before they were routed"},
	{"messages.delivered", "deliveries_delivered", "", "deliveries handed to a connection for the first time"},
	{"messages.acked", "deliveries_acked", "", "deliveries that the client acknowledged"},
	{"auth.refused.*", "auth_refused", "reason", "CONNECTs refused before anybody was asked"},
	{"auth.*.calls", "auth_provider_call_seconds", "provider", "how long calls of what the provider asks took"},
	{"auth.*.success", "auth_provider_success", "provider", "clients let in"},
	{"auth.*.failure", "auth_provider_failure", "provider", "clients kept out"},
	{"auth.*.ignore", "auth_provider_ignore", "provider", "clients left to the next provider"},
	{"auth.*.error", "auth_provider_error", "provider", "questions that failed, timeouts included"},
	{"auth.*.timeout", "auth_provider_timeout", "provider", "questions that were not answered in time"},
	{"auth.*.refused", "auth_provider_refused", "provider", "questions not put, as too many waited or the backend was down"},
	{"auth.*.shared", "auth_provider_shared", "provider", "questions answered together with an identical one"},
	{"auth.*.cached", "auth_provider_cached", "provider", "questions answered as shortly before"},
	{"auth.*.waiting", "auth_provider_waiting", "provider", "questions that wait for their turn"},
	{"auth.*.stuck", "auth_provider_stuck", "provider", "calls that go on after their time"},
	{"acl.*.allow", "acl_provider_allow", "provider", "publishes and subscriptions allowed"},
	{"acl.*.deny", "acl_provider_deny", "provider", "publishes and subscriptions denied"},
	{"acl.*.ignore", "acl_provider_ignore", "provider", "publishes and subscriptions left to the next provider"},
	{"messages.latency", "message_latency_seconds", "", "from a PUBLISH to the sockets of its receivers; a sample of the deliveries"},
	{"connect.answers", "connect_seconds", "", "from a CONNECT to its answer: authentication and session; without authentication in several steps"},

	{"packets.received", "", "", ""},
	{"packets.sent", "", "", ""},
	{"messages.received", "", "", ""},
	{"messages.sent", "", "", ""},
	{"delivery.dropped", "", "", ""},
	{"channels.*", "", "", ""},
	{"live_connections.*", "", "", ""},
	{"topics.*", "", "", ""},
	{"suboptions.*", "", "", ""},
}

// nativePlace puts a metric in its family: dunlin_ and its name with
// underscores, without the end .count, and with _total if it is a counter.
func nativePlace(s *metrics.Sample) *place {
	p := &place{family: strings.ReplaceAll(strings.TrimSuffix(s.Name, ".count"), ".", "_"), help: s.Help, scale: 1}
	for _, rule := range nativeRules {
		if of, ok := matchName(rule.pattern, s.Name); ok {
			p.family, p.help, p.label, p.leaveOut = rule.family, rule.help, rule.label, rule.family == ""
			if p.label != "" {
				p.of = of
			}
			break
		}
	}
	p.family = "dunlin_" + p.family
	switch s.Kind {
	case metrics.KindCounter, metrics.KindReasons:
		p.family += "_total"
	case metrics.KindHistogram:
		if strings.HasSuffix(p.family, "_seconds") {
			p.scale = 1e6 // the registry has microseconds
		}
	}
	return p
}

// matchName compares a name with a pattern and returns what its * stands for:
// one part of the name, or the rest of a part.
func matchName(pattern, name string) (of string, ok bool) {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return "", pattern == name
	}
	of, begins := strings.CutPrefix(name, before)
	of, ends := strings.CutSuffix(of, after)
	if !begins || !ends || of == "" || strings.Contains(of, ".") {
		return "", false
	}
	return of, true
}

// emqxPoint is one value under EMQ X's name.
type emqxPoint struct {
	emqxName
	help  string
	kind  metrics.Kind
	value float64
}

// emqxName is where a value stands: in its family on the page, and below its
// group in the JSON form.
type emqxName struct{ family, group string }

// emqx fills the page of EMQ X's names; none has a label.
func (e *exporter) emqx(x *metrics.Exposition) {
	for _, p := range e.emqxPoints() {
		x.Family(p.family, p.help, p.kind)
		x.Value(p.value)
	}
}

// emqxPoints are all values of EMQ X's page. Whatever EMQ X has no name for
// gets one by the rule that its names follow.
func (e *exporter) emqxPoints() []emqxPoint {
	all := e.virtualMachine()
	add := func(name string, s *metrics.Sample) {
		at, known := e.names[name]
		if !known {
			at = emqxName{"emqx_" + strings.ReplaceAll(name, ".", "_"), emqxGroup(name)}
			e.names[name] = at
		}
		all = append(all, emqxPoint{at, s.Help, s.Kind, float64(s.Value)})
	}
	e.server.o.Metrics.Each(func(s metrics.Sample) {
		switch {
		case s.Kind == metrics.KindHistogram:
			return // EMQ X has none, and a name of its own would be that of a counter
		case s.Name == "packets.connect.received":
			add("packets.connect", &s)
			return
		case s.Name == "messages.dropped.await_pubrel_timeout":
			add("messages.dropped.expired", &s) // what it was called up to 4.2, and in the plugin
		}
		add(s.Name, &s)
	})
	return all
}

// emqxGroup is the key under which the JSON form has a metric.
func emqxGroup(name string) string {
	first, _, _ := strings.Cut(name, ".")
	switch {
	case strings.HasSuffix(name, ".count"), strings.HasSuffix(name, ".max"):
		return "stats"
	case first == "bytes":
		return "packets"
	}
	return first
}

func sortedKeys(m map[string]uint64) []string { return slices.Sorted(maps.Keys(m)) }
