package api

import "github.com/dunlin-mq/dunlin/trace"

// fileTraceRoutes are for traces to files of the operator's choice, EMQ X's
// `trace start client ID FILE`: the node writes wherever it may, so they are
// there for the command line only.
func (s *Server) fileTraceRoutes() []Route {
	kind := Param{Name: "type", Type: Text, Required: true, OneOf: trace.Types()}
	value := Param{Name: "value", Type: Text, Required: true, Doc: "a client id, a topic filter, an address or a network"}
	const done = "{code: int} | {code: string, message}"
	return []Route{
		{Method: "GET", Path: "/log/traces", Name: "list_file_traces", Summary: "List the traces to files; on the socket only", local: true,
			Returns: "[{type, value, destination, size: int, lost: int, level, formatter, payload, payload_limit: int, max_size: int}]", handle: s.listFileTraces},
		{Method: "POST", Path: "/log/traces", Name: "start_file_trace", Summary: "Begin a trace to a file; on the socket only", local: true,
			Params: append([]Param{kind, value,
				{Name: "file", Type: Text, Required: true, Doc: "its path, from the working directory of the node on; it is appended to, and rotated once"},
			}, howToTrace()...),
			Whole: true, Returns: done, handle: s.startFileTrace},
		{Method: "DELETE", Path: "/log/traces", Name: "stop_file_trace", Summary: "End a trace to a file; on the socket only", local: true,
			Params: []Param{kind, value}, Strict: true, Whole: true, Returns: done, handle: s.stopFileTrace},
	}
}

func (s *Server) listFileTraces(*request) (any, error) {
	rows := []object{}
	all := s.o.Traces.Files()
	for i := range all {
		t := &all[i]
		row := traceRow(t)
		row["value"], row["destination"] = t.Value, t.File
		rows = append(rows, row)
	}
	return rows, nil
}

func (s *Server) startFileTrace(q *request) (any, error) {
	spec := traceSpec(q.params)
	spec.Type, spec.Value = q.params.text("type"), q.params.text("value")
	return nil, traceFault(spec.Value, s.o.Traces.StartFile(spec, q.params.text("file")))
}

func (s *Server) stopFileTrace(q *request) (any, error) {
	value := q.params.text("value")
	return nil, traceFault(value, s.o.Traces.StopFile(q.params.text("type"), value))
}
