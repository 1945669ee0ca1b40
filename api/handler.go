package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// handler answers the requests that come in by a door.
func (s *Server) handler(d door) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // the very value
				panic(p)
			} else if p != nil {
				s.log.Error("a request to the management API failed", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				writeText(w, http.StatusInternalServerError, "Internal Error")
			}
		}()
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		s.answer(w, r, d)
	})
}

// answer is the way of every request: what doesn't get as far as a handler is
// answered in plain text, as EMQ X does it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, d door) {
	path := decodedParts(r.URL)
	switch {
	case len(path) == 1 && path[0] == "status" && r.Method == http.MethodGet:
		writeText(w, http.StatusOK, fmt.Sprintf("Node %s is started\nemqx is running", s.o.Node))
		return
	case len(path) == 1 && path[0] == "livez" && r.Method == http.MethodGet:
		writeText(w, http.StatusOK, "ok")
		return
	case len(path) == 1 && path[0] == "readyz" && r.Method == http.MethodGet:
		s.serveReady(w)
		return
	case d != dashboard && s.isScrape(r, path):
		s.serveMetrics(w)
		return
	case len(path) == 1 && path[0] == "api-docs" && r.Method == http.MethodGet:
		if _, ok := s.admit(w, r, d, nil); ok {
			s.serveDocs(w, r)
		}
		return
	case d == dashboard && (len(path) == 0 || path[0] != "api"):
		s.servePages(w, r)
		return
	case len(path) < 2 || path[0] != "api":
		writeText(w, http.StatusBadRequest, "Not found.")
		return
	}
	version, ok := parseVersion(path[1])
	if !ok {
		writeText(w, http.StatusBadRequest, "Not found.")
		return
	}
	// A page of another site may send what a browser adds a remembered login to.
	if s.origin.Check(r) != nil {
		writeText(w, http.StatusForbidden, "Forbidden")
		return
	}
	route, values := s.tree.find(version, r.Method, path[2:])
	if route != nil && (!route.isAt(d) || route.exact && hasGap(r.URL)) {
		route = nil
	}
	who, ok := s.admit(w, r, d, route)
	if !ok {
		return
	}
	if route == nil {
		writeText(w, http.StatusNotFound, "Not found.")
		return
	}
	q, ok := s.read(w, r, version, route, values)
	if !ok {
		return
	}
	if r.Method != http.MethodGet {
		// Not the query: there may be passwords in it.
		s.log.Info("management", "by", who.name, "from", r.RemoteAddr, "method", r.Method, "path", r.URL.Path)
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	q.ctx, q.door, q.caller, q.http, q.answer = ctx, d, who, r, w
	data, err := s.run(q)
	s.write(w, q, data, err)
}

// read gets the parameters; what is wrong with them it answers itself.
func (s *Server) read(w http.ResponseWriter, r *http.Request, version Versions, route *Route, values []string) (*request, bool) {
	q := &request{version: version, route: route, path: route.named(values), parts: decodedParts(r.URL)[2:], longest: int(s.longest.Load()), accept: r.Header.Get("Accept"), alone: r.Header.Get(NodesHeader) == OwnNode}
	var err error
	switch {
	case route.content > 0:
		q.params, q.content, err = readContent(w, r, route.content)
	case route.open:
		q.params, q.items, err = readParams(w, r, maxOpenBody)
	default:
		q.params, q.items, err = readParams(w, r, maxBody)
	}
	tooLong := new(http.MaxBytesError)
	switch {
	case errors.As(err, &tooLong), errors.Is(err, errTooMany):
		writeText(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return nil, false
	case err != nil || q.items != nil && route.batch == nil:
		writeText(w, http.StatusBadRequest, "Bad Request")
		return nil, false
	}
	return q, true
}

// run checks the parameters and has the handlers of all nodes concerned answer.
func (s *Server) run(q *request) (any, error) {
	if q.items == nil {
		checked, err := q.route.check(q.params)
		if err != nil {
			return nil, err
		}
		q.sent, q.params = q.params, checked
	}
	if q.route.spread != nil && !q.alone {
		if all := s.members(); all != nil {
			return q.route.spread(s, q, all)
		}
	}
	return q.own()
}

// own has the handler of this node answer.
func (q *request) own() (any, error) {
	if q.items != nil {
		return q.route.batch(q, q.route.checkAll(q.items)), nil
	}
	return q.route.handle(q)
}

// write writes what handlers say.
func (s *Server) write(w http.ResponseWriter, q *request, data any, err error) {
	if refused, is := errors.AsType[*refusal](err); is {
		refused.write(w, false)
		return
	}
	if text, is := data.(plain); is {
		writePage(w, text)
		return
	}
	if file, is := data.(*download); is {
		if err := file.writeTo(w); err != nil {
			s.log.Info("a file was not downloaded to its end", "file", file.name, "err", err)
			panic(http.ErrAbortHandler)
		}
		return
	}
	if r, is := data.(*reply); is && err == nil {
		err = r.writeTo(w)
	} else if list, m, is := asRows(data); is && err == nil {
		err = writeRows(w, list, m, q.missing)
	} else {
		answer := shape(data, err)
		if len(q.missing) > 0 {
			answer["missing"] = q.missing
		}
		err = writeJSON(w, answer)
	}
	if err != nil {
		s.log.Debug("an answer of the management API could not be written", "err", err)
	}
}
