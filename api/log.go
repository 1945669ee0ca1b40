package api

import (
	"errors"
	"fmt"
)

// Logs is the log of the process, in EMQ X's words: the primary level, and
// handlers, each of which has a level and takes nothing below the primary one.
type Logs interface {
	Levels() (primary string, all []LogHandler)
	// SetPrimary sets the primary level, to one of LogLevels.
	SetPrimary(level string)
	// SetLevel sets the level of a handler; the error is ErrNoLogHandler.
	SetLevel(id, level string) error
	// Switch starts or stops a handler; the error is ErrNoLogHandler.
	Switch(id string, on bool) error
}

// ErrNoLogHandler says that there is no handler of this id.
var ErrNoLogHandler = errors.New("there is no such log handler")

// LogHandler is where the log goes to.
type LogHandler struct {
	ID          string // console, file, or file_for_ and a level
	Level       string
	Destination string // "console" or a path
	Started     bool
	Lost        int64 // lines that could not be written
}

// LogLevels are EMQ X's levels, from the lowest on.
func LogLevels() []string {
	return []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency", "all"}
}

// logRoutes show and change the log. EMQ X has them in its command line only.
func (s *Server) logRoutes() []Route {
	if s.o.Logs == nil {
		return nil
	}
	level := Param{Name: "level", Type: Text, Required: true, OneOf: LogLevels()}
	run := Param{Name: "status", Type: Text, Required: true, OneOf: []string{"started", "stopped"}}
	return s.withNode(
		Route{Method: "GET", Path: "/log", Versions: V4, Name: "get_log", Summary: "The levels of the log, and where it goes",
			Returns: "{primary_level, handlers: [{id, level, destination, status: 'started'|'stopped', lost: int}]}", handle: s.showLog},
		Route{Method: "PUT", Path: "/log/level", Versions: V4, Name: "set_log_level", Summary: "Set the primary level and those of all handlers, until the next start",
			Params: []Param{level}, handle: s.setLogLevels},
		Route{Method: "PUT", Path: "/log/primary_level", Versions: V4, Name: "set_primary_log_level", Summary: "Set the level below which nothing is logged, until the next start",
			Params: []Param{level}, handle: s.setPrimaryLogLevel},
		Route{Method: "PUT", Path: "/log/handlers/:id/level", Versions: V4, Name: "set_log_handler_level", Summary: "Set the level of a handler, until the next start",
			Params: []Param{level}, handle: s.setLogLevel},
		Route{Method: "PUT", Path: "/log/handlers/:id/status", Versions: V4, Name: "switch_log_handler", Summary: "Start or stop a handler, until the next start",
			Params: []Param{run}, handle: s.switchLog},
	)
}

func (s *Server) showLog(*request) (any, error) {
	primary, all := s.o.Logs.Levels()
	rows := []object{}
	for _, h := range all {
		status := "stopped"
		if h.Started {
			status = "started"
		}
		rows = append(rows, object{"id": h.ID, "level": h.Level, "destination": h.Destination, "status": status, "lost": h.Lost})
	}
	return object{"primary_level": primary, "handlers": rows}, nil
}

func (s *Server) setPrimaryLogLevel(q *request) (any, error) {
	s.o.Logs.SetPrimary(q.params.text("level"))
	return nil, nil
}

func (s *Server) setLogLevels(q *request) (any, error) {
	level := q.params.text("level")
	s.o.Logs.SetPrimary(level)
	_, all := s.o.Logs.Levels()
	for _, h := range all {
		if err := s.o.Logs.SetLevel(h.ID, level); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *Server) setLogLevel(q *request) (any, error) {
	id := q.path["id"]
	return nil, noLogHandler(id, s.o.Logs.SetLevel(id, q.params.text("level")))
}

func (s *Server) switchLog(q *request) (any, error) {
	id := q.path["id"]
	return nil, noLogHandler(id, s.o.Logs.Switch(id, q.params.text("status") == "started"))
}

// noLogHandler says which handler there isn't.
func noLogHandler(id string, err error) error {
	if errors.Is(err, ErrNoLogHandler) {
		return fail(codeValue, fmt.Sprintf("there is no log handler %q", id))
	}
	return err
}
