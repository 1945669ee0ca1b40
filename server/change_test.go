package server

import (
	"net"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// changed is the server's options with another zone and other limits.
func (ts *testServer) changed(z *broker.Zone, most, rate, clients int) *Options {
	o := &Options{Zone: func(*Named) (string, *broker.Zone) { return "external", z }, MaxClients: clients}
	for _, n := range ts.options.Listeners {
		n.MaxConnections, n.MaxConnRate = most, rate
		o.Listeners = append(o.Listeners, n)
	}
	return o
}

func TestChangeLimitsOfListeners(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0\nssl.b = 127.0.0.1:0")
	ts.Change(ts.changed(&ts.zone, 1, 7, 5))
	for _, l := range ts.opened() {
		if l.most.Load() != 1 || l.rate.Load() != 7 {
			t.Errorf("%s takes %d connections, %d a second", l.cfg.Key(), l.most.Load(), l.rate.Load())
		}
	}
	if ts.most.Load() != 5 {
		t.Errorf("%d clients may come", ts.most.Load())
	}
	first, err := net.Dial("tcp", ts.addr("tcp"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if !eventually(func() bool { return ts.status("tcp").Connections == 1 }) {
		t.Fatal("the first connection isn't counted")
	}
	second, err := net.Dial("tcp", ts.addr("tcp"))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := second.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := second.Read(make([]byte, 1)); err == nil {
		t.Errorf("the second connection got %d bytes", n)
	}
	if !eventually(func() bool { return ts.status("tcp").Ended["max_connections"] == 1 }) {
		t.Errorf("it was not refused for max_connections: %v", ts.status("tcp").Ended)
	}
	// A listener that is opened again keeps what was changed.
	if err := ts.RestartListener("tcp", "a"); err != nil {
		t.Fatal(err)
	}
	if got := ts.status("tcp").MaxConnections; got != 1 {
		t.Errorf("after a restart of the listener it takes %d", got)
	}
}

// TestChangeZone: a connection keeps the terms it came under, but for who may
// do what.
func TestChangeZone(t *testing.T) {
	ts := startTestServer(t, "tcp.a = 127.0.0.1:0")
	l := ts.opened()[0]
	tapes := &tapeListener{l, newPass(ts.broker)}
	connect := func(id string) *tape {
		k := tapes.connect(t)
		k.bring(mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, ClientID: id, CleanStart: true}, mqtt.V5))
		if k.conn.client == nil {
			t.Fatalf("%s is refused", id)
		}
		return k
	}
	old := connect("old")
	z := ts.zone
	z.MaxTopicAlias, z.EnableACL, z.ACLNomatch, z.Session.MaxInflight = 3, true, "deny", 5
	ts.Change(ts.changed(&z, 10, 0, 0))
	fresh := connect("fresh")
	if got := old.conn.listener.zone.MaxTopicAlias; got != 65535 {
		t.Errorf("the old connection may use %d aliases", got)
	}
	if got := fresh.conn.listener.zone.MaxTopicAlias; got != 3 {
		t.Errorf("the new connection may use %d aliases", got)
	}
	for _, k := range []*tape{old, fresh} {
		k.bring(mqtt.Append(nil, &mqtt.Publish{Topic: "t", QoS: 1, PacketID: 1}, mqtt.V5))
		if got := k.written(); got[len(got)-1] != byte(mqtt.NotAuthorized) && got[len(got)-2] != byte(mqtt.NotAuthorized) {
			t.Errorf("PUBACK % x, want not authorized", got)
		}
	}
}

// TestChangeKeepsQuotas that stay the same: what was used up is not given back.
func TestChangeKeepsQuotas(t *testing.T) {
	ts := newTestServer(t, "tcp.a = 127.0.0.1:0\ntcp.b = 127.0.0.1:0")
	ts.zone.ZoneRouting = config.Rate{Limit: 10, Window: time.Hour, Burst: 10}
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	quota := func() *sharedBucket {
		t.Helper()
		all := ts.opened()
		a, b := all[0].terms.Load().routing, all[1].terms.Load().routing
		if a != b {
			t.Error("the listeners of a zone have two quotas")
		}
		return a
	}
	first := quota()
	z := ts.zone
	z.MaxTopicAlias = 3
	ts.Change(ts.changed(&z, 10, 0, 0))
	if quota() != first {
		t.Error("the quota was filled anew")
	}
	y := z
	y.ZoneRouting.Limit, y.ZoneRouting.Burst = 20, 20
	ts.Change(ts.changed(&y, 10, 0, 0))
	if q := quota(); q == first || q.size != 20 {
		t.Error("another quota does not hold")
	}
	x := y
	x.ZoneRouting = config.Rate{}
	ts.Change(ts.changed(&x, 10, 0, 0))
	if quota() != nil || len(ts.quotas) != 0 {
		t.Errorf("no quota: %v, %d kept", quota(), len(ts.quotas))
	}
}
