package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// What a cluster answers is made here out of what its nodes answer. The node
// that was asked asks the others, and writes one answer; the parts are in the
// order of the nodes' names. A node that is down or doesn't answer is left out,
// and named in the answer.

// writeTo passes on what another node has said, as it is.
func (r *reply) writeTo(w http.ResponseWriter) error {
	if r.Rows {
		return writeRows(w, rowsIn(r.text), r.Meta, nil)
	}
	w.Header().Set("Content-Type", r.Type)
	w.WriteHeader(r.Status)
	_, err := w.Write(r.text)
	return err
}

// rowsIn are rows that have been written, with commas between them.
func rowsIn(text []byte) rows {
	if len(text) == 0 {
		return rows{}
	}
	return rows{1, func(dst []byte, _ int) []byte { return append(dst, text...) }}
}

// joined are the rows of several lists.
func joined(lists []rows) rows {
	var all []func([]byte) []byte
	for _, list := range lists {
		for i := range list.count {
			all = append(all, func(dst []byte) []byte { return list.append(dst, i) })
		}
	}
	return rows{len(all), func(dst []byte, i int) []byte { return all[i](dst) }}
}

// rowsOfData is an array that a handler of this node has returned.
func rowsOfData(data any) (rows, error) {
	if list, _, is := asRows(data); is {
		return list, nil
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(data)
	return rowsIn(unbracketed(text.Bytes())), err
}

// inRows makes rows of a page of anything else.
func inRows(data any) (any, error) {
	p, is := data.(page)
	if !is {
		return data, nil
	}
	list, err := rowsOfData(p.data)
	return page{list, p.meta}, err
}

// unbracketed is what is in an array.
func unbracketed(text []byte) []byte {
	text = bytes.TrimSpace(text)
	if len(text) < 2 || text[0] != '[' {
		return nil
	}
	return bytes.TrimSpace(text[1 : len(text)-1])
}

// askAll asks the others at once and returns what those say that answer. Who
// doesn't is missing.
func (s *Server) askAll(q *request, all []Member) []*reply {
	replies := make([]*reply, len(all))
	var asking sync.WaitGroup
	for i, m := range all {
		if m.Self || !m.Alive {
			continue
		}
		asking.Go(func() {
			r, err := s.ask(q, m, nil)
			if err == nil && r.Status >= http.StatusInternalServerError {
				err = fmt.Errorf("node %s: %s", m.Name, r.text)
			}
			if err != nil {
				s.unanswered(q, m, err)
				return
			}
			replies[i] = r
		})
	}
	asking.Wait()
	for i, m := range all {
		if !m.Self && replies[i] == nil {
			q.missing = append(q.missing, m.Name)
		}
	}
	return slices.DeleteFunc(replies, func(r *reply) bool { return r == nil })
}

// unanswered logs why a node has no part in the answer. That one is down is
// said elsewhere.
func (s *Server) unanswered(q *request, m Member, err error) {
	if !m.Alive {
		return
	}
	s.log.Warn("a node has no part in an answer of the management API", "method", q.route.Method, "path", q.route.Path, "err", err)
}

// spread is how a cluster answers; see Route.
type spread func(s *Server, q *request, all []Member) (any, error)

// toNode has the node answer that the path names. down is the code if it can't.
func toNode(down int) spread {
	return func(s *Server, q *request, all []Member) (any, error) {
		return s.relay(q, all, q.path["node"], down)
	}
}

// toNamed has the node answer that the parameter node names.
func toNamed(s *Server, q *request, all []Member) (any, error) {
	return s.relay(q, all, q.params.text("node"), codeRPC)
}

// relay has the node of a name answer. That there is no such node is for this
// one to say.
func (s *Server) relay(q *request, all []Member, name string, down int) (any, error) {
	m, ok := named(all, name)
	if !ok || m.Self {
		return q.own()
	}
	if q.route.isPaged() {
		return pages(s, q, []Member{m})
	}
	r, err := s.ask(q, m, nil)
	if err != nil {
		return nil, fail(down, err.Error())
	}
	return r, nil
}

// lists has each node answer with an array, and answers with all in one.
func lists(s *Server, q *request, all []Member) (any, error) {
	data, err := q.own()
	if err != nil {
		return nil, err
	}
	own, err := rowsOfData(data)
	if err != nil {
		return nil, err
	}
	parts := make(map[string]rows)
	for _, r := range s.askAll(q, all) {
		if r.Rows {
			parts[r.from.ID] = rowsIn(r.text)
		} else {
			parts[r.from.ID] = rowsIn(unbracketed(r.body.Data))
		}
	}
	var some []rows
	for _, m := range all {
		if m.Self {
			some = append(some, own)
		} else {
			some = append(some, parts[m.ID])
		}
	}
	return joined(some), nil
}

// anywhere is for what one node has, and nobody knows which: a client. Who says
// that it isn't there is not believed before all have said so.
func anywhere(s *Server, q *request, all []Member) (any, error) {
	data, err := q.own()
	if !isAbsent(err) {
		return data, err
	}
	for _, r := range s.askAll(q, all) {
		if !r.absent() {
			q.missing = nil
			return r, nil
		}
	}
	return nil, err
}

// isAbsent reports whether an error says that a client isn't there.
func isAbsent(err error) bool {
	f, is := errors.AsType[*fault](err)
	return is && (f.code == codeOffline || f.word == traceNotFound || f.message == notFound)
}

// everywhere has every node do something, this one first: what it refuses no
// other is asked for. The answer is its own, or what the first that failed said.
func everywhere(s *Server, q *request, all []Member) (any, error) {
	data, err := q.own()
	if err != nil {
		return nil, err
	}
	for _, r := range s.askAll(q, all) {
		if r.failed() {
			return nil, fail(codeUnknown, r.from.Name+": "+r.why())
		}
	}
	return data, nil
}

// why is what a failed answer says.
func (r *reply) why() string {
	if r.body.Message != "" {
		return r.body.Message
	}
	return string(r.text)
}
