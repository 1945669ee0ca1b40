package api

import (
	"encoding/json"
	"slices"

	"github.com/dunlin-mq/dunlin/trace"
)

// A trace runs on all nodes, for nobody knows to which its client comes. Each
// has a file of its own.

// ofTrace is everywhere for a trace that a node may lack: one that was down when
// it began, or was restarted since.
func ofTrace(s *Server, q *request, all []Member) (any, error) {
	data, err := q.own()
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	for _, r := range s.askAll(q, all) {
		switch {
		case r.absent():
		case r.failed():
			return nil, fail(codeUnknown, r.from.Name+": "+r.why())
		case err != nil:
			data, err = r, nil
		}
	}
	return data, err
}

// addTraces adds what another node has of the traces.
func addTraces(_ *request, total *[]object, one []object) {
	for _, row := range one {
		i := slices.IndexFunc(*total, func(t object) bool { return t["name"] == row["name"] })
		if i < 0 {
			*total = append(*total, row)
			continue
		}
		t := (*total)[i]
		sizes, _ := t["log_size"].(object)
		more, _ := row["log_size"].(object)
		for node, size := range more {
			sizes[node] = size
		}
		for _, name := range []string{"size", "lost"} {
			t[name] = number(t[name]) + number(row[name])
		}
		if row["status"] == trace.Running {
			t["status"] = trace.Running
		}
	}
}

// number is that of a handler, or of another node's answer.
func number(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case json.Number:
		i, err := n.Int64()
		if err != nil {
			return 0
		}
		return i
	}
	return 0
}

// fileOfNode has the node answer that the parameter node names; none is this
// one.
func fileOfNode(s *Server, q *request, all []Member) (any, error) {
	if q.params.text("node") == "" {
		return q.own()
	}
	return toNamed(s, q, all)
}

// detailOfAll is lists for files of which one that a node lacks is no error.
func detailOfAll(s *Server, q *request, all []Member) (any, error) {
	data, err := q.own()
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	files, _ := data.([]any)
	for _, r := range s.askAll(q, all) {
		var more []any
		if r.failed() {
			continue
		}
		if decode(string(r.body.Data), &more) == nil {
			files, err = append(files, more...), nil
		}
	}
	return files, err
}
