package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/server"
)

// Evacuations send the clients of this node to others before it stops; they
// return at once.
type Evacuations interface {
	Evacuate(server.Evacuation) error
	EndEvacuation() error
	Evacuation() server.EvacuationStatus
}

// What EMQ X assumes where nothing is said: connections and sessions a second, and
// seconds.
const (
	evictRate    = 500
	sessionRate  = 500
	evictWait    = 60
	takeoverWait = 60
)

// evacuationRoutes are EMQ X Enterprise 4.4's.
func (s *Server) evacuationRoutes() []Route {
	if s.o.Evacuation == nil {
		return nil
	}
	const (
		stats   = "stats: {initial_connected: int, initial_sessions: int, current_connected: int, current_sessions: int}"
		members = "state, connection_eviction_rate: int, connection_goal: int, session_eviction_rate: int, session_recipients: [string], server_reference, moved: bool, " + stats
	)
	all := []Route{
		{Method: "GET", Path: "/load_rebalance/availability_check", Name: "load_rebalance_availability_check", open: true, busy: true,
			Summary: "Whether clients may be sent to this node: while it is being evacuated the answer is status 503, without a login", handle: s.available},
		{Method: "GET", Path: "/load_rebalance/status", Name: "load_rebalance_status", Summary: "Whether this node is being evacuated, and how far that is",
			Returns: "{status: 'enabled'|'disabled', node, process?, state?, connection_eviction_rate?: int, connection_goal?: int, session_eviction_rate?: int, session_recipients?: [string], server_reference?, moved?: bool, " +
				strings.Replace(stats, "stats", "stats?", 1) + "}", handle: s.evacuationStatus},
		{Method: "GET", Path: "/load_rebalance/global_status", Name: "load_rebalance_global_status", Summary: "Which nodes are being evacuated",
			Returns: "{evacuations: {*: {" + members + "}}, rebalances: {*: {" + members + "}}}", spread: allEvacuations, handle: s.evacuations},
		{Method: "POST", Path: "/load_rebalance/:node/evacuation/start", Name: "load_rebalance_evacuation_start", Strict: true,
			Summary: "Send all clients of a node to others", Fails: []int{codeUnknown}, spread: toNode(codeUnknown), handle: s.onNode(codeUnknown, s.evacuate),
			Params: append(paceParams(),
				Param{Name: "conn_goal", Type: Whole, Doc: "how many clients may stay: above 0, it ends by itself when no more are left; 0"},
				Param{Name: "redirect_to", Type: Text, Doc: "where clients of MQTT 5 shall go: one or more of host:port, with blanks or commas between"},
				Param{Name: "server_reference", Type: Text, Doc: "another name of redirect_to"},
				Param{Name: "sess_evict_rate", Type: Whole, Doc: "sessions in memory without a client to move in a second, after wait_takeover; 0: they stay; 500"},
				Param{Name: "migrate_to", Type: Any, Doc: "the names of the nodes that take them: an array, or a text with blanks or commas between; all that run"},
				Param{Name: "moved", Type: Flag, Doc: "clients of MQTT 5 shall remember that: Server moved (0x9D) in place of Use another server (0x9C)"},
			)},
		{Method: "POST", Path: "/load_rebalance/:node/evacuation/stop", Name: "load_rebalance_evacuation_stop",
			Summary: "Let clients in again", Fails: []int{codeUnknown}, spread: toNode(codeUnknown),
			handle: s.onNode(codeUnknown, func(*request) (any, error) { return nil, s.o.Evacuation.EndEvacuation() })},
	}
	for i := range all {
		all[i].Versions = V4
	}
	return append(all, s.rebalanceRoutes()...)
}

// paceParams say how fast.
func paceParams() []Param {
	return []Param{
		{Name: "conn_evict_rate", Type: Whole, Doc: "connections to end in a second; 500"},
		{Name: "wait_health_check", Type: Whole, Doc: "seconds for load balancers to notice; 60"},
		{Name: "wait_takeover", Type: Whole, Doc: "seconds for clients to take their sessions over, after the last connection; 60"},
	}
}

func (s *Server) evacuate(q *request) (any, error) {
	seconds := func(name string, otherwise int64) time.Duration {
		return time.Duration(min(q.params.whole(name, otherwise), 1<<31)) * time.Second
	}
	e := server.Evacuation{
		Servers: append(listed(q.params.text("redirect_to")), listed(q.params.text("server_reference"))...), Moved: q.params.flag("moved"),
		Goal:        int(min(q.params.whole("conn_goal", 0), 1<<31-1)),
		Rate:        int(min(q.params.whole("conn_evict_rate", evictRate), 1<<31-1)),
		SessionRate: int(min(q.params.whole("sess_evict_rate", sessionRate), 1<<31-1)),
		Wait:        seconds("wait_health_check", evictWait), Takeover: seconds("wait_takeover", takeoverWait),
	}
	var err error
	if e.MigrateTo, err = s.recipients(q); err != nil {
		return nil, err
	}
	if e.Goal > 0 { // it only hands clients over
		e.SessionRate = 0
	}
	if err := e.Validate(); err != nil {
		return nil, fail(codeValue, err.Error())
	}
	return nil, s.o.Evacuation.Evacuate(e)
}

// recipients are the nodes that a request names for sessions: others of this
// cluster.
func (s *Server) recipients(q *request) ([]string, error) {
	names, err := nodeNames(q.params["migrate_to"])
	if err != nil {
		return nil, err
	}
	all := s.members()
	for _, name := range names {
		if m, ok := named(all, name); !ok || m.Self {
			return nil, fail(codeUnknown, "there is no other node "+name)
		}
	}
	return names, nil
}

// evacuationRow is an evacuation as EMQ X shows it.
func evacuationRow(e *server.EvacuationStatus) object {
	return object{
		"state": e.State.String(), "connection_eviction_rate": e.Rate, "connection_goal": e.Goal,
		"session_eviction_rate": e.SessionRate, "session_recipients": append([]string{}, e.MigrateTo...),
		"server_reference": strings.Join(e.Servers, " "), "moved": e.Moved,
		"stats": object{
			"initial_connected": e.InitialConnected, "initial_sessions": e.InitialSessions,
			"current_connected": e.Connected, "current_sessions": e.Sessions,
		},
	}
}

func (s *Server) evacuationStatus(*request) (any, error) {
	e := s.o.Evacuation.Evacuation()
	if e.State == server.NoEvacuation {
		return object{"status": "disabled", "node": s.o.Node}, nil
	}
	row := evacuationRow(&e)
	row["status"], row["node"], row["process"] = "enabled", s.o.Node, kindOf(&e)
	return row, nil
}

func (s *Server) evacuations(*request) (any, error) {
	all := object{"evacuations": object{}, "rebalances": object{}}
	if e := s.o.Evacuation.Evacuation(); e.State != server.NoEvacuation {
		all[kindOf(&e)+"s"] = object{s.o.Node: evacuationRow(&e)}
	}
	return all, nil
}

// allEvacuations puts together what each node says of itself.
func allEvacuations(s *Server, q *request, nodes []Member) (any, error) {
	data, err := q.own()
	if err != nil {
		return nil, err
	}
	all := data.(object)
	for _, r := range s.askAll(q, nodes) {
		var of map[string]map[string]json.RawMessage
		if err := json.Unmarshal(r.body.Data, &of); err != nil {
			return nil, err
		}
		for kind, rows := range of {
			for node, row := range rows {
				all[kind].(object)[node] = row
			}
		}
	}
	return all, nil
}

// errEvacuating is for load balancers, which look at the status alone.
var errEvacuating = &refusal{status: http.StatusServiceUnavailable, text: "the node is being evacuated"}

func (s *Server) available(*request) (any, error) {
	if s.evacuating() {
		return nil, errEvacuating
	}
	return nil, nil
}

// evacuating reports whether clients are to go to other nodes.
func (s *Server) evacuating() bool {
	return s.o.Evacuation != nil && s.o.Evacuation.Evacuation().State != server.NoEvacuation
}
