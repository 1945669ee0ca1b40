package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/server"
)

// Listeners are those of MQTT. To stop and to restart ends the connections of a
// listener, and may take seconds; one that isn't there is server.ErrNoListener.
type Listeners interface {
	Listeners() []server.ListenerStatus
	StopListener(protocol, name string) error
	RestartListener(protocol, name string) error
}

// listenerRoutes tell where the node listens.
func (s *Server) listenerRoutes() []Route {
	if s.o.MQTT == nil {
		return nil
	}
	restart := s.changing(Listeners.RestartListener)
	change := s.withNode(
		Route{Method: "PUT", Path: "/listeners/:identifier/restart", Versions: V4, Name: "restart_listener",
			Summary: "Close a listener and open it again, which ends its connections and reads its certificates anew", Fails: []int{codeUnknown}, spread: everywhere, handle: restart},
		Route{Method: "PUT", Path: "/listeners/:identifier/stop", Versions: V4, Name: "stop_listener",
			Summary: "Close a listener, which ends its connections, until it is restarted", Fails: []int{codeUnknown}, spread: everywhere, handle: s.changing(Listeners.StopListener)},
	)
	return append(change, s.eachNode(Route{
		Method: "GET", Path: "/listeners", Versions: V3 | V4, Name: "list_listeners",
		Summary: "List the listeners with why connections have ended",
		Returns: "[{protocol, listen_on, identifier, acceptors: int, max_conns: int, current_conns: int, running: bool, shutdown_count: {*: int}|[any]}]", // [] for none
		handle:  func(*request) (any, error) { return s.listenerRows(), nil },
	}, "listeners")...)
}

// changing is a handler that does something to a listener.
func (s *Server) changing(do func(l Listeners, protocol, name string) error) func(*request) (any, error) {
	return func(q *request) (any, error) {
		protocol, name, err := s.identify(q.path["identifier"])
		if err != nil {
			return nil, err
		}
		return nil, do(s.o.MQTT, protocol, name)
	}
}

// identify finds the listener of MQTT that an identifier such as
// mqtt:tcp:external means; so does mqtt:tcp with an address or a port.
func (s *Server) identify(identifier string) (protocol, name string, err error) {
	if strings.HasPrefix(identifier, "http") {
		return "", "", &refusal{status: http.StatusForbidden, text: "http_listener_restart_unsupported"}
	}
	for _, l := range s.o.MQTT.Listeners() {
		rest, ok := strings.CutPrefix(identifier, "mqtt:"+l.Protocol+":")
		if ok && (rest == l.Name || rest == l.Addr.String() || rest == strconv.Itoa(int(l.Addr.Port()))) {
			return l.Protocol, l.Name, nil
		}
	}
	return "", "", fail(codeUnknown, "No such listener "+identifier)
}

// listenerRow is a listener. Acceptors mean nothing here: all of a node's
// listeners share its loops.
type listenerRow struct {
	Protocol      string `json:"protocol"`
	ListenOn      string `json:"listen_on"`
	Identifier    string `json:"identifier"`
	Acceptors     int    `json:"acceptors"`
	MaxConns      int    `json:"max_conns"`
	CurrentConns  int64  `json:"current_conns"`
	Running       bool   `json:"running"`
	ShutdownCount any    `json:"shutdown_count"`
}

func (s *Server) listenerRows() []listenerRow {
	all := []listenerRow{}
	for _, l := range s.o.MQTT.Listeners() {
		r := listenerRow{
			Protocol: "mqtt:" + l.Protocol, ListenOn: l.Addr.String(), Identifier: "mqtt:" + l.Protocol + ":" + l.Name,
			Acceptors: 1, MaxConns: l.MaxConnections, CurrentConns: l.Connections, Running: l.Running, ShutdownCount: []any{},
		}
		if len(l.Ended) > 0 {
			r.ShutdownCount = l.Ended
		}
		all = append(all, r)
	}
	own := func(kind string, h *HTTP) {
		for _, a := range h.Addresses {
			all = append(all, s.ownRow(kind, a, h.MaxClients))
		}
	}
	own("http:management", &s.o.Config.HTTP)
	own("https:management", &s.o.Config.HTTPS.HTTP)
	own("http:dashboard", &s.o.Dashboard.HTTP)
	own("https:dashboard", &s.o.Dashboard.HTTPS.HTTP)
	return all
}

// ownRow is one of this interface's own listeners.
func (s *Server) ownRow(kind string, a config.Address, most int) listenerRow {
	return listenerRow{
		Protocol: kind, ListenOn: a.String(), Identifier: fmt.Sprintf("%s:%d", kind, a.Port),
		Acceptors: 1, MaxConns: most, CurrentConns: s.conns[kind].Load(), Running: true, ShutdownCount: []any{},
	}
}
