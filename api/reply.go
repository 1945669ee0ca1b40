package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// EMQ X's result codes.
const (
	codeRPC     = 101 // another node could not be asked
	codeUnknown = 102
	codeLast    = 106 // the last administrator
	codeMissing = 107 // a parameter
	codeValue   = 108 // of a parameter
	codeOffline = 112 // no such client
	codeTopic   = 115 // no topic, or none that is valid
	codeQoS     = 116
)

// fault is an answer that says what was wrong. EMQ X has it with HTTP status
// 200.
type fault struct {
	code    int    // 0: the answer has no code at all
	word    string // in its place, for traces
	message string
}

func (f *fault) Error() string { return f.message }

func fail(code int, message string) error { return &fault{code: code, message: message} }

// failWithoutCode is for the endpoints whose errors EMQ X gives no code.
func failWithoutCode(message string) error { return &fault{message: message} }

// object is one of JSON.
type object = map[string]any

// page is a part of a list.
type page struct {
	data any
	meta meta
}

type meta struct {
	Page    int   `json:"page"`
	Limit   int   `json:"limit"`
	HasNext *bool `json:"hasnext,omitempty"` // whether more follows; nil: the list doesn't say
	Count   int   `json:"count"`             // of the whole list; -1: not counted
	chosen  int   // how many they are nevertheless
}

// total is how many rows the whole list has.
func (m *meta) total() int { return max(m.Count, m.chosen) }

// asItIs is an answer that has a shape of its own.
type asItIs object

// shape puts what a handler returned in the form of an answer.
func shape(data any, err error) object {
	if f, ok := errors.AsType[*fault](err); ok {
		switch {
		case f.word != "":
			return object{"code": f.word, "message": f.message}
		case f.code == 0:
			return object{"message": f.message}
		}
		return object{"code": f.code, "message": f.message}
	}
	if err != nil {
		return object{"code": codeUnknown, "message": err.Error()}
	}
	switch d := data.(type) {
	case nil:
		return object{"code": 0}
	case asItIs:
		return object(d)
	case page:
		return object{"code": 0, "data": d.data, "meta": d.meta}
	}
	return object{"code": 0, "data": data}
}

// mediaJSON is the type of answers.
const mediaJSON = "application/json"

// writeJSON writes an answer with status 200.
func writeJSON(w http.ResponseWriter, answer object) error {
	w.Header().Set("Content-Type", mediaJSON)
	e := json.NewEncoder(unended{w})
	e.SetEscapeHTML(false)
	return e.Encode(answer) // writes nothing before it has all
}

// unended leaves out the line end that an Encoder puts behind a value, without
// another copy of an answer that may be 10 MB long. Within a value there is
// none.
type unended struct{ io.Writer }

func (u unended) Write(p []byte) (int, error) {
	text := bytes.TrimSuffix(p, []byte("\n"))
	n, err := u.Writer.Write(text)
	return n + len(p) - len(text), err
}

// writeText writes an answer that is no JSON: EMQ X has these for everything
// that didn't reach a handler.
func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, text) // a peer that is gone needs no answer
}
