package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fleet are the nodes of a cluster, which ask each other in memory. Their ids
// are words, their names <id>@host.
type fleet struct {
	mu      sync.Mutex
	nodes   map[string]*Server
	members []Member
	asked   []string // the questions of which the tests want to know: "id METHOD path"
	deaf    map[string]error
}

// newFleet makes nodes that are each other's peers, and one that is down: gone.
func newFleet(t *testing.T, change func(*Options), ids ...string) (*fleet, map[string]*fakes) {
	t.Helper()
	f := &fleet{nodes: make(map[string]*Server), deaf: make(map[string]error)}
	all := make(map[string]*fakes)
	for _, id := range ids {
		f.nodes[id], all[id] = newServer(t, func(o *Options) {
			o.Node, o.Peers = id+"@host", &seat{f, id}
			if change != nil {
				change(o)
			}
		})
		t.Cleanup(f.nodes[id].Stop)
		f.members = append(f.members, Member{ID: id, Name: id + "@host", Alive: true})
	}
	f.members = append(f.members, Member{ID: "gone", Name: "gone@host"})
	slices.Reverse(f.members) // any order will do
	return f, all
}

// do carries out a word about a node: down, up, deaf, which has it never
// answer, or hears, which ends that.
func (f *fleet) do(t *testing.T, id, word string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.members, func(m Member) bool { return m.ID == id })
	switch word {
	case "down", "up":
		f.members[i].Alive = word == "up"
	case "deaf":
		f.deaf[id] = errors.New("the answer was lost")
	case "hears":
		delete(f.deaf, id)
	default:
		t.Fatalf("what is %q?", word)
	}
}

// questions are those since the last call.
func (f *fleet) questions() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.asked)
	all := strings.Join(f.asked, ", ")
	f.asked = nil
	return cmp.Or(all, "none")
}

// seat is what one of the nodes sees.
type seat struct {
	*fleet
	self string
}

func (s *seat) Members() []Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.members)
	for i := range all {
		all[i].Self = all[i].ID == s.self
	}
	return all
}

func (s *seat) Ask(ctx context.Context, id string, text []byte) ([]byte, error) {
	s.mu.Lock()
	to, err := s.nodes[id], s.deaf[id]
	var q question
	if err := decode(string(text), &q); err != nil {
		panic(err)
	}
	s.asked = append(s.asked, id+" "+q.Method+" /"+strings.Join(q.Path, "/"))
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	got := make(chan []byte, 1)
	to.Answer(s.self, text, func(reply []byte) { got <- reply })
	select {
	case reply := <-got:
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Who asks for it gets the answer of one node.
func TestOwnNode(t *testing.T) {
	all, f := newFleet(t, nil, "a", "b")
	f["b"].clients.do(t, "connect c2")
	r := httptest.NewRequest(http.MethodGet, "/api/v4/clients/c2", http.NoBody)
	r.Header.Set(NodesHeader, OwnNode)
	if got := ask(all.nodes["a"].handler(socket), r); got != `{"code":0,"data":[]}` || all.questions() != "none" {
		t.Error(got)
	}
}
