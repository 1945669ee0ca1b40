package http

import (
	"context"
	"encoding/json"
	"mime"
	nethttp "net/http"
	"net/url"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// Service takes requests to the services; connector/http is one. Both methods
// block until ctx ends at worst. They don't change the header, and may be
// called concurrently. An error means that there was no whole answer.
type Service interface {
	Do(ctx context.Context, method, url string, header nethttp.Header, body []byte) (status int, contentType string, answer []byte, err error)
	// Ping reports whether the host of a URL takes connections.
	Ping(ctx context.Context, url string) error
}

// request is a Question ready to be asked.
type request struct {
	service Service
	method  string
	url     string
	header  nethttp.Header
	params  Params
	json    bool
}

// newRequest returns nil for a question without a URL.
func newRequest(service Service, q *Question, common map[string]string) *request {
	if q.URL == "" {
		return nil
	}
	to := &request{service: service, method: strings.ToUpper(q.Method), url: q.URL, params: q.Params, header: make(nethttp.Header)}
	if before, _, hasFragment := strings.Cut(to.url, "#"); hasFragment {
		to.url = before
	}
	to.header.Set(contentType, mediaForm)
	if q.ContentType == "json" {
		to.header.Set(contentType, mediaJSON)
	}
	for _, headers := range []map[string]string{common, q.Headers} {
		for name, value := range headers {
			to.header.Set(headerName(name), value)
		}
	}
	media, _, _ := mime.ParseMediaType(to.header.Get(contentType))
	to.json = media == mediaJSON
	if to.method == nethttp.MethodGet {
		to.header.Del(contentType)
	}
	// A question may be asked twice without harm. Saying so has net/http ask
	// again when a kept connection turns out to be closed; it sends no such
	// header.
	to.header["Idempotency-Key"] = nil
	return to
}

// ask sends the question about r.
func (to *request) ask(ctx context.Context, r *auth.Request) (status int, answer []byte, err error) {
	target, body := to.url, ""
	switch {
	case to.method == nethttp.MethodGet:
		target = withQuery(to.url, to.form(r))
	case to.json:
		body = to.object(r)
	default:
		body = to.form(r)
	}
	status, _, answer, err = to.service.Do(ctx, to.method, target, to.header, []byte(body))
	return status, answer, err
}

func withQuery(target, query string) string {
	switch {
	case query == "":
		return target
	case strings.Contains(target, "?"):
		return target + "&" + query
	}
	return target + "?" + query
}

func (p Param) value(r *auth.Request) string {
	if p.Letter == 0 {
		return p.Text
	}
	value, _ := r.Placeholder(p.Letter)
	return value
}

// form writes the parameters in the order of the configuration.
func (to *request) form(r *auth.Request) string {
	var out strings.Builder
	for i, p := range to.params {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(url.QueryEscape(p.Name))
		out.WriteByte('=')
		out.WriteString(url.QueryEscape(p.value(r)))
	}
	return out.String()
}

// object writes the parameters as a JSON object of texts. Bytes of a password
// that are no UTF-8 can't be written so; U+FFFD stands for them.
func (to *request) object(r *auth.Request) string {
	var out strings.Builder
	for i, p := range to.params {
		out.WriteByte("{,"[min(i, 1)])
		name, _ := json.Marshal(p.Name) // a string can be written always
		value, _ := json.Marshal(p.value(r))
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	if len(to.params) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.String()
}
