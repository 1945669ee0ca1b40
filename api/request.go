package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds a request's body, in bytes, and maxOpenBody that of somebody
// who has not logged in.
const (
	maxBody     = 4 << 20
	maxOpenBody = 16 << 10
)

// request is one call of a Route.
type request struct {
	ctx     context.Context
	version Versions
	route   *Route
	path    map[string]string // the parts of the path that have names
	parts   []string          // all of them, behind the version
	params  params            // of query and body; a handler gets them checked
	sent    params            // as they came
	items   []params          // of a body that was an array; nil: it was none
	content []byte            // the body as it came, if Route.content

	door   door
	caller *caller
	http   *http.Request       // its body is read
	answer http.ResponseWriter // for the headers of an answer that has some of its own

	alone   bool     // this node answers for itself, as it is asked to, or by another
	slice   *slice   // the part of a list that is wanted, in the place of a page
	missing []string // nodes whose part the answer lacks

	longest int    // page
	accept  string // the types of answers that the caller takes
}

// params are values by name: string, int64, bool, time.Time or, for Any, what
// JSON decodes to, as the Param says.
type params map[string]any

// text returns a string, empty if there is none.
func (p params) text(name string) string {
	s, _ := p[name].(string)
	return s
}

// whole returns a number.
func (p params) whole(name string, otherwise int64) int64 {
	if n, ok := p[name].(int64); ok {
		return n
	}
	return otherwise
}

// flag returns a boolean.
func (p params) flag(name string) bool {
	b, _ := p[name].(bool)
	return b
}

// time returns a moment; the zero one never comes.
func (p params) time(name string) (t time.Time, ok bool) {
	t, ok = p[name].(time.Time)
	return t, ok
}

// errNotJSON is a body of something else.
var errNotJSON = errors.New("the body is not JSON")

// maxItems bounds an array in a body: in memory {} takes a hundred times its
// text.
const maxItems = 100_000

// errTooMany is an array of more.
var errTooMany = errors.New("the array has too many objects")

// readParams reads the query, then the body of at most so many bytes, which wins
// where both name a parameter. items is not nil if the body is an array.
func readParams(w http.ResponseWriter, r *http.Request, longest int64) (all params, items []params, err error) {
	if all, err = readQuery(r); err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longest))
	if err != nil {
		return nil, nil, err
	}
	text := strings.TrimSpace(string(body))
	switch {
	case text == "":
		return all, nil, nil
	case text[0] == '[':
		items, err = decodeItems(text)
		return all, items, err
	case text[0] == '{':
		return all, nil, decode(text, &all)
	}
	return nil, nil, errNotJSON
}

func readQuery(r *http.Request) (params, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errNotJSON
	}
	all := make(params)
	for name, values := range query {
		all[name] = values[0]
	}
	return all, nil
}

// readContent reads the query, and the body as it comes.
func readContent(w http.ResponseWriter, r *http.Request, longest int64) (all params, content []byte, err error) {
	if all, err = readQuery(r); err == nil {
		content, err = io.ReadAll(http.MaxBytesReader(w, r.Body, longest))
	}
	return all, content, err
}

func decode[T any](text string, into *T) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(into) != nil {
		return errNotJSON
	}
	if _, err := d.Token(); err != io.EOF {
		return errNotJSON
	}
	return nil
}

func decodeItems(text string) (items []params, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	_, err = d.Token()
	for items = []params{}; err == nil && d.More(); {
		if len(items) == maxItems {
			return nil, errTooMany
		}
		var one params
		err = d.Decode(&one)
		items = append(items, one)
	}
	if err == nil {
		_, err = d.Token()
	}
	if _, end := d.Token(); err != nil || end != io.EOF {
		return nil, errNotJSON
	}
	return items, nil
}

// check turns what came into what Params says. Names it doesn't know are left
// out; a text that was named and is empty is not the same as none.
func (r *Route) check(came params) (params, error) {
	checked := make(params)
	for i := range r.Params {
		p := &r.Params[i]
		raw, named := came[p.Name]
		switch {
		case raw != nil && raw != "":
			v, err := p.value(raw)
			if err != nil {
				return nil, err
			}
			checked[p.Name] = v
		case p.Required:
			return nil, fail(codeMissing, "missing mandatory params: "+quoted(r.required()))
		case named && p.Type == Text && p.OneOf == nil:
			checked[p.Name] = ""
		}
	}
	if r.Free {
		for name, raw := range came {
			if _, is := checked[name]; !is {
				checked[name] = raw
			}
		}
	}
	if r.Strict {
		return checked, r.checkNames(came)
	}
	return checked, nil
}

// checkNames refuses names that Params doesn't have.
func (r *Route) checkNames(came params) error {
	for _, name := range slices.Sorted(maps.Keys(came)) {
		if !slices.ContainsFunc(r.Params, func(p Param) bool { return p.Name == name }) {
			return fail(codeValue, fmt.Sprintf("there is no parameter %q here", name))
		}
	}
	return nil
}

// checkAll checks each object of an array.
func (r *Route) checkAll(came []params) []item {
	items := make([]item, len(came))
	for i, sent := range came {
		items[i].sent = sent
		items[i].params, items[i].err = r.check(sent)
	}
	return items
}

func (r *Route) required() (names []string) {
	for i := range r.Params {
		if r.Params[i].Required {
			names = append(names, r.Params[i].Name)
		}
	}
	return names
}

// lastSecond is the end of the year 9999, after which no moment can be kept. It
// stands for all later ones, such as those of who gave milliseconds.
const lastSecond = 253402300799

// value reads one value, which came as JSON or as the text of a query.
func (p *Param) value(raw any) (any, error) {
	s, isText := raw.(string)
	switch p.Type {
	case Any:
		return raw, nil
	case Text:
		switch {
		case !isText:
			return nil, fail(codeValue, fmt.Sprintf("bad %s: must be string", p.Name))
		case len(p.OneOf) > 0 && !slices.Contains(p.OneOf, s):
			return nil, fail(codeValue, fmt.Sprintf("value of '%s' must be one of: %s", p.Name, quoted(p.OneOf)))
		}
		return s, nil
	case Time:
		if s == never || s == undefined {
			return time.Time{}, nil
		}
		fallthrough
	case Whole:
		if n, ok := raw.(json.Number); ok {
			s = n.String()
		}
		v, err := strconv.ParseInt(s, 10, 64)
		switch {
		case err != nil:
			return nil, fail(codeValue, fmt.Sprintf("bad %s: must be integer", p.Name))
		case p.Type == Time:
			return time.Unix(min(max(v, 0), lastSecond), 0), nil
		}
		return v, nil
	default:
		if b, ok := raw.(bool); ok {
			return b, nil
		}
		if s == "true" || s == "false" {
			return s == "true", nil
		}
		return nil, fail(codeValue, fmt.Sprintf("bad %s: must be boolean", p.Name))
	}
}

func quoted(names []string) string { return "['" + strings.Join(names, "', '") + "']" }

// paging are the Params of a list that comes in pages.
func paging(more ...Param) []Param {
	return append(more,
		Param{Name: "_page", Type: Whole, Doc: "which page, from 1"},
		Param{Name: "_limit", Type: Whole, Doc: "how many a page holds"})
}

// page returns which part of a list is wanted: the first to return, how many,
// and what to say about it.
func (q *request) page(usual int) (from, limit int, m meta, err error) {
	if q.slice != nil {
		return max(q.slice.From, 0), max(q.slice.Limit, 1), meta{}, nil
	}
	number, limited := q.params.whole("_page", 1), q.params.whole("_limit", int64(min(usual, q.longest)))
	if number < 1 || limited < 1 {
		return 0, 0, meta{}, fail(codeValue, "_page and _limit must be at least 1")
	}
	limited = min(limited, int64(q.longest))
	number = min(number, 1<<31) // further than any list, and the product below stays in range
	return int((number - 1) * limited), int(limited), meta{Page: int(number), Limit: int(limited)}, nil
}

// paged answers with the part of all that is wanted, each of it as row shows it.
func paged[T, R any](q *request, all []T, row func(*T) R) (any, error) {
	from, limit, m, err := q.page(q.longest)
	if err != nil {
		return nil, err
	}
	m.Count = len(all)
	from = min(from, len(all))
	rows := []R{}
	for i := range all[from:min(from+limit, len(all))] {
		rows = append(rows, row(&all[from+i]))
	}
	return page{rows, m}, nil
}
