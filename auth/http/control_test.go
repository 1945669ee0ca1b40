package http

import (
	"fmt"
	"io"
	nethttp "net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestUnderControl has a storm of clients on a service that answers, then on
// one that hangs, and waits for it to come back.
func TestUnderControl(t *testing.T) {
	const clients = 200
	var hangs atomic.Bool
	var asked atomic.Int32
	server := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		asked.Add(1)
		io.Copy(io.Discard, r.Body) // or the server doesn't see the client go
		if hangs.Load() {
			<-r.Context().Done()
		}
	})
	p := provider(t, server, "auth.http.auth_req = SERVER/auth")
	control := auth.New(auth.Options{}) // keeps no answers
	defer control.Close()
	use := func(timeout time.Duration) {
		patient := *p.Backend
		patient.Timeout = timeout
		control.Use(auth.Provider{Name: p.Name, Authenticator: p.Authenticator, Backend: &patient})
	}
	policy := &auth.Policy{}
	ask := func(id string, done func(auth.Outcome)) {
		r := &auth.Request{Client: &auth.Client{ClientID: id}, Password: []byte("x")}
		if o, decided := control.Authenticate(policy, r); decided {
			done(o) // the service is known to be down
		} else {
			control.AuthenticateLater(policy, r, done)
		}
	}
	storm := func(name string, want mqtt.ReasonCode) {
		t.Helper()
		var all sync.WaitGroup
		var right atomic.Int32
		for i := range clients {
			all.Add(1)
			ask(fmt.Sprint(name, i), func(o auth.Outcome) {
				if o.Code == want {
					right.Add(1)
				}
				all.Done()
			})
		}
		all.Wait()
		if right.Load() != clients {
			t.Errorf("%s: %d of %d clients got %v", name, right.Load(), clients, want)
		}
	}

	use(time.Minute)
	storm("up", mqtt.Success)
	if n := asked.Load(); n != clients {
		t.Errorf("asked %d times for %d clients", n, clients)
	}
	hangs.Store(true)
	use(200 * time.Millisecond)
	storm("hanging", mqtt.ServerUnavailable)
	hangs.Store(false)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got := make(chan mqtt.ReasonCode, 1)
		if ask("back", func(o auth.Outcome) { got <- o.Code }); <-got == mqtt.Success {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the service is back and nobody has noticed")
		}
	}
}
