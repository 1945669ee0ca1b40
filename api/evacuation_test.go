package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/server"
)

// fakeEvacuation of a node with 20 clients, of whom 5 are still here.
type fakeEvacuation struct{ now server.EvacuationStatus }

func (f *fakeEvacuation) Evacuate(e server.Evacuation) error {
	if f.now.State != server.NoEvacuation {
		return server.ErrEvacuating
	}
	f.now = server.EvacuationStatus{
		Evacuation: e, State: server.EvictingConnections, InitialConnected: 20, InitialSessions: 30, Connected: 5, Sessions: 12,
	}
	return nil
}

func (f *fakeEvacuation) EndEvacuation() error {
	if f.now.State == server.NoEvacuation {
		return server.ErrNotEvacuating
	}
	f.now = server.EvacuationStatus{}
	return nil
}

func (f *fakeEvacuation) Evacuation() server.EvacuationStatus { return f.now }

// TestReadiness: while a node is evacuated, load balancers and Kubernetes are
// told by both addresses to leave it alone.
func TestReadiness(t *testing.T) {
	f := new(fakeEvacuation)
	s, _ := newServer(t, func(o *Options) { o.Evacuation = f })
	h := s.handler(management)
	check := func(want int) {
		t.Helper()
		for _, path := range []string{"/readyz", "/api/v4/load_rebalance/availability_check"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
			}
		}
	}
	check(200)
	f.now.State = server.WaitingForChecks
	check(503)
	f.now.State = server.Evacuated
	check(503)
}

// TestEvacuateParams: what is asked for, and what is assumed.
func TestEvacuateParams(t *testing.T) {
	ask := func(body string) server.Evacuation {
		t.Helper()
		e := new(fakeEvacuation)
		s, _ := newServer(t, func(o *Options) { o.Evacuation = e })
		w := httptest.NewRecorder()
		s.handler(socket).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v4/load_rebalance/dunlin@host/evacuation/start", strings.NewReader(body)))
		if w.Body.String() != `{"code":0}` {
			t.Errorf("%s: %s", body, w.Body)
		}
		return e.now.Evacuation
	}
	if e := ask(""); len(e.Servers) != 0 || e.Moved || e.Rate != 500 || e.Wait != time.Minute || e.Takeover != time.Minute {
		t.Errorf("by default: %+v", e)
	}
	e := ask(`{"redirect_to":"a:1, b:2","server_reference":"c:3","moved":true,"conn_evict_rate":7,"wait_health_check":0,"wait_takeover":10000000000}`)
	if strings.Join(e.Servers, " ") != "a:1 b:2 c:3" || !e.Moved || e.Rate != 7 || e.Wait != 0 || e.Takeover != 1<<31*time.Second {
		t.Errorf("got %+v", e)
	}
}
