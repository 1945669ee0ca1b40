package api

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/dunlin-mq/dunlin/linefile"
	"github.com/dunlin-mq/dunlin/trace"
)

// traceRoutes begin, end and show traces, in the shapes of EMQ X 4.4, whose
// errors have words for codes here.
func (s *Server) traceRoutes() []Route {
	if s.o.Traces == nil {
		return nil
	}
	const wrong = "{code: string, message, missing?: [string]}"
	const done = "{code: int, missing?: [string]} | " + wrong
	node := Param{Name: "node", Type: Text, Doc: "whose file it is"}
	routes := []Route{
		{Method: "GET", Path: "/trace", Name: "list_trace", Summary: "List the traces, the newest first",
			Returns: "[{name, type: 'clientid'|'topic'|'ip_address', clientid?, topic?, ip_address?, start_at, end_at, status: 'running'|'waiting'|'stopped', " +
				"log_size: {*: int}, size: int, lost: int, level, formatter: 'text'|'json', payload: 'text'|'hex'|'hidden', payload_limit: int, max_size: int}]",
			spread: sums(addTraces), handle: s.listTraces},
		{Method: "POST", Path: "/trace", Name: "create_trace", Summary: "Begin a trace; without times it runs for 10 minutes from now",
			Params: append([]Param{
				{Name: "name", Type: Text, Doc: "letters, digits, _ and -, a letter first"},
				{Name: "type", Type: Text, Doc: "clientid, topic or ip_address, which are the names of the value too"},
				{Name: "clientid", Type: Text, Doc: "of whom"},
				{Name: "topic", Type: Text, Doc: "a topic filter"},
				{Name: "ip_address", Type: Text, Doc: "an address, or a network such as 192.0.2.0/24"},
				{Name: "start_at", Type: Any, Doc: "RFC 3339, or Unix seconds"},
				{Name: "end_at", Type: Any, Doc: "the same"},
			}, howToTrace()...),
			Whole: true, Returns: done, spread: everywhere, handle: s.createTrace},
		{Method: "DELETE", Path: "/trace", Name: "clear_traces", Summary: "Delete all traces with their files",
			Whole: true, Returns: done, spread: everywhere, handle: func(*request) (any, error) { return nil, s.o.Traces.DeleteAll() }},
		{Method: "DELETE", Path: "/trace/:name", Name: "delete_trace", Summary: "Delete a trace with its file",
			Whole: true, Returns: done, spread: ofTrace, handle: func(q *request) (any, error) {
				return nil, traceFault(q.path["name"], s.o.Traces.Delete(q.path["name"]))
			}},
		{Method: "PUT", Path: "/trace/:name/stop", Name: "stop_trace", Summary: "End a trace; its file stays",
			Whole: true, Returns: "{code: int, data: {enable: bool, name}, missing?: [string]} | " + wrong, spread: ofTrace, handle: func(q *request) (any, error) {
				name := q.path["name"]
				return object{"enable": false, "name": name}, traceFault(name, s.o.Traces.Stop(name))
			}},
		{Method: "GET", Path: "/trace/:name/detail", Name: "detail_trace", Summary: "The files of a trace",
			Whole: true, Returns: "{code: int, data: [{node, size: int, mtime: int}], missing?: [string]} | " + wrong, spread: detailOfAll, handle: s.traceDetail},
		{Method: "GET", Path: "/trace/:name/download", Name: "download_trace", Summary: "The files of a trace, zipped",
			Params: []Param{node}, Media: "application/zip", Whole: true, Returns: wrong, spread: downloadTraces, handle: s.onOwnNode(s.downloadTrace)},
		{Method: "GET", Path: "/trace/:name/log", Name: "log_trace", Summary: "A part of the file of a trace",
			Params: []Param{node,
				{Name: "position", Type: Whole, Doc: "the byte where it begins; 0"},
				{Name: "bytes", Type: Whole, Doc: "how many at most; 1000"}},
			Whole: true, Returns: "{code: int, data: {meta: {position: int, bytes: int}, items}, missing?: [string]} | " + wrong, spread: fileOfNode, handle: s.onOwnNode(s.readTrace)},
	}
	routes = append(routes, s.fileTraceRoutes()...)
	for i := range routes {
		routes[i].Versions = V4
	}
	return routes
}

// howToTrace are the parameters of how a trace is written.
func howToTrace() []Param {
	return []Param{
		{Name: "level", Type: Text, OneOf: append(linefile.LevelNames(), "all"), Doc: "nothing below it is written; debug"},
		{Name: "formatter", Type: Text, OneOf: []string{"text", "json"}, Doc: "text"},
		{Name: "payload", Type: Text, OneOf: trace.Payloads(), Doc: "how those of messages are written; text"},
		{Name: "payload_limit", Type: Whole, Doc: "bytes of each; 1024"},
		{Name: "max_size", Type: Whole, Doc: "bytes of the file; 512 MB"},
	}
}

// traceSpec reads what howToTrace declares.
func traceSpec(p params) trace.Spec {
	return trace.Spec{
		Level: p.text("level"), JSON: p.text("formatter") == "json", Payload: p.text("payload"),
		PayloadLimit: int(min(p.whole("payload_limit", 0), trace.MostPayload+1)), MaxSize: p.whole("max_size", 0),
	}
}

// traceFault gives an error the form that EMQ X has for it.
func traceFault(name string, err error) error {
	answer := func(word, message string) error { return &fault{word: word, message: message} }
	switch invalid := trace.Invalid(""); {
	case errors.Is(err, trace.ErrExists):
		return answer("ALREADY_EXISTED", name+" Already Exists")
	case errors.Is(err, trace.ErrDuplicate):
		return answer("DUPLICATE_CONDITION", name+" Duplication Condition")
	case errors.Is(err, trace.ErrNotFound):
		return answer(traceNotFound, name+" NOT FOUND")
	case errors.As(err, &invalid):
		return answer("INCORRECT_PARAMS", string(invalid))
	}
	return err
}

// onOwnNode refuses a parameter node that names another one.
func (s *Server) onOwnNode(handle func(*request) (any, error)) func(*request) (any, error) {
	return func(q *request) (any, error) {
		if node := q.params.text("node"); node != "" && node != s.o.Node {
			return nil, &fault{word: "NODE_ERROR", message: "there is no node " + node}
		}
		return handle(q)
	}
}

func (s *Server) listTraces(*request) (any, error) {
	rows := []object{}
	all := s.o.Traces.List()
	for i := range all {
		t := &all[i]
		row := traceRow(t)
		row["name"], row["status"] = t.Name, t.Status
		row[t.Type] = t.Value
		row["start_at"], row["end_at"] = t.Start.Local().Format(time.RFC3339), t.End.Local().Format(time.RFC3339)
		row["log_size"] = object{s.o.Node: t.Size}
		rows = append(rows, row)
	}
	return rows, nil
}

// traceRow is what traces with a name and those to a file have in common.
func traceRow(t *trace.Status) object {
	formatter := "text"
	if t.JSON {
		formatter = "json"
	}
	return object{
		"type": t.Type, "size": t.Size, "lost": t.Lost, "level": t.Level, "formatter": formatter,
		"payload": t.Payload, "payload_limit": t.PayloadLimit, "max_size": t.MaxSize,
	}
}

func (s *Server) createTrace(q *request) (any, error) {
	spec := traceSpec(q.params)
	spec.Name, spec.Type = q.params.text("name"), q.params.text("type")
	spec.Value = q.params.text(spec.Type)
	err := errors.Join(traceTime(q.params["start_at"], &spec.Start), traceTime(q.params["end_at"], &spec.End))
	if err == nil {
		err = s.o.Traces.Start(spec)
	}
	return nil, traceFault(spec.Name, err)
}

// traceTime reads a moment; none leaves it as it is.
func traceTime(v any, at *time.Time) error {
	text := fmt.Sprint(v)
	if v == nil || text == "" {
		return nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		*at = time.Unix(min(max(seconds, 0), lastSecond), 0)
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return trace.Invalid("The rfc3339 specification not satisfied: " + text)
	}
	*at = t
	return nil
}

func (s *Server) traceDetail(q *request) (any, error) {
	f, err := s.o.Traces.Open(q.path["name"])
	if errors.Is(err, fs.ErrNotExist) { // it has not begun
		return []any{}, nil
	}
	if err != nil {
		return nil, traceFault(q.path["name"], err)
	}
	return []any{object{"node": s.o.Node, "size": f.Size, "mtime": f.Modified.UnixMilli()}}, f.Close()
}

func (s *Server) readTrace(q *request) (any, error) {
	position, n := q.params.whole("position", 0), q.params.whole("bytes", 1000)
	if position < 0 || n < 1 {
		return nil, traceFault("", trace.Invalid("position must be at least 0, and bytes at least 1"))
	}
	part, next, err := s.o.Traces.Read(q.path["name"], position, n)
	return object{"meta": object{"position": next, "bytes": n}, "items": string(part)}, traceFault(q.path["name"], err)
}
