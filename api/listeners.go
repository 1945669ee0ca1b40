package api

import (
	"fmt"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/server"
)

// Listeners are those of MQTT.
type Listeners interface {
	Listeners() []server.ListenerStatus
}

// listenerRoutes tell where the node listens.
func (s *Server) listenerRoutes() []Route {
	if s.o.MQTT == nil {
		return nil
	}
	return s.eachNode(Route{
		Method: "GET", Path: "/listeners", Versions: V3 | V4, Name: "list_listeners",
		Summary: "List the listeners with why connections have ended",
		Returns: "[{protocol, listen_on, identifier, acceptors: int, max_conns: int, current_conns: int, shutdown_count: {*: int}|[any]}]", // [] for none
		handle:  func(*request) (any, error) { return s.listenerRows(), nil },
	}, "listeners")
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
	ShutdownCount any    `json:"shutdown_count"`
}

func (s *Server) listenerRows() []listenerRow {
	all := []listenerRow{}
	for _, l := range s.o.MQTT.Listeners() {
		r := listenerRow{
			Protocol: "mqtt:" + l.Protocol, ListenOn: l.Addr.String(), Identifier: "mqtt:" + l.Protocol + ":" + l.Name,
			Acceptors: 1, MaxConns: l.MaxConnections, CurrentConns: l.Connections, ShutdownCount: []any{},
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
		Acceptors: 1, MaxConns: most, CurrentConns: s.conns[kind].Load(), ShutdownCount: []any{},
	}
}
