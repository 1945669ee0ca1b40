package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/server"
	"github.com/dunlin-mq/dunlin/topic"
	"github.com/dunlin-mq/dunlin/trace"
)

// clients are a real broker whose connections keep what they get.
type clients struct {
	*broker.Broker
	metrics metrics.Registry
	zone    broker.Zone
	traces  *trace.Tracer
	all     map[string]*fakeConn
}

func newClients(t testing.TB, access *auth.Control) *clients {
	c := &clients{all: make(map[string]*fakeConn)}
	var err error
	if c.traces, err = trace.New(trace.Options{Dir: filepath.Join(t.TempDir(), "trace"), Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.traces.Close(); err != nil {
			t.Error(err)
		}
	})
	o := broker.Options{
		Node: "dunlin@host", Hooks: new(hook.Points), Metrics: &c.metrics, Retained: retain.New(retain.Config{}), Access: access, Trace: c.traces,
	}
	o.Config.Broker.SetDefaults()
	o.Config.Modules.SetDefaults()
	c.zone.SetDefaults()
	c.zone.Session.MaxMqueueLen = 2
	c.Broker = broker.New(o)
	t.Cleanup(c.Close)
	return c
}

// do carries out one word about a client, and what follows it: connect ID
// [username=u] [mount=m/] [v=3] [tls], away ID, subscribe ID FILTER [qos2], pubrec ID, got ID,
// which returns what has come, tuned ID, which
// returns how it was tuned last, and alive ID, which returns whether its
// connection was ended.
func (c *clients) do(t testing.TB, line string) string {
	t.Helper()
	words := strings.Fields(line)
	b := c.NewBatch()
	defer b.End()
	id := words[1]
	conn := c.all[id]
	switch words[0] {
	case "connect":
		c.connect(b, id, words[2:])
	case "away":
		conn.client.Close(b, conn, "closed", nil, false)
	case "subscribe":
		f, err := topic.Parse(words[2])
		if err != nil {
			t.Fatal(err)
		}
		o := mqtt.SubscribeFilter{Filter: words[2], SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}}
		if len(words) == 4 {
			o.QoS = 2
		}
		if code, _ := c.Subscribe(b, conn.client, conn, f, o, 0); code.Failed() {
			t.Fatal(code)
		}
	case "pubrec":
		if err := conn.client.Pubrec(b, conn, 1, mqtt.Success); err != nil {
			t.Fatal(err)
		}
	case "got":
		return conn.take()
	case "tuned":
		return conn.tuned
	case "alive":
		return fmt.Sprint(conn.ended == broker.Ending{})
	default:
		t.Fatalf("what is %q?", line)
	}
	return ""
}

func (c *clients) connect(b *broker.Batch, id string, with []string) {
	conn := new(fakeConn)
	c.all[id] = conn
	listener := &hook.ListenerInfo{Name: "external", Protocol: "tcp", Zone: "external", Addr: netip.MustParseAddrPort("0.0.0.0:1883")}
	info := &hook.ClientInfo{ClientID: id, Version: mqtt.V5, Peer: netip.MustParseAddrPort("192.0.2.1:5000"), Listener: listener}
	for _, w := range with {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "username":
			info.Username = value
		case "mount":
			info.Mountpoint = value
		case "v":
			info.Version = mqtt.Version(value[0] - '0')
		case "tls":
			info.Cert = &hook.CertInfo{CommonName: id, Subject: "CN=" + id}
			listener.Protocol, listener.Zone = "wss", ""
		}
	}
	c.Open(b, &broker.Opening{
		Conn: conn, Zone: &c.zone, Accept: func(c *broker.Client, _ bool) { conn.client = c },
		Ask: &hook.ConnInfo{Client: info, ReceiveMaximum: 10, KeepAlive: 60, ExpiryInterval: 60},
	})
}

// fakeConn is a connection that keeps what it gets.
type fakeConn struct {
	client *broker.Client

	mu    sync.Mutex
	got   []string
	ended broker.Ending
	tuned string
}

// Tune is broker.Tunable's.
func (f *fakeConn) Tune(t broker.Tuning) {
	f.tuned = ""
	if t.KeepAlive != nil {
		f.tuned += fmt.Sprintf("keepalive %d ", *t.KeepAlive)
	}
	for name, r := range map[string]*config.Rate{"bytes": t.BytesIn, "messages": t.MessagesIn, "routing": t.Routing} {
		if r != nil {
			f.tuned += fmt.Sprintf("%s %d in %v ", name, r.Limit, r.Window)
		}
	}
}

func (f *fakeConn) Send(_ *broker.Batch, t *mqtt.Template, o *mqtt.PublishOptions) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := t.Message()
	text := fmt.Sprintf("%s=%s qos%d", m.Topic, m.Payload, o.QoS)
	if o.Retain {
		text += " retained"
	}
	if p := m.Props; p != nil {
		text += fmt.Sprintf(" %d %d %s %s %s %v", p.PayloadFormat, p.MessageExpiry, p.ContentType, p.ResponseTopic, p.CorrelationData, p.UserProperties)
	}
	f.got = append(f.got, text)
	return true
}

// take returns what has come and forgets it.
func (f *fakeConn) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := strings.Join(f.got, ", ")
	f.got = nil
	return got
}

func (f *fakeConn) End(why broker.Ending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = why
}

func (f *fakeConn) SendAck(*broker.Batch, mqtt.Type, uint16, mqtt.ReasonCode) {}
func (f *fakeConn) Full() bool                                                { return false }
func (f *fakeConn) Flush()                                                    {}
func (f *fakeConn) ACLCache() *auth.Cache                                     { return nil }
func (f *fakeConn) Traffic() broker.Traffic {
	return broker.Traffic{
		Reads: 2, BytesIn: 40, PacketsIn: 3, MessagesIn: [3]uint64{1, 2, 0}, Writes: 4, BytesOut: 50, PacketsOut: 5, MessagesOut: [3]uint64{0, 2, 1}, Refused: 1,
	}
}

// fakeListeners are two; done is what was done to them.
type fakeListeners struct{ done []string }

func (f *fakeListeners) StopListener(protocol, name string) error {
	f.done = append(f.done, "stop "+protocol+" "+name)
	return nil
}

func (f *fakeListeners) RestartListener(protocol, name string) error {
	if protocol == "ws" {
		return errors.New("the port is taken by another program")
	}
	f.done = append(f.done, "restart "+protocol+" "+name)
	return nil
}

func (*fakeListeners) Listeners() []server.ListenerStatus {
	return []server.ListenerStatus{
		{Protocol: "tcp", Name: "external", Running: true, Addr: netip.MustParseAddrPort("0.0.0.0:1883"), MaxConnections: 1000, Connections: 2,
			Ended: map[string]uint64{"normal": 3, "keepalive_timeout": 1}},
		{Protocol: "ws", Name: "external", Addr: netip.MustParseAddrPort("[::]:8083"), MaxConnections: 1000},
	}
}
