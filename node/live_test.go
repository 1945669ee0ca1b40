package node

import (
	"bufio"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// peer is an MQTT 3.1.1 client by hand.
type peer struct {
	t  *testing.T
	nc net.Conn
	in *bufio.Reader
}

// dial connects and returns the CONNACK's code; -1: the connection was closed
// without one.
func (n *changing) dial(id string) (*peer, int) {
	n.t.Helper()
	nc, err := net.Dial("tcp", n.Server.Listeners()[0].Addr.String())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		n.t.Fatal(err)
	}
	p := &peer{n.t, nc, bufio.NewReader(nc)}
	p.send(&mqtt.Connect{Version: mqtt.V311, ClientID: id, KeepAlive: 60})
	answer := make([]byte, 4)
	if _, err := io.ReadFull(p.in, answer); err != nil {
		return p, -1
	}
	return p, int(answer[3])
}

func (p *peer) send(packet mqtt.Packet) {
	p.t.Helper()
	if _, err := p.nc.Write(mqtt.Append(nil, packet, mqtt.V311)); err != nil {
		p.t.Logf("the connection is closed: %v", err)
	}
}

// next returns the next packet as bytes, none if the connection ends.
func (p *peer) next() []byte {
	head := make([]byte, 2)
	if _, err := io.ReadFull(p.in, head); err != nil {
		return nil
	}
	body := make([]byte, head[1]) // short ones only
	if _, err := io.ReadFull(p.in, body); err != nil {
		return nil
	}
	return slices.Concat(head, body)
}

// TestLiveTerms changes what holds for clients, and looks whether it does.
func TestLiveTerms(t *testing.T) {
	n := startChanging(t)
	code := func(want int) *peer {
		t.Helper()
		p, got := n.dial("c")
		if got != want {
			t.Errorf("CONNECT is answered with %d, want %d", got, want)
		}
		return p
	}
	old := code(0)
	inflight := func(want int) {
		t.Helper()
		if got := n.Broker.Client("c").Status().Zone.Session.MaxInflight; got != want {
			t.Errorf("max_inflight of the client is %d, want %d", got, want)
		}
	}
	inflight(32)
	n.set("", "zone.external.max_inflight=7")
	inflight(32) // as CONNACK has promised it
	old.send(&mqtt.Disconnect{})
	if old.next() != nil {
		t.Error("the connection is not closed")
	}
	old = code(0) // the session is the same one
	inflight(7)

	// Who may do what holds at once.
	old.send(&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "a"}}})
	if got := old.next(); len(got) != 5 || got[4] != 0 {
		t.Errorf("SUBACK % x", got)
	}
	n.set("", "acl_nomatch=deny")
	old.send(&mqtt.Subscribe{PacketID: 2, Filters: []mqtt.SubscribeFilter{{Filter: "b"}}})
	if got := old.next(); len(got) != 5 || got[4] != 0x80 {
		t.Errorf("SUBACK % x of a filter without a rule", got)
	}
	n.set("", "zone.external.acl_deny_action=disconnect")
	old.send(&mqtt.Subscribe{PacketID: 3, Filters: []mqtt.SubscribeFilter{{Filter: "b"}}})
	if got := old.next(); got != nil {
		t.Errorf("% x, want the end of the connection", got)
	}
	n.set("", "allow_anonymous=false")
	code(5)
	n.set("", "allow_anonymous=true")
	code(0)
	n.set("", "node.max_clients=1")
	_, refused := n.dial("d")
	if refused != 3 {
		t.Errorf("one client too many gets %d", refused)
	}
	n.set("", "node.max_clients=100", "listener.tcp.external.max_connections=1")
	if _, refused = n.dial("d"); refused != -1 {
		t.Errorf("one connection too many gets %d", refused)
	}
	if got := n.Server.Listeners()[0].MaxConnections; got != 1 {
		t.Errorf("the listener is said to take %d connections", got)
	}
}

// TestLiveParts changes what other parts take.
func TestLiveParts(t *testing.T) {
	n := startChanging(t)
	now := time.Now().UnixMilli()
	put := func(topic string) error {
		return n.Broker.Retained.Put(&mqtt.Message{Topic: topic, Payload: []byte("12345")}, now)
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	n.set("", "retainer.max_payload_size=4")
	if put("b") == nil {
		t.Error("a payload that is too large is kept")
	}
	n.set("", "retainer.max_payload_size=1MB", "retainer.max_retained_messages=1")
	if err := put("b"); err != nil { // b's was refused, and a's is gone by none
		t.Logf("the store is full: %v", err)
	} else {
		t.Error("a second topic is kept")
	}

	b := n.Broker.NewBatch()
	delay := func() mqtt.ReasonCode {
		code, _ := n.Broker.Publish(b, nil, &mqtt.Message{Topic: "$delayed/100/t", Timestamp: b.Now()})
		return code
	}
	if code := delay(); code.Failed() {
		t.Errorf("a delayed message: %v", code)
	}
	n.set("", "broker.max_delayed_messages=1")
	if code := delay(); code != mqtt.QuotaExceeded {
		t.Errorf("a delayed message too many: %v", code)
	}
	b.End()

	n.set("", "alarm.size_limit=1")
	for _, name := range []string{"one", "two"} {
		n.Alarms.Activate(name, name, alarm.Details{})
		n.Alarms.Deactivate(name)
	}
	if got := n.Alarms.History(); len(got) != 1 || got[0].Name != "two" {
		t.Errorf("the history is %v", got)
	}
	n.set("", "broker.sys_interval=0s", "broker.sys_heartbeat=1s", "management.max_row_limit=5", "acl_cache_ttl=2m", "log.level=debug")
}

// TestLiveLog: the level of the log follows the key.
func TestLiveLog(t *testing.T) {
	c := configured(t)
	log, err := c.Log.Open(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n, err := Start(c, log.Logger)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	if err := n.ChangeSettings("ann", map[string]string{"log.level": "debug"}); err != nil {
		t.Fatal(err)
	}
	primary, all := log.Levels()
	if primary != "debug" || len(all) != 1 || all[0].Level != "debug" {
		t.Errorf("%s %+v", primary, all)
	}
}
