package api

import "github.com/dunlin-mq/dunlin/alarm"

// Alarms are what is wrong with the node, and was lately.
type Alarms interface {
	Active() []alarm.Alarm
	History() []alarm.Alarm
	// Deactivate ends an alarm by hand and reports whether it was active.
	Deactivate(name string) bool
	ClearHistory()
}

// alarmRoutes are the alarms in both forms: as EMQ X has them since 4.2, and on
// paths of their own as it had them before, which version 4 had at first too.
func (s *Server) alarmRoutes() []Route {
	if s.o.Alarms == nil {
		return nil
	}
	const (
		row    = "{name, message, details: {…}, activate_at: int, deactivate_at: int|'infinity', activated: bool}"
		oldRow = "{id, desc?, clear_at?}"
	)
	active, history := s.o.Alarms.Active, s.o.Alarms.History
	all := func() []alarm.Alarm { return append(active(), history()...) }
	var routes []Route
	for _, l := range []struct {
		versions           Versions
		path, ofNode, name string
		what, row          string
		list               func() []alarm.Alarm
		view               func(*alarm.Alarm) any
	}{
		{V4, "/alarms", "/nodes/:node/alarms", "all_alarms", "all alarms", row, all, newForm},
		{V4, "/alarms/activated", "/nodes/:node/alarms/activated", "activated_alarms", "the alarms that are active", row, active, newForm},
		{V4, "/alarms/deactivated", "/nodes/:node/alarms/deactivated", "deactivated_alarms", "the alarms that have ended", row, history, newForm},
		{V3 | V4, "/alarms/present", "/alarms/present/:node", "alarms", "the alarms that are active, in the old form", oldRow, active, oldForm},
		{V3 | V4, "/alarms/history", "/alarms/history/:node", "alarm_history", "the alarms that have ended, in the old form", oldRow, history, oldForm},
	} {
		get := func(*request) (any, error) {
			rows := []any{}
			for _, a := range l.list() {
				rows = append(rows, l.view(&a))
			}
			return rows, nil
		}
		routes = append(routes,
			Route{Method: "GET", Path: l.path, Versions: l.versions, Name: "list_" + l.name, Summary: "List " + l.what,
				Returns: "[{node, alarms: [" + l.row + "]}]", spread: lists, handle: s.alarmsByNode(get)},
			Route{Method: "GET", Path: l.ofNode, Versions: l.versions, Name: "list_node_" + l.name, Summary: "List " + l.what + " of a node",
				Returns: "[" + l.row + "]", spread: toNode(codeRPC), handle: s.onNode(codeRPC, get)})
	}
	return append(routes,
		Route{Method: "POST", Path: "/alarms/deactivated", Versions: V4, Name: "deactivate_alarm", Summary: "End an alarm; it comes again if its cause is found again",
			Params: []Param{{Name: "node", Type: Text, Required: true}, {Name: "name", Type: Text, Required: true}}, Fails: []int{codeRPC}, spread: toNamed, handle: s.deactivateAlarm},
		Route{Method: "DELETE", Path: "/alarms/deactivated", Versions: V4, Name: "clear_alarms", Summary: "Forget the alarms that have ended",
			spread: everywhere, handle: s.clearAlarms},
		Route{Method: "DELETE", Path: "/nodes/:node/alarms/deactivated", Versions: V4, Name: "clear_node_alarms", Summary: "Forget the alarms of a node that have ended",
			spread: toNode(codeRPC), handle: s.onNode(codeRPC, s.clearAlarms)})
}

func newForm(a *alarm.Alarm) any { return a.View() }
func oldForm(a *alarm.Alarm) any { return a.OldView() }

// alarmsByNode answers with what get says of each node.
func (s *Server) alarmsByNode(get func(*request) (any, error)) func(*request) (any, error) {
	return func(q *request) (any, error) {
		rows, err := get(q)
		return []object{{"node": s.o.Node, "alarms": rows}}, err
	}
}

func (s *Server) deactivateAlarm(q *request) (any, error) {
	if node := q.params.text("node"); node != s.o.Node {
		return nil, fail(codeRPC, "there is no node "+node)
	}
	if !s.o.Alarms.Deactivate(q.params.text("name")) {
		return nil, failWithoutCode("not_found")
	}
	return nil, nil
}

func (s *Server) clearAlarms(*request) (any, error) {
	s.o.Alarms.ClearHistory()
	return nil, nil
}
