package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// Every number of the account is in the sum: a field that somebody adds to it is
// not forgotten.
func TestAddAccount(t *testing.T) {
	q := &request{params: params{"_limit": int64(2)}}
	var a, b account
	v := reflect.ValueOf(&b).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Uint64:
			f.SetUint(3)
		case reflect.Int64:
			f.SetInt(3)
		}
	}
	a.Since, a.TopSince, b.Dropped = 9, 2, map[string]uint64{"expired": 2}
	a.Top = map[string]losers{"expired": {Clients: []loser{{ClientID: "x", Count: 5}, {ClientID: "y", Count: 4}}}}
	b.Top = map[string]losers{"expired": {Clients: []loser{{ClientID: "z", Count: 6}, {ClientID: "y", Count: 4}}}, "no_local": {Topics: []loser{{Topic: "t", Count: 1}}}}
	addAccount(q, &a, b)
	b.Since, b.TopSince = 3, 2 // the earliest
	b.Top = map[string]losers{
		"expired":  {[]loser{{ClientID: "y", Count: 8}, {ClientID: "z", Count: 6}}, []loser{}},
		"no_local": {[]loser{}, []loser{{Topic: "t", Count: 1}}},
	}
	b.MessagesDropped = map[string]uint64{}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\nwant\n%+v", a, b)
	}
}

func TestAddHistory(t *testing.T) {
	f := func(want, one, other string) {
		t.Helper()
		var a, b history
		for text, h := range map[string]*history{one: &a, other: &b} {
			if err := json.Unmarshal([]byte(text), h); err != nil {
				t.Fatal(err)
			}
		}
		addHistory(nil, &a, b)
		if got, err := json.Marshal(&a); err != nil || string(got) != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
	h := func(at int, series string) string {
		return fmt.Sprintf(`{"interval_ms":10000,"last_at":%d,"series":{%s}}`, at, series)
	}
	f(h(100000, `"n":[11,22,33]`), h(100000, `"n":[1,2,3]`), h(100000, `"n":[10,20,30]`))
	f(h(100000, `"n":[21,32,3]`), h(100000, `"n":[1,2,3]`), h(91000, `"n":[10,20,30]`))  // a moment late
	f(h(100000, `"n":[1,12,23]`), h(100000, `"n":[1,2,3]`), h(109000, `"n":[10,20,30]`)) // early
	f(h(100000, `"n":[1,2,13]`), h(100000, `"n":[1,2,3]`), h(100000, `"n":[10]`))        // not long there
	f(h(100000, `"n":[1]`), h(100000, `"n":[1]`), h(0, `"n":[10]`))
	f(h(100000, `"n":[10,2,null]`), h(100000, `"n":[null,2,null]`), h(100000, `"n":[10,null,null]`))
	f(h(100000, `"cpu_percent":[9,8],"latency_ms":[5,6]`), h(100000, `"cpu_percent":[9,2],"latency_ms":[5,6]`), h(100000, `"cpu_percent":[1,8],"latency_ms":[1,1]`))
	f(h(100000, `"n":[1]`), h(100000, `"n":[1]`), h(100000, `"m":[1]`))
	f(h(100000, `"n":[1]`), h(100000, `"n":[1]`), `{"interval_ms":5000,"last_at":100000,"series":{"n":[1]}}`)
}

func TestAddSlow(t *testing.T) {
	all := []slowRow{{ClientID: "a", Timespan: 9}, {ClientID: "b", Timespan: 5}}
	addSlow(nil, &all, []slowRow{{ClientID: "c", Timespan: 10}, {ClientID: "d", Timespan: 5}})
	if got := fmt.Sprint(all); got != "[{c 0  10 } {a 0  9 } {b 0  5 } {d 0  5 }]" {
		t.Error(got)
	}
}

// The file of another node is read in parts, and one that ends too soon is an
// error: nobody must take it for the whole.
func TestTraceOfAnotherNode(t *testing.T) {
	all, _ := newFleet(t, nil, "a", "b")
	a := all.nodes["a"].handler(socket)
	begin := httptest.NewRequest(http.MethodPost, "/api/v4/trace", strings.NewReader(`{"name":"one","type":"topic","topic":"#"}`))
	if got := ask(a, begin); !strings.HasPrefix(got, `{"code":0`) {
		t.Fatal(got)
	}
	long := `{"topic":"` + strings.Repeat("ä", 20_000) + `"}`
	for range 40 {
		ask(all.nodes["b"].handler(socket), httptest.NewRequest(http.MethodPost, "/api/v4/mqtt/publish", strings.NewReader(long)))
	}
	if got := ask(a, httptest.NewRequest(http.MethodPut, "/api/v4/trace/one/stop", http.NoBody)); !strings.HasPrefix(got, `{"code":0`) {
		t.Fatal(got)
	}
	file, err := all.nodes["b"].ownTrace("one")
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(file)
	if err != nil || file.Close() != nil || len(want) < 1<<20 {
		t.Fatal(err, len(want))
	}
	q := &request{ctx: t.Context(), version: V4, path: map[string]string{"name": "one"}, caller: &caller{}, longest: 1}
	q.route, _ = all.nodes["a"].tree.find(V4, "GET", []string{"trace", "one", "log"})
	text := &remoteText{s: all.nodes["a"], q: q, of: Member{ID: "b", Name: "b@host", Alive: true}, size: int64(len(want))}
	got, err := io.ReadAll(text)
	if err != nil || string(got) != string(want) {
		t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
	}
	text.at, text.size = int64(len(want))-10, int64(len(want))+10
	if _, err := io.ReadAll(text); err == nil || !strings.Contains(err.Error(), "node b@host: the file of the trace ended at byte") {
		t.Error(err)
	}
}
