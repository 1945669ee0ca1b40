package clienttest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/peers"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// authService is an HTTP service that knows everybody and takes its time. It
// counts what it is asked.
type authService struct {
	*httptest.Server
	mu         sync.Mutex
	asked      map[string]int // by client id
	busy, most int
}

func startAuthService(t testing.TB, delay time.Duration) *authService {
	a := &authService{asked: make(map[string]int)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.count(r.FormValue("clientid"), 1)
		time.Sleep(delay)
		a.count("", -1)
		if r.FormValue("password") != "right" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *authService) count(id string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id != "" {
		a.asked[id]++
	}
	a.busy += n
	a.most = max(a.most, a.busy)
}

// seen tells what happened since the last call: how many calls, how many of
// them at once, and how many for an id that had been asked about before.
func (a *authService) seen() (calls, most, repeated int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.asked {
		calls += n
		repeated += n - 1
	}
	most, a.most = a.most, a.busy
	clear(a.asked)
	return calls, most, repeated
}

// TestStormOnAnAuthService: a whole fleet connects and subscribes at once, and
// every tenth client does so twice, while a service with 200 connections and
// 5 ms for an answer has to be asked about all of them; then the broker is
// killed and they all come again. The service sees no more than its 200, and
// nobody twice; a client that needs no service isn't held up.
func TestStormOnAnAuthService(t *testing.T) {
	const n, pool = 12_000, 200
	service := startAuthService(t, 5*time.Millisecond)
	settings := []string{
		"listener.tcp.external=" + freeAddress(t), "listener.tcp.internal=127.0.0.1:0", "zone.internal.bypass_auth_plugins=true",
		"allow_anonymous=false", "zone.internal.allow_anonymous=true",
		"loaded_plugins=emqx_auth_http", "auth.http.auth_req.url=" + service.URL, "auth.http.pool_size=" + strconv.Itoa(pool),
		"auth.http.auth_req.params=clientid=%c,username=%u,password=%P", "auth.http.timeout=30s", "auth_cache_ttl=1m", "auth.http.max_waiting=" + strconv.Itoa(2*n),
	}
	b := run(t, exec.Command(program), settings...)
	for round := range 2 {
		beside := besides(t, b.addr["tcp internal"])
		began := time.Now()
		crowd := rush(t, b.tcp(), n)
		took := time.Since(began)
		slowest := beside()
		calls, most, repeated := service.seen()
		t.Logf("round %d: %d clients in %v; the service had %d calls, %d at once; a client beside waited %v at most",
			round, n, took.Round(time.Millisecond), calls, most, slowest.Round(time.Millisecond))
		if calls != n || repeated != 0 {
			t.Errorf("the service was asked %d times about %d clients, %d times about one it had answered about", calls, n, repeated)
		}
		if most > pool {
			t.Errorf("the service had %d calls at once, expected at most %d", most, pool)
		}
		if round == 0 {
			b.cmd.Process.Kill() // its end is waited for
			<-b.gone
		}
		for _, w := range crowd {
			w.Close()
		}
		if round == 0 {
			b = run(t, exec.Command(program), settings...)
		}
	}
}

// rush has n clients connect and subscribe at once; then every tenth comes
// again.
func rush(t testing.TB, addr string, n int) []*wire {
	crowd := make([]*wire, n)
	name, password := "fleet", []byte("right")
	ask := func(i int) (err error) {
		if crowd[i], err = dialWire(addr); err != nil {
			return err
		}
		return crowd[i].trySend(
			&mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: fmt.Sprint("c", i), Username: &name, Password: password},
			&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: fmt.Sprint("to/", i)}}})
	}
	accepted := func(i int) error {
		p, err := crowd[i].next(patience)
		if k, ok := p.(*mqtt.Connack); !ok || k.Code != mqtt.Success {
			return fmt.Errorf("CONNECT was answered with %v (%v)", p, err)
		}
		p, err = crowd[i].next(patience)
		if k, ok := p.(*mqtt.Suback); !ok || k.Codes[0].Failed() {
			return fmt.Errorf("SUBSCRIBE was answered with %v (%v)", p, err)
		}
		return nil
	}
	each(t, n, ask)
	each(t, n, accepted)
	again := func(f func(int) error) func(int) error { return func(i int) error { return f(10 * i) } }
	each(t, n/10, again(func(i int) error { crowd[i].Close(); return ask(i) }))
	each(t, n/10, again(accepted))
	return crowd
}

// besides has a client of another listener connect again and again until the
// function it returns is called, which tells the longest time that one took.
func besides(t testing.TB, addr string) func() time.Duration {
	stop, slowest := make(chan struct{}), make(chan time.Duration)
	go func() {
		var longest time.Duration
		for i := 0; ; i++ {
			select {
			case <-stop:
				slowest <- longest
				return
			case <-time.After(5 * time.Millisecond):
			}
			began := time.Now()
			w, err := dialWire(addr)
			if err == nil {
				err = w.trySend(&mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: fmt.Sprint("beside", i)})
			}
			if err == nil {
				_, err = w.next(patience)
			}
			if err != nil {
				t.Errorf("a client that needs no service: %v", err)
				slowest <- longest
				return
			}
			longest = max(longest, time.Since(began))
			w.Close()
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-slowest
	}
}

// freeAddress is an address that nothing listens on, for a listener that must
// come back to it.
func freeAddress(t testing.TB) string {
	return fmt.Sprint("127.0.0.1:", peers.FreePort(t))
}
