package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/trace"
)

// newTraced is a test server that isn't started yet, and its traces.
func newTraced(t *testing.T) (*testServer, *trace.Tracer) {
	t.Helper()
	ts := newTestServer(t, "tcp.a = 127.0.0.1:0")
	tr, err := trace.New(trace.Options{Dir: filepath.Join(ts.dir, "trace"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	ts.Server.trace = tr
	return ts, tr
}

func startTrace(t *testing.T, tr *trace.Tracer, kind, value string) {
	t.Helper()
	if err := tr.Start(trace.Spec{Name: kind, Type: kind, Value: value}); err != nil {
		t.Fatal(err)
	}
}

// tracedText ends a trace and returns what it has.
func (ts *testServer) tracedText(tr *trace.Tracer, name string) string {
	ts.t.Helper()
	text, err := os.ReadFile(filepath.Join(ts.dir, "trace", name+".log"))
	if err = errors.Join(err, tr.Stop(name)); err == nil {
		text, err = os.ReadFile(filepath.Join(ts.dir, "trace", name+".log"))
	}
	if err != nil {
		ts.t.Fatal(err)
	}
	return string(text)
}

// bring sends bytes on a connection of its own and returns when the server has
// closed it.
func (ts *testServer) bring(packets ...[]byte) {
	ts.t.Helper()
	nc := dial(ts.t, ts.addr("tcp"))
	defer nc.Close()
	for _, p := range packets {
		if _, err := nc.Write(p); err != nil && !errors.Is(err, net.ErrClosed) {
			return // it is closed already
		}
	}
	io.Copy(io.Discard, nc) // a reset is an end too
}

func TestTraceTellsWhatIsWrong(t *testing.T) {
	ts, tr := newTraced(t)
	ts.zone.MaxClientIDLen = 20
	ts.zone.MaxTopicAlias = 5
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	startTrace(t, tr, trace.IPAddress, "127.0.0.0/8")
	startTrace(t, tr, trace.Topic, "by/alias")
	token := "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk"
	connect := func(k *mqtt.Connect) []byte {
		k.Version, k.CleanStart = mqtt.V5, true
		return mqtt.Append(nil, k, mqtt.V5)
	}
	publish := func(k *mqtt.Publish) []byte { return mqtt.Append(nil, k, mqtt.V5) }
	alias := func(n uint16) *mqtt.Properties {
		return &mqtt.Properties{Present: mqtt.PropTopicAlias, TopicAlias: n}
	}
	over := mqtt.Append(nil, &mqtt.Disconnect{}, mqtt.V5)
	ts.bring([]byte("GET / HTTP/1.1\r\n\r\n"))
	ts.bring(mqtt.Append(nil, &mqtt.Pingreq{}, mqtt.V5))
	ts.bring(connect(&mqtt.Connect{ClientID: strings.Repeat("x", 21), Username: &token, Password: []byte("swordfish")}))
	ts.bring(connect(&mqtt.Connect{ClientID: "twice"}), connect(&mqtt.Connect{ClientID: "twice"}))
	ts.bring(connect(&mqtt.Connect{ClientID: "no alias"}), publish(&mqtt.Publish{Props: alias(3)}))
	ts.bring(connect(&mqtt.Connect{ClientID: "aliases", Will: &mqtt.Will{Topic: "w", Payload: []byte("last words")}}),
		publish(&mqtt.Publish{Topic: "by/alias", Props: alias(1), Payload: []byte("one")}), publish(&mqtt.Publish{Props: alias(1), Payload: []byte("two")}), over)
	ts.bring(connect(&mqtt.Connect{ClientID: "strange", Props: &mqtt.Properties{Present: mqtt.PropAuthMethod | mqtt.PropAuthData, AuthMethod: "X", AuthData: []byte("proof")}}))
	eventually(func() bool { return ts.status("tcp").Connections == 0 })

	ip, topic := ts.tracedText(tr, trace.IPAddress), ts.tracedText(tr, trace.Topic)
	for _, want := range []string{
		`event=connection peer=127.0.0.1:`,
		`event=closing peer=127.0.0.1:`, `why="PINGREQ before CONNECT"`,
		`event=refused clientid=` + strings.Repeat("x", 21), `why="the client identifier is longer than max_clientid_len"`, `Username=\"(token)\", Password=******`,
		`event=received clientid=twice`, `event=closing clientid=twice`, `reason=proto_unexpected_c why="a second CONNECT on one connection"`,
		`event=closing clientid="no alias"`, `why="the topic alias names no topic"`,
		`event=refused clientid=strange`, `why="the authentication method is not known here"`, `Authentication-Data=5 bytes`,
		`event=disconnected clientid=aliases`, `reason=normal`,
	} {
		if !strings.Contains(ip, want) {
			t.Errorf("there is no %s in\n%s", want, ip)
		}
	}
	if strings.Count(topic, "topic=by/alias payload=one") != 1 || strings.Count(topic, "topic=by/alias payload=two") != 1 {
		t.Errorf("the topic behind an alias isn't found:\n%s", topic)
	}
	log := ts.log.String()
	for _, secret := range []string{token, "swordfish", "last words", "proof"} {
		if strings.Contains(ip+topic+log, secret) {
			t.Errorf("%q is written", secret)
		}
	}
	if want := "client=" + strings.Repeat("x", 21) + " user=(token) peer=127.0.0.1:"; !strings.Contains(log, want) || !strings.Contains(log, "why=") {
		t.Errorf("the log has no %s:\n%s", want, log)
	}
}

// TestTraceOfSubscriptions tells what each filter was answered, and of
// superusers and zones for which nobody is asked.
func TestTraceOfSubscriptions(t *testing.T) {
	ts, tr := newTraced(t)
	ts.zone.EnableACL, ts.zone.WildcardSubscription = false, false
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	startTrace(t, tr, trace.Topic, "a/#")
	unsubscribe := mqtt.Append(nil, &mqtt.Unsubscribe{PacketID: 7, Filters: []string{"a/1", "a/2"}}, mqtt.V311)
	ts.bring(connectPacket("c"), subscribePacket("a/1"), subscribePacket("+/1"), subscribePacket("b"), unsubscribe, publishPacket("a/1", 0, 0),
		mqtt.Append(nil, &mqtt.Disconnect{}, mqtt.V311))
	text := ts.tracedText(tr, trace.Topic)
	for _, want := range []string{
		"event=acl clientid=c peer=", "topic=a/1 action=subscribe result=allow by=enable_acl\n", "filter=a/1 code=success\n",
		"filter=+/1 code=wildcard_subscriptions_not_supported\n", "event=unsubscription", "filter=a/2 code=no_subscription_existed\n",
		"topic=a/1 action=publish result=allow by=enable_acl\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "filter=b ") {
		t.Errorf("a filter with nothing in common is traced:\n%s", text)
	}
}

// TestTracesComeAndGo while clients talk; for the race detector. No answer to a
// client is lost by it.
func TestTracesComeAndGo(t *testing.T) {
	ts, tr := newTraced(t)
	ts.zone.EnableACL = true
	ts.broker.Access.Use(auth.Provider{Name: "all", Authorizer: allowAll{}})
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	var talking, switching sync.WaitGroup
	done := make(chan struct{})
	switching.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			name := fmt.Sprint("t", i)
			if err := errors.Join(tr.Start(trace.Spec{Name: name, Type: trace.Topic, Value: "#"}), tr.Delete(name)); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 4 {
		talking.Go(func() {
			nc := dial(t, ts.addr("tcp"))
			talk(t, nc, connectPacket(fmt.Sprint("c", i)), []byte{0x20, 2, 0, 0})
			for range 300 {
				talk(t, nc, publishPacket("t", 1, 5), []byte{0x40, 2, 0, 5})
			}
		})
	}
	talking.Wait()
	close(done)
	switching.Wait()
}
