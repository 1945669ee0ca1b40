package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/server"
)

// Health says what is wrong with the node, and what to do about it.
type Health struct {
	Warnings []string // a sentence each
	Backends []Backend
}

// Backend is one of the systems that are asked about clients.
type Backend struct {
	Name    string
	Up      bool
	Since   time.Time
	Error   string // the last one, which may be over; empty: none
	Waiting int    // questions that wait for their turn
	Busy    int    // questions under way
}

// healthRoutes tell how the node is. EMQ X has none.
func (s *Server) healthRoutes() []Route {
	return s.withNode(Route{
		Method: "GET", Path: "/health", Versions: V3 | V4, Name: "get_health", Summary: "What is wrong with the node that is asked",
		Returns: "{warnings: [string], backends: [{name, up: bool, since: int, error, waiting: int, busy: int}]}", handle: s.health,
	})
}

func (s *Server) health(*request) (any, error) {
	var h Health
	if s.o.Health != nil {
		h = s.o.Health()
	}
	backends := []object{}
	for _, b := range h.Backends {
		backends = append(backends, object{
			"name": b.Name, "up": b.Up, "since": b.Since.Unix(), "error": b.Error, "waiting": b.Waiting, "busy": b.Busy,
		})
	}
	return object{"warnings": append([]string{}, h.Warnings...), "backends": backends}, nil
}

// serveReady answers /readyz: whether clients can connect, as they can while
// nothing can be kept. Like /livez, which
// only says that the process answers, it needs no login and tells nothing else:
// load balancers and Kubernetes ask for them.
func (s *Server) serveReady(w http.ResponseWriter) {
	accepts := func(l server.ListenerStatus) bool { return l.Running }
	if s.evacuating() {
		writeText(w, http.StatusServiceUnavailable, errEvacuating.text)
		return
	}
	if s.o.MQTT == nil || !slices.ContainsFunc(s.o.MQTT.Listeners(), accepts) {
		writeText(w, http.StatusServiceUnavailable, "no MQTT listener is open")
		return
	}
	if s.o.Degraded != nil {
		if what := s.o.Degraded(); what != "" {
			writeText(w, http.StatusOK, "degraded: "+what)
			return
		}
	}
	writeText(w, http.StatusOK, "ok")
}
