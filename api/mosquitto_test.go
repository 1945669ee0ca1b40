package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/server"
)

// managed is a broker with one TCP listener and the API over the socket.
type managed struct {
	t    *testing.T
	port string
	http http.Client
}

func newManaged(t *testing.T) *managed {
	t.Helper()
	for _, tool := range []string{"mosquitto_sub", "mosquitto_pub"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	log, registry, hooks := slog.New(slog.DiscardHandler), new(metrics.Registry), new(hook.Points)
	var zone broker.Zone
	zone.SetDefaults()
	zone.AllowAnonymous, zone.ACLNomatch = auth.AnonymousAllowed, "allow"
	var settings broker.Config
	settings.Broker.SetDefaults()
	settings.Modules.SetDefaults()
	var access auth.Config
	access.SetDefaults()
	control := auth.New(auth.Options{Config: access, Metrics: registry, Log: log})
	t.Cleanup(control.Close)
	b := broker.New(broker.Options{
		Node: "dunlin@host", Config: settings, Hooks: hooks, Metrics: registry, Retained: retain.New(retain.Config{}), Access: control, Log: log,
	})
	t.Cleanup(b.Close)
	var l server.Listener
	l.SetDefaults()
	l.Address = config.NewAddress("127.0.0.1", 0)
	s, err := server.New(server.Options{
		Broker: b, Hooks: hooks, Metrics: registry, Log: log, MaxClients: 100, DataDir: t.TempDir(),
		Listeners: []server.Named{{Kind: "tcp", Name: "external", Listener: &l}},
		Zone:      func(*server.Named) (string, *broker.Zone) { return "external", &zone },
	})
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	dir := t.TempDir()
	o := api.Options{Node: "dunlin@host", DataDir: dir, Log: log, Broker: b, MQTT: s, Metrics: registry}
	o.Config.SetDefaults()
	o.Config.HTTP.Addresses = nil
	a, err := api.New(o)
	if err == nil {
		err = a.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	return &managed{t, strconv.Itoa(int(s.Listeners()[0].Addr.Port())), http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", api.Socket(dir))
		}, DisableKeepAlives: true,
	}}}
}

// ask makes one call and returns its answer.
func (m *managed) ask(method, path, body string) string {
	m.t.Helper()
	r, err := http.NewRequest(method, "http://dunlin/api"+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	w, err := m.http.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer w.Body.Close()
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(answer)
}

// wait asks until the answer holds all of want: clients come and go when they
// do.
func (m *managed) wait(path string, want ...string) string {
	m.t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got := m.ask(http.MethodGet, path, "")
		if !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(got, w) }) {
			return got
		}
		if time.Now().After(until) {
			m.t.Fatalf("%s: %s\nlacks one of %q", path, got, want)
		}
	}
}

// does makes a call that must succeed.
func (m *managed) does(method, path, body string) {
	m.t.Helper()
	var answer struct {
		Code    int
		Message string
	}
	if err := json.Unmarshal([]byte(m.ask(method, path, body)), &answer); err != nil || answer.Code != 0 || answer.Message != "" {
		m.t.Fatalf("%s %s: %+v, %v", method, path, answer, err)
	}
}

// subscriber is a mosquitto_sub.
type subscriber struct {
	*exec.Cmd
	out bytes.Buffer
}

func (m *managed) subscriber(args ...string) *subscriber {
	m.t.Helper()
	s := &subscriber{Cmd: exec.Command("mosquitto_sub", append([]string{"-p", m.port, "-W", "20", "-v"}, args...)...)}
	s.Stdout = &s.out
	if err := s.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if s.ProcessState == nil {
			_ = s.Process.Kill() // it may just have ended by itself
			_ = s.Wait()         // and says that it was killed
		}
	})
	return s
}

// prints waits for the end of s and compares what it has printed.
func (m *managed) prints(s *subscriber, want string) {
	m.t.Helper()
	if err := s.Wait(); err != nil || s.out.String() != want {
		m.t.Errorf("mosquitto_sub printed %q, %v; want %q", s.out.String(), err, want)
	}
}

func TestMosquitto(t *testing.T) {
	m := newManaged(t)
	s := m.subscriber("-V", "5", "-i", "lamp", "-u", "bob", "-q", "1", "-t", "t/+", "-t", "$share/g/u", "-C", "2")
	m.wait("/v4/clients/lamp", `"username":"bob"`, `"subscriptions_cnt":2`, `"connected":true`, `"proto_ver":5`, `"ip_address":"127.0.0.1"`)
	m.wait("/v4/clients?_like_clientid=am&conn_state=connected", `"count":-1`, `"lamp"`)
	m.wait("/v3/connection/username/bob", `"client_id":"lamp"`)
	m.wait("/v4/subscriptions?share=g", `"topic":"$share/g/u"`)
	m.wait("/v4/routes", `"topic":"t/+"`, `"topic":"u"`, `"count":2`)
	m.wait("/v4/nodes/dunlin@host/listeners", `"current_conns":1`, `"shutdown_count":[]`)
	m.does("POST", "/v4/mqtt/publish", `{"topics":"t/1,u","payload":"aGk=","encoding":"base64","qos":1,"clientid":"app"}`)
	m.prints(s, "t/1 hi\nu hi\n")
	m.wait("/v4/listeners", `"shutdown_count":{"normal":1}`)
	m.wait("/v4/clients/lamp", `"data":[]`)
}

// TestMosquittoSubscribeFor has an operator subscribe for a client that is
// there, and for one that is away.
func TestMosquittoSubscribeFor(t *testing.T) {
	m := newManaged(t)
	m.does("POST", "/v3/mqtt/publish", `{"topic":"r","payload":"kept","retain":true}`)
	s := m.subscriber("-i", "here", "-t", "nothing", "-C", "2")
	m.wait("/v4/subscriptions/here", `"topic":"nothing"`)
	m.does("POST", "/v3/mqtt/subscribe", `{"topic":"r","qos":1,"client_id":"here"}`)
	m.does("POST", "/v4/mqtt/publish", `{"topic":"r","payload":"live","qos":1}`)
	m.prints(s, "r kept\nr live\n")

	away := m.subscriber("-i", "away", "-c", "-q", "1", "-t", "nothing", "-E")
	m.prints(away, "")
	m.wait("/v3/sessions/away", `"client_id":"away"`)
	m.wait("/v4/clients/away", `"connected":false`, `"disconnected_at":"`)
	m.does("POST", "/v4/mqtt/subscribe_batch", `[{"topic":"r","qos":1,"clientid":"away"}]`)
	m.does("POST", "/v4/mqtt/publish", `{"topic":"r","payload":"later","qos":1}`)
	m.wait("/v4/clients/away", `"mqueue_len":1`)
	m.prints(m.subscriber("-i", "away", "-c", "-q", "1", "-t", "nothing", "-C", "1"), "r later\n")
	m.wait("/v4/clients?conn_state=connected", `"data":[]`)
	m.does("DELETE", "/v3/sessions/persistent/away", "")
	m.wait("/v3/sessions", `"data":[]`)
}

func TestMosquittoKick(t *testing.T) {
	m := newManaged(t)
	m.subscriber("-i", "lamp", "-t", "t")
	m.wait("/v4/subscriptions/lamp", `"topic":"t"`)
	if got := m.ask("DELETE", "/v3/clients/lamp", ""); got != `{"code":0,"result":[]}` {
		t.Errorf("got %s", got)
	}
	m.wait("/v3/listeners", `"kicked":1`)
	m.wait("/v4/nodes/dunlin@host/metrics", `"client.connected":2`) // mosquitto_sub connects again; by the list, the old one may still be there
	m.does("DELETE", "/v4/clients/lamp", "")
	m.wait("/v4/listeners", `"kicked":2`)
}
