package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// answered is what a node says to a text that another has sent.
func answered(s *Server, text string) (h said, rest string) {
	got := make(chan []byte, 1)
	s.Answer("b", []byte(text), func(reply []byte) { got <- reply })
	head, tail, _ := bytes.Cut(<-got, []byte("\n"))
	if err := json.Unmarshal(head, &h); err != nil {
		panic(err)
	}
	return h, string(tail)
}

// What a node does for another is what routes say that it may be asked for.
func TestAnswer(t *testing.T) {
	all, f := newFleet(t, nil, "a", "b")
	a := all.nodes["a"]
	f["a"].clients.do(t, "connect c1 username=u1")
	expect := func(text string, status int, part string) {
		t.Helper()
		h, rest := answered(a, text)
		if h.Status != status || !strings.Contains(rest, part) {
			t.Errorf("%s: %+v %s", text, h, rest)
		}
	}
	expect(`{"version":"v4","method":"GET","path":["clients","c1"],"longest":10,"by":"admin"}`, 200, `"clientid":"c1"`)
	expect(`{"version":"v4","method":"GET","path":["clients"],"params":{"_gte_mqueue_len":"many"},"longest":10}`, 200, `"code":108`)
	expect(`{"version":"v4","method":"GET","path":["clients"],"slice":{"From":-5,"Limit":-5}}`, 200, `"clientid":"c1"`)
	expect(`nonsense`, 400, "Bad Request")
	expect(`{"version":"v4","method":"GET","path":["nothing"]}`, 404, "Not found.")
	expect(`{"version":"v9","method":"GET","path":["clients"]}`, 404, "Not found.")
	expect(`{"version":"v4","method":"GET","path":["clients"],"items":[{}]}`, 404, "Not found.")
	for _, r := range a.routes { // logins, and files anywhere, are no other node's business
		if (r.local || r.private || r.own || r.open) && r.spread != nil {
			t.Errorf("other nodes may ask for %s %s", r.Method, r.Path)
		}
	}
	expect(`{"version":"v4","method":"POST","path":["log","traces"],"params":{"type":"clientid","value":"c","file":"/tmp/x"}}`, 404, "Not found.")
	expect(`{"version":"v4","method":"GET","path":["users"]}`, 404, "Not found.")

	expect(`{"version":"v4","method":"DELETE","path":["clients","c1"],"by":"admin"}`, 200, `{"code":0}`)
	if log := f["a"].log.String(); !strings.Contains(log, `msg=management by=admin from=b@host method=DELETE path=/clients/c1`) {
		t.Errorf("the log says %s", log)
	}
	if asked := all.questions(); asked != "none" {
		t.Errorf("who was asked has asked others: %s", asked)
	}
	a.Stop()
	expect(`{"version":"v4","method":"GET","path":["clients","c1"]}`, 503, "the node stops")
}

// Who is asked too much says so at once: the engine's goroutine must go on.
func TestAnswerIsBounded(t *testing.T) {
	all, _ := newFleet(t, nil, "a", "b")
	a := all.nodes["a"]
	for range mostAsked {
		a.asked <- struct{}{}
	}
	if h, why := answered(a, `{}`); h.Status != http.StatusServiceUnavailable || why != "the node has too many questions to answer" {
		t.Error(h, why)
	}
	got := ask(all.nodes["b"].handler(socket), httptest.NewRequest(http.MethodGet, "/api/v4/clients", nil))
	if !strings.HasSuffix(got, `"missing":["a@host","gone@host"]}`) {
		t.Error(got)
	}
	for range mostAsked {
		<-a.asked
	}
}

// A failure of another node's handler ends neither node, and is that node's
// alone.
func TestAnswerAfterPanic(t *testing.T) {
	all, f := newFleet(t, func(o *Options) {
		if o.Node == "b@host" {
			o.Caches = brokenCaches{}
		}
	}, "a", "b")
	h, why := answered(all.nodes["b"], `{"version":"v4","method":"GET","path":["clients","c9","acl_cache"]}`)
	if h.Status != http.StatusInternalServerError || why != "Internal Error" {
		t.Error(h, why)
	}
	if !strings.Contains(f["b"].log.String(), "panic=") {
		t.Error(f["b"].log.String())
	}
	got := ask(all.nodes["a"].handler(socket), httptest.NewRequest(http.MethodGet, "/api/v4/clients/c9/acl_cache", nil))
	if got != `{"code":112,"message":"not_found","missing":["b@host","gone@host"]}` {
		t.Error(got)
	}
}

type brokenCaches struct{}

func (brokenCaches) ACLCache(string) *auth.Cache { panic("a bug") }

// A page is the same wherever it is asked for and however many questions it
// takes; none of these is for more than a share of the rows.
func TestPagesInPieces(t *testing.T) {
	all, f := newFleet(t, nil, "a", "b", "c")
	n := 2*rowsAsked + 500
	for i := range n {
		f["b"].clients.do(t, fmt.Sprintf("connect b%05d", i))
	}
	for i := range 10 {
		f["a"].clients.do(t, fmt.Sprintf("connect a%05d", i))
		f["c"].clients.do(t, fmt.Sprintf("connect c%05d", i))
	}
	var rows struct {
		Data []struct{ ClientID string }
		Meta meta
	}
	get := func(node, query string) (ids []string) {
		t.Helper()
		text := ask(all.nodes[node].handler(socket), httptest.NewRequest(http.MethodGet, "/api/v4/clients"+query, nil))
		rows.Data = nil
		if err := json.Unmarshal([]byte(text), &rows); err != nil {
			t.Fatal(err)
		}
		if rows.Meta.Count != n+20 {
			t.Error("count is", rows.Meta.Count)
		}
		for _, r := range rows.Data {
			ids = append(ids, r.ClientID)
		}
		return ids
	}
	whole := get("a", "")
	if len(whole) != n+20 || whole[9] != "a00009" || whole[10] != "b00000" || whole[n+10] != "c00000" {
		t.Fatal(len(whole))
	}
	all.questions()
	for _, node := range []string{"a", "b", "c"} {
		for _, limit := range []int{7, rowsAsked + 1} {
			var paged []string
			for page := 1; len(paged) < len(whole); page++ {
				some := get(node, fmt.Sprintf("?_page=%d&_limit=%d", page, limit))
				if len(some) == 0 {
					t.Fatal("the list ended")
				}
				if paged = append(paged, some...); limit == 7 && page == 4 {
					break
				}
			}
			for i := range paged {
				if paged[i] != whole[i] {
					t.Fatalf("row %d by %d at %s is %s, not %s", i, limit, node, paged[i], whole[i])
				}
			}
		}
	}
	all.questions()
	get("a", "?_limit=5")
	if asked := all.questions(); asked != "b GET /clients, c GET /clients" { // for the count alone
		t.Error(asked)
	}
}

func TestAnswerTooLong(t *testing.T) {
	w := &recorder{header: make(http.Header)}
	if _, err := w.Write(make([]byte, longestSay)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte{1}); err == nil || !w.long {
		t.Error("it was written")
	}
}
