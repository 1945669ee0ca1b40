package clienttest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// basics are what the brokers of this file have in common.
const basics = "listener.tcp.external = 127.0.0.1:0\nallow_anonymous = true\n"

// external is a broker with basics and these settings, and the address of its
// listener.
func external(t *testing.T, settings ...string) (inProcess, string) {
	t.Helper()
	n := configured(t, basics+lines(settings...))
	return n, n.addr(t, "tcp", "external")
}

// TestMountpoint: clients live below a topic of their own and don't see it;
// who isn't mounted sees all.
func TestMountpoint(t *testing.T) {
	t.Parallel()
	n, addr := external(t, "listener.tcp.open = 127.0.0.1:0", "zone.external.mountpoint = site/%u/%c/", "zone.open.max_inflight = 10")
	all := connect(t, n.addr(t, "tcp", "open"), "all")
	all.subscribe(t, 1, "#")
	c := connect(t, addr, "c1", user("anna"), func(k *mqtt.Connect) { k.Will = &mqtt.Will{Topic: "will", Payload: []byte("gone")} })
	c.subscribe(t, 1, "+", "$share/g/shared/+")
	say := func(w *wire, topic, payload string) {
		t.Helper()
		w.send(t, &mqtt.Publish{Topic: topic, Payload: []byte(payload)})
	}
	say(c, "a", "1")
	c.expectMessage(t, "a", "1")
	all.expectMessage(t, "site/anna/c1/a", "1")
	say(all, "site/anna/c1/shared/x", "2")
	all.expectMessage(t, "site/anna/c1/shared/x", "2")
	c.expectMessage(t, "shared/x", "2")
	say(all, "a", "not for c1")
	all.expectMessage(t, "a", "not for c1")
	say(connect(t, addr, "c2", user("anna")), "a", "not for c1 either")
	all.expectMessage(t, "site/anna/c2/a", "not for c1 either")
	c.send(t, &mqtt.Pingreq{})
	expect[*mqtt.Pingresp](t, c)
	c.Close()
	all.expectMessage(t, "site/anna/c1/will", "gone")
}

// TestLimits: what a version 5 client is told it may do is what it may do.
func TestLimits(t *testing.T) {
	t.Parallel()
	f := func(name string, settings []string, announced func(*mqtt.Properties) bool, packet mqtt.Packet, answer string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, addr := external(t, settings...)
			w := open(t, addr)
			if k := w.connect(t, "c"); !announced(k.Props) {
				t.Errorf("CONNACK announces %v", k.Props)
			}
			w.send(t, packet)
			p, err := w.next(patience)
			if got := strings.ReplaceAll(fmt.Sprint(p, " ", err), " <nil>", ""); !strings.HasPrefix(got, answer) {
				t.Errorf("%v is answered with %s, expected %s", packet, got, answer)
			}
		})
	}
	has := func(which mqtt.Prop, value func(*mqtt.Properties) int, want int) func(*mqtt.Properties) bool {
		return func(p *mqtt.Properties) bool { return p.Has(which) && value(p) == want }
	}
	maxQoS := has(mqtt.PropMaximumQoS, func(p *mqtt.Properties) int { return int(p.MaximumQoS) }, 1)
	subscribe := func(filter string, qos mqtt.QoS) mqtt.Packet {
		return &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: filter, SubscribeOptions: mqtt.SubscribeOptions{QoS: qos}}}}
	}
	f("packet size", []string{"mqtt.max_packet_size = 1KB"},
		has(mqtt.PropMaximumPacketSize, func(p *mqtt.Properties) int { return int(p.MaximumPacketSize) }, 1024),
		&mqtt.Publish{Topic: "a", Payload: make([]byte, 1100)}, "DISCONNECT(Code=packet_too_large")
	f("packet size of a zone", []string{"mqtt.max_packet_size = 1MB", "zone.external.max_packet_size = 1KB"},
		has(mqtt.PropMaximumPacketSize, func(p *mqtt.Properties) int { return int(p.MaximumPacketSize) }, 1024),
		&mqtt.Publish{Topic: "a", Payload: make([]byte, 1100)}, "DISCONNECT(Code=packet_too_large")
	f("QoS of a publish", []string{"mqtt.max_qos_allowed = 1"}, maxQoS, &mqtt.Publish{Topic: "a", QoS: 2, PacketID: 1}, "DISCONNECT(Code=qos_not_supported")
	f("QoS of a subscription", []string{"zone.external.max_qos_allowed = 1"}, maxQoS, subscribe("a", 2), "SUBACK(PacketId=1, Codes=[granted_qos1])")
	f("retain", []string{"mqtt.retain_available = false"},
		has(mqtt.PropRetainAvailable, func(p *mqtt.Properties) int { return int(p.RetainAvailable) }, 0),
		&mqtt.Publish{Topic: "a", Retain: true}, "DISCONNECT(Code=retain_not_supported")
	f("wildcards", []string{"mqtt.wildcard_subscription = false"},
		has(mqtt.PropWildcardSubAvailable, func(p *mqtt.Properties) int { return int(p.WildcardSubAvailable) }, 0),
		subscribe("a/+", 0), "SUBACK(PacketId=1, Codes=[wildcard_subscriptions_not_supported])")
	f("shared", []string{"mqtt.shared_subscription = false"},
		has(mqtt.PropSharedSubAvailable, func(p *mqtt.Properties) int { return int(p.SharedSubAvailable) }, 0),
		subscribe("$share/g/a", 0), "SUBACK(PacketId=1, Codes=[shared_subscriptions_not_supported])")
	f("levels", []string{"mqtt.max_topic_levels = 2"}, func(*mqtt.Properties) bool { return true },
		&mqtt.Publish{Topic: "a/b/c", QoS: 1, PacketID: 1}, "DISCONNECT(Code=topic_name_invalid")
	f("subscriptions", []string{"zone.external.max_subscriptions = 1"}, func(*mqtt.Properties) bool { return true },
		&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "a"}, {Filter: "b"}}}, "SUBACK(PacketId=1, Codes=[success quota_exceeded])")
	f("awaiting rel", []string{"zone.external.max_awaiting_rel = 7"},
		has(mqtt.PropReceiveMaximum, func(p *mqtt.Properties) int { return int(p.ReceiveMaximum) }, 7), &mqtt.Pingreq{}, "PINGRESP")
	f("keep alive", []string{"zone.external.server_keepalive = 1", "zone.external.keepalive_backoff = 0.5"},
		has(mqtt.PropServerKeepAlive, func(p *mqtt.Properties) int { return int(p.ServerKeepAlive) }, 1),
		&mqtt.Publish{Topic: "a"}, "DISCONNECT(Code=keepalive_timeout")
}

// TestUsernameAsClientID: the user name is the client id, of sessions too.
func TestUsernameAsClientID(t *testing.T) {
	t.Parallel()
	n, addr := external(t, "zone.external.use_username_as_clientid = true")
	w := open(t, addr)
	if k := w.connect(t, "ignored", user("anna")); k.Props.AssignedClientID != "anna" {
		t.Errorf("CONNACK doesn't tell the client its id: %v", k)
	}
	same := open(t, addr)
	same.connect(t, "another", user("anna"))
	if k := expect[*mqtt.Disconnect](t, w); k.Code != mqtt.SessionTakenOver {
		t.Errorf("got %v", k)
	}
	if k := open(t, addr).connect(t, "nobody"); k.Code != mqtt.ClientIdentifierNotValid {
		t.Errorf("without a user name CONNECT is answered with %v", k)
	}
	n.expectEnded(t, "tcp", "external", map[string]uint64{"discarded": 1, "client_identifier_not_valid": 1})
}

// TestAccessRules: the first rule that matches decides. All of 127/8 is this
// machine, so one of its addresses is as good as a stranger's.
func TestAccessRules(t *testing.T) {
	t.Parallel()
	_, addr := external(t, "listener.tcp.external.access.1 = allow 127.0.0.1", "listener.tcp.external.access.2 = deny 127.0.0.0/8",
		"listener.tcp.external.access.3 = allow all")
	connect(t, addr, "welcome")
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: patience}
	nc, err := from.Dial("tcp", addr)
	if err != nil {
		t.Skipf("this system has no 127.0.0.2: %v", err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	if n, err := nc.Read(make([]byte, 1)); n > 0 || isTimeout(err) {
		t.Errorf("127.0.0.2 is not refused: %v", err)
	}
}

// TestMaxConnRate: connections above the rate wait in the kernel, and none is
// refused.
func TestMaxConnRate(t *testing.T) {
	t.Parallel()
	const rate, n = 20, 60
	b, addr := external(t, fmt.Sprint("listener.tcp.external.max_conn_rate = ", rate))
	began := time.Now()
	all := make([]*wire, n)
	for i := range all {
		all[i] = open(t, addr)
		all[i].send(t, &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: fmt.Sprint("c", i)})
	}
	for _, w := range all {
		if k := expect[*mqtt.Connack](t, w); k.Code != mqtt.Success {
			t.Errorf("got %v", k)
		}
	}
	took := time.Since(began)
	if least := (n - rate) * time.Second / rate * 8 / 10; took < least || took > 4*least {
		t.Errorf("%d connections at %d a second took %v", n, rate, took)
	}
	b.expectEnded(t, "tcp", "external", map[string]uint64{})
}

// TestPublishQuota: above the quota a publish is refused with 0x97, and when
// the window is over it is taken again. QoS 0 is dropped, and version 3
// clients aren't told.
func TestPublishQuota(t *testing.T) {
	t.Parallel()
	for _, quota := range []string{"conn_messages_routing", "overall_messages_routing"} {
		t.Run(quota, func(t *testing.T) {
			t.Parallel()
			_, addr := external(t, "zone.external.quota."+quota+" = 6,1s")
			sub, pub := connect(t, addr, "sub"), connect(t, addr, "pub")
			sub.subscribe(t, 1, "a")
			accepted, refused := 0, 0
			for began := time.Now(); time.Since(began) < 500*time.Millisecond; {
				switch code := pub.publish(t, "a", "x"); code {
				case mqtt.Success:
					accepted++
					sub.expectMessage(t, "a", "x")
				case mqtt.QuotaExceeded:
					refused++
				default:
					t.Fatalf("PUBLISH was answered with %v", code)
				}
			}
			// A publish to one subscriber takes two of the quota, which begins
			// with 6 and gains 3 in this time; the last may go into debt.
			if accepted < 3 || accepted > 6 || refused == 0 {
				t.Errorf("%d were accepted and %d refused", accepted, refused)
			}
			pub.send(t, &mqtt.Publish{Topic: "a", QoS: 2, PacketID: 9})
			if ack := expect[*mqtt.Ack](t, pub); ack.Kind != mqtt.TypePubrec || ack.Code != mqtt.QuotaExceeded {
				t.Errorf("QoS 2 is answered with %v", ack)
			}
			for began := time.Now(); pub.publish(t, "a", "again") != mqtt.Success; time.Sleep(20 * time.Millisecond) {
				if time.Since(began) > 3*time.Second {
					t.Fatal("nothing is accepted 3 s later, at a quota of 6 a second")
				}
			}
			sub.expectMessage(t, "a", "again")
		})
	}
}

// TestRatesHoldBack: above a rate the broker reads no further; all arrives,
// late. Who is held back for longer than its keep alive isn't thrown out.
func TestRatesHoldBack(t *testing.T) {
	t.Parallel()
	f := func(setting string, n, size int, took time.Duration) {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			b, addr := external(t, "listener.tcp.free = 127.0.0.1:0", setting)
			pub, sub := connect(t, addr, "pub", keepAlive(1)), connect(t, b.addr(t, "tcp", "free"), "sub")
			sub.subscribe(t, 0, "a")
			began := time.Now()
			for i := range n {
				pub.send(t, &mqtt.Publish{Topic: "a", Payload: fmt.Appendf(nil, "%*d", size, i)})
			}
			pub.send(t, &mqtt.Pingreq{})
			for i := range n {
				sub.expectMessage(t, "a", fmt.Sprintf("%*d", size, i))
			}
			// What is read in one go, up to 64 KB, is paid for afterwards.
			if got := time.Since(began); got < took*6/10 || got > took*3+time.Second {
				t.Errorf("%d messages of %d bytes took %v, expected %v", n, size, got, took)
			}
			expect[*mqtt.Pingresp](t, pub)
		})
	}
	f("listener.tcp.external.rate_limit = 100KB,1s", 300, 1024, 2*time.Second)
	f("listener.tcp.external.rate_limit = 100000,200000", 400, 1000, 2*time.Second) // rate, burst
	f("zone.external.rate_limit.conn_bytes_in = 100KB,1s", 300, 1024, 2*time.Second)
	f("zone.external.rate_limit.conn_messages_in = 50,1s", 150, 10, 2*time.Second)
	f("zone.external.publish_limit = 50,100", 200, 10, 2*time.Second)
}

// TestManyListeners: several of one kind, each with its zone; one is off.
func TestManyListeners(t *testing.T) {
	t.Parallel()
	n := configured(t, lines("allow_anonymous = true", "listener.tcp.a = 127.0.0.1:0", "listener.tcp.b = 127.0.0.1:0",
		"listener.tcp.c = off", "listener.tcp.b.zone = small", "listener.ws.w = 127.0.0.1:0", "listener.ws.w.mqtt_path = /other",
		"zone.small.max_packet_size = 100", "zone.small.max_qos_allowed = 0"))
	if all := n.Server.Listeners(); len(all) != 3 {
		t.Errorf("the listeners are %v", all)
	}
	a, b := open(t, n.addr(t, "tcp", "a")), open(t, n.addr(t, "tcp", "b"))
	if k := a.connect(t, "a"); k.Props.MaximumPacketSize != 1<<20 || k.Props.Has(mqtt.PropMaximumQoS) {
		t.Errorf("a: %v", k)
	}
	if k := b.connect(t, "b"); k.Props.MaximumPacketSize != 100 || !k.Props.Has(mqtt.PropMaximumQoS) || k.Props.MaximumQoS != 0 {
		t.Errorf("b: %v", k)
	}
	a.subscribe(t, 0, "x")
	b.send(t, &mqtt.Publish{Topic: "x", Payload: []byte("from b")})
	a.expectMessage(t, "x", "from b")
	for path, want := range map[string]string{"/other": "101", "/mqtt": "404"} {
		w := open(t, n.addr(t, "ws", "w"))
		fmt.Fprintf(w, "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path)
		w.SetReadDeadline(time.Now().Add(patience))
		status := make([]byte, len("HTTP/1.1 101"))
		if _, err := io.ReadFull(w, status); err != nil || !strings.HasSuffix(string(status), want) {
			t.Errorf("%s: %s (%v), expected %s", path, status, err, want)
		}
	}
}
