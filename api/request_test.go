package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	r := &Route{Params: []Param{
		{Name: "t", Type: Text}, {Name: "n", Type: Whole}, {Name: "b", Type: Flag}, {Name: "at", Type: Time},
		{Name: "one", Type: Text, OneOf: []string{"x", "y"}},
	}}
	f := func(name string, raw, want any) {
		t.Helper()
		got, err := r.check(params{name: raw})
		if s, isErr := want.(string); isErr && err != nil {
			if err.Error() != s {
				t.Errorf("%s = %v: %v, want %s", name, raw, err, s)
			}
			return
		}
		if err != nil || got[name] != want {
			t.Errorf("%s = %v: %v %v, want %v", name, raw, got[name], err, want)
		}
	}
	f("t", "x", "x")
	f("t", nil, "")
	f("t", "", "")
	f("n", "", nil)
	f("one", "", nil)
	f("t", json.Number("7"), "bad t: must be string")
	f("t", []any{"x"}, "bad t: must be string")
	f("n", json.Number("7"), int64(7))
	f("n", "7", int64(7))
	f("n", json.Number("7.5"), "bad n: must be integer")
	f("n", json.Number("99999999999999999999"), "bad n: must be integer")
	f("n", true, "bad n: must be integer")
	f("n", map[string]any{}, "bad n: must be integer")
	f("b", true, true)
	f("b", "false", false)
	f("b", json.Number("1"), "bad b: must be boolean")
	f("at", json.Number("60"), time.Unix(60, 0))
	f("at", json.Number("1795415664000"), time.Unix(lastSecond, 0)) // milliseconds
	f("at", json.Number("9223372036854775807"), time.Unix(lastSecond, 0))
	f("at", json.Number("-62135596800"), time.Unix(0, 0)) // would be the zero time, which never comes
	f("at", "infinity", time.Time{})
	f("at", "never", "bad at: must be integer")
	f("one", "y", "y")
	f("one", "z", "value of 'one' must be one of: ['x', 'y']")
	f("other", "x", nil)
}

func TestBodyWinsOverQuery(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/?a=1&b=2&a=3", strings.NewReader(`{"b":"body","c":null}`))
	all, items, err := readParams(httptest.NewRecorder(), r, maxBody)
	if err != nil || items != nil || all.text("a") != "1" || all.text("b") != "body" || len(all) != 3 {
		t.Errorf("%v %v %v", all, items, err)
	}
}

func TestArrays(t *testing.T) {
	f := func(body string, want int, why error) {
		t.Helper()
		_, items, err := readParams(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), maxBody)
		if len(items) != want || !errors.Is(err, why) || err == nil && items == nil {
			t.Errorf("%.30s: %d objects, %v; want %d, %v", body, len(items), err, want, why)
		}
	}
	f(" [] ", 0, nil)
	f(`[{"a":1},null, {}]`, 3, nil)
	for _, bad := range []string{"[", "[{}", "[{},]", "[{}] x", "[{}]]", "[1]", `[{"a":}]`, "[{} {}]", "[[]]"} {
		f(bad, 0, errNotJSON)
	}
	many := "[" + strings.Repeat("{},", maxItems-1) + "{}"
	f(many+"]", maxItems, nil)
	f(many+",{}]", 0, errTooMany)
	s, _ := newServer(t)
	if got := ask(s.handler(socket), from("@", "POST", "/api/v4/mqtt/publish_batch", many+",{}]")); got != "413 Request Entity Too Large" {
		t.Errorf("got %.100s", got)
	}
}

func TestPage(t *testing.T) {
	f := func(page, limit, wantFrom, wantLimit int) {
		t.Helper()
		q := &request{longest: 100, params: params{}}
		if page != 0 {
			q.params["_page"] = int64(page)
		}
		if limit != 0 {
			q.params["_limit"] = int64(limit)
		}
		from, n, m, err := q.page(50)
		if err != nil || from != wantFrom || n != wantLimit || m.Limit != wantLimit {
			t.Errorf("page %d of %d: from %d, %d rows, %+v, %v", page, limit, from, n, m, err)
		}
	}
	f(0, 0, 0, 50)
	f(3, 0, 100, 50)
	f(1, 7, 0, 7)
	f(2, 1000, 100, 100)
	q := &request{longest: 10}
	if from, n, _, err := q.page(50); from != 0 || n != 10 || err != nil {
		t.Errorf("the longest page is 10, not %d", n)
	}
}

// FuzzRead gives bodies and queries to every route; whatever comes, there is
// an answer, and it is no failure of the program.
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, n uint8, query, body string) {
		s, fakes := newServer(t, func(o *Options) { o.Config.DefaultSecret = "" })
		route := &s.routes[int(n)%len(s.routes)]
		r := httptest.NewRequest(route.Method, "/api/v4"+route.Path, strings.NewReader(body))
		r.URL.RawQuery = query
		if route.Versions == V3 {
			r.URL.Path = "/api/v3" + route.Path
		}
		w := httptest.NewRecorder()
		s.handler(socket).ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 && !strings.Contains(body, "panic") {
			t.Errorf("%s %s?%s %s: %d %s", route.Method, route.Path, query, body, w.Code, fakes.log.String())
		}
		if w.Code == 200 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("not JSON: %s", w.Body)
		}
	})
}

func TestUptime(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := uptime(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	f(0, "0 seconds")
	f(1500*time.Millisecond, "1 seconds")
	f(4*time.Hour+21*time.Minute+19*time.Second, "4 hours, 21 minutes, 19 seconds")
	f(24*time.Hour, "1 days, 0 hours, 0 minutes, 0 seconds")
}
