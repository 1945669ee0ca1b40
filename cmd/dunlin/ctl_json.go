package main

import (
	"bytes"
	"encoding/json"
	"io"
)

// printJSON prints what a verb has come to as one object in one line: the
// answer of the broker as it is, or, if the verb had several, one with the data
// of all. What the verb refuses without asking looks like a refusal of the
// broker.
func (r *remote) printJSON(refused error) error {
	if refused != nil && len(r.answers) == 0 {
		return writeJSON(r.out, &answer{Message: refused.Error()})
	}
	all, err := r.joined()
	if err != nil {
		return err
	}
	return writeJSON(r.out, all)
}

// joined is the answers as one. Lists become one list.
func (r *remote) joined() (*answer, error) {
	if r.shown != nil {
		return done(r.shown)
	}
	if len(r.answers) == 0 {
		return &answer{Code: json.RawMessage(success)}, nil
	}
	last := r.answers[len(r.answers)-1]
	if len(r.answers) == 1 || !last.ok() {
		return last, nil
	}
	var each, rows []json.RawMessage
	lists := true
	for _, a := range r.answers {
		var some []json.RawMessage
		lists = lists && json.Unmarshal(a.Data, &some) == nil
		each, rows = append(each, a.Data), append(rows, some...)
	}
	if lists {
		return done(append([]json.RawMessage{}, rows...))
	}
	return done(each)
}

// done is an answer with data.
func done(data any) (*answer, error) {
	var text bytes.Buffer
	err := writeJSON(&text, data)
	return &answer{Code: json.RawMessage(success), Data: bytes.TrimSpace(text.Bytes())}, err
}

// writeJSON writes a value in one line, with < and > as they are.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
