package api

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// allRoutes is every route there is.
func (s *Server) allRoutes() []Route {
	var all []Route
	for _, some := range [][]Route{
		s.nodeRoutes(), s.clusterRoutes(), s.accountRoutes(), s.ruleRoutes(), s.cacheRoutes(), s.banRoutes(), s.scramRoutes(), s.moduleRoutes(),
		s.healthRoutes(), s.alarmRoutes(), s.exporterRoutes(),
		s.clientRoutes(), s.tuneRoutes(), s.retainedRoutes(), s.maintainRoutes(), s.telemetryRoutes(), s.connectionRoutes(), s.subscriptionRoutes(), s.messageRoutes(),
		s.listenerRoutes(), s.figureRoutes(), s.historyRoutes(), s.pluginRoutes(), s.logRoutes(), s.configRoutes(), s.traceRoutes(), s.aclTestRoutes(), s.documentRoutes(), s.dataRoutes(),
		s.sessionRoutes(), s.userRoutes(), s.appRoutes(),
		s.pendingRoutes(), s.accountingRoutes(), s.topicMetricRoutes(), s.slowRoutes(), s.evacuationRoutes(),
	} {
		all = append(all, some...)
	}
	return all
}

// nodeRoutes are about this node and about the interface itself.
func (s *Server) nodeRoutes() []Route {
	const (
		broker = "{node, node_status: 'Running', version, sysdescr, otp_release, uptime, datetime: time}"
		node   = "{node, name?, node_status: 'Running', version, otp_release, uptime, memory_total: string|int, memory_used: string|int," +
			" process_available: int, process_used: int, max_fds: int, used_fds: int, connections: int, live_connections?: int, load1, load5, load15}"
	)
	routes := []Route{
		{Method: "GET", Path: "/", Name: "list_endpoints", Summary: "List the endpoints",
			Returns: "[{name, method, path, descr}]", handle: s.endpoints},
		{Method: "GET", Path: "/brokers", Name: "list_brokers", Summary: "List the nodes with what runs on them",
			Returns: "[" + broker + "]", spread: lists,
			handle: func(*request) (any, error) { return []any{s.broker()}, nil }},
		{Method: "GET", Path: "/brokers/:node", Name: "get_broker", Summary: "What runs on a node", Returns: broker,
			spread: toNode(codeUnknown), handle: s.onNode(codeUnknown, func(*request) (any, error) { return s.broker(), nil })},
		{Method: "GET", Path: "/nodes", Name: "list_nodes", Summary: "List the nodes with what they use",
			Returns: "[" + node + " | {node, name, node_status: 'Stopped'}]", spread: withStopped,
			handle: func(q *request) (any, error) { return []any{s.node(q, false)}, nil }},
		{Method: "GET", Path: "/nodes/:node", Name: "get_node", Summary: "What a node uses; version 3 has the memory in bytes", Returns: node,
			spread: toNode(codeUnknown), handle: s.onNode(codeUnknown, func(q *request) (any, error) { return s.node(q, q.version == V3), nil })},
	}
	for i := range routes {
		routes[i].Versions = V3 | V4
	}
	return routes
}

// withStopped lists the nodes, and those that don't answer with nothing but that.
func withStopped(s *Server, q *request, all []Member) (any, error) {
	data, err := lists(s, q, all)
	if err != nil {
		return nil, err
	}
	var stopped []object
	for _, name := range q.missing {
		stopped = append(stopped, object{"node": name, "name": name, "node_status": "Stopped"})
	}
	q.missing = nil // it is said
	more, err := rowsOfData(stopped)
	return joined([]rows{data.(rows), more}), err
}

// onNode is a handler of what is about the node that the path names; of one that
// the cluster doesn't have it can say no more than the code.
func (s *Server) onNode(otherwise int, handle func(*request) (any, error)) func(*request) (any, error) {
	return func(q *request) (any, error) {
		if node := q.path["node"]; node != s.o.Node {
			return nil, fail(otherwise, "there is no node "+node)
		}
		return handle(q)
	}
}

// withNode declares routes, and for each one below /nodes/:node for that node
// alone. If there is but one node, both answer the same.
func (s *Server) withNode(some ...Route) (all []Route) {
	for i := range some {
		one := some[i]
		one.Path, one.Name, one.Summary = "/nodes/:node"+one.Path, strings.Replace(one.Name, "_", "_node_", 1), one.Summary+"; of one node"
		one.handle, one.spread = s.onNode(codeRPC, one.handle), toNode(codeRPC)
		all = append(all, some[i], one)
	}
	return all
}

// eachNode is withNode for what the first of the routes tells of each node by
// itself: [{node, name: …}]. Returns is what is in name.
func (s *Server) eachNode(r Route, name string) []Route {
	both := s.withNode(r)
	both[0].handle = func(q *request) (any, error) {
		data, err := r.handle(q)
		return []object{{"node": s.o.Node, name: data}}, err
	}
	both[0].spread = lists
	if r.Returns != "" {
		both[0].Returns = "[{node, " + name + ": " + r.Returns + "}]"
	}
	return both
}

func (s *Server) endpoints(q *request) (any, error) {
	rows := []object{}
	for i := range s.routes {
		if r := &s.routes[i]; r.Versions&q.version != 0 && r.isAt(q.door) {
			rows = append(rows, object{"name": r.Name, "method": r.Method, "path": r.Path, "descr": r.Summary})
		}
	}
	return rows, nil
}

func (s *Server) broker() any {
	now := time.Now()
	return object{
		"node": s.o.Node, "node_status": "Running", "version": s.o.Version, "sysdescr": "Dunlin", "otp_release": runtime.Version(),
		"uptime": uptime(now.Sub(s.started)), "datetime": now.Format(time.DateTime),
	}
}

// uptime writes a time as EMQ X does: 1 days, 4 hours, 21 minutes, 19 seconds.
func uptime(d time.Duration) string {
	var all []string
	rest := int64(d / time.Second)
	for _, unit := range []struct {
		name    string
		seconds int64
	}{{"days", 86400}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}} {
		if n := rest / unit.seconds; n > 0 || unit.seconds == 1 || len(all) > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, unit.name))
		}
		rest %= unit.seconds
	}
	return strings.Join(all, ", ")
}
