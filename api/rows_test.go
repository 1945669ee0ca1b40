package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// plainJSON is what encoding/json makes of v.
func plainJSON(t *testing.T, v any) string {
	t.Helper()
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// TestRows compares every type of row with encoding/json.
func TestRows(t *testing.T) {
	as := func(r rows, v any) {
		t.Helper()
		got, err := r.MarshalJSON()
		if want := plainJSON(t, v); string(got) != want || err != nil {
			t.Errorf("%s (%v), want %s", got, err, want)
		}
	}
	as(rowsOf([]clientRow{{}, filled[clientRow](t)}, same), []clientRow{{}, filled[clientRow](t)})
	as(rowsOf([]connectionRow{filled[connectionRow](t)}, same), []connectionRow{filled[connectionRow](t)})
	as(rowsOf([]sessionRow{filled[sessionRow](t), {}}, same), []sessionRow{filled[sessionRow](t), {}})
	as(rowsOf([]subscriptionRow{filled[subscriptionRow](t)}, same), []subscriptionRow{filled[subscriptionRow](t)})
	as(rowsOf([]oldSubscriptionRow{filled[oldSubscriptionRow](t)}, same), []oldSubscriptionRow{filled[oldSubscriptionRow](t)})
	as(rowsOf([]routeRow{filled[routeRow](t)}, same), []routeRow{filled[routeRow](t)})
	as(rowsOf([]routeRow{}, same), []routeRow{})

	type inside struct {
		A string `json:"a,omitempty"`
	}
	type first struct {
		inside
		B int64 `json:"b"`
	}
	as(rowsOf([]first{{}, {inside{"x"}, -1}}, same), []first{{}, {inside{"x"}, -1}})
}

func same[T any](v T) T { return v }

// filled is a T in which every field has a value of its own.
func filled[T any](t *testing.T) (row T) {
	n := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for i := range v.NumField() {
			n++
			switch f := v.Field(i); f.Kind() {
			case reflect.Struct:
				fill(f)
			case reflect.String:
				f.SetString(fmt.Sprintf("<%d> \"é\"", n))
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Int, reflect.Int64:
				f.SetInt(int64(-n))
			default:
				f.SetUint(uint64(n))
			}
		}
	}
	fill(reflect.ValueOf(&row).Elem())
	return row
}

// TestRowWriterRefuses what it would write wrongly.
func TestRowWriterRefuses(t *testing.T) {
	f := func(v any) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%T: no panic", v)
			}
		}()
		newRowWriter(reflect.TypeOf(v))
	}
	f(struct {
		A float64 `json:"a"`
	}{})
	f(struct {
		A int `json:"a,omitempty"`
	}{})
	f(struct{ A int }{})
	f(struct {
		A routeRow `json:"a"`
	}{})
}

// TestWriteRows has more than is written at once.
func TestWriteRows(t *testing.T) {
	some := make([]routeRow, 3000)
	for i := range some {
		some[i] = routeRow{"node", strings.Repeat("x", i%100)}
	}
	w := httptest.NewRecorder()
	if err := writeRows(w, rowsOf(some, same), &meta{Page: 2, Limit: 3000, Count: 9000}, nil); err != nil {
		t.Fatal(err)
	}
	want := plainJSON(t, object{"code": 0, "data": some, "meta": meta{Page: 2, Limit: 3000, Count: 9000}})
	if got := w.Body.String(); got != want || len(got) < 2*rowsAtOnce {
		t.Errorf("%d bytes, want %d: %.200s", len(got), len(want), got)
	}
	gone := &goneWriter{ResponseRecorder: httptest.NewRecorder()}
	if err := writeRows(gone, rowsOf(some, same), nil, nil); !errors.Is(err, errGone) || gone.calls != 1 {
		t.Errorf("a peer that is gone: %v after %d writes", err, gone.calls)
	}
}

var errGone = errors.New("gone")

type goneWriter struct {
	*httptest.ResponseRecorder
	calls int
}

func (w *goneWriter) Write([]byte) (int, error) {
	w.calls++
	return 0, errGone
}

// FuzzAppendText compares with encoding/json.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b\\c", "\x00\x1f\n\r\t\b\f\x7f", "<&>", "é中😀", "\u2028\u2029\ufffd", "\xff\xc3", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(appendText(nil, s)), plainJSON(t, s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	})
}
