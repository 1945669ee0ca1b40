package clienttest

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestDisconnectWords: whatever ends a connection, its listener counts one
// word for it, once.
func TestDisconnectWords(t *testing.T) {
	t.Parallel()
	f := func(word, settings string, end func(t *testing.T, n inProcess, addr string)) {
		t.Helper()
		t.Run(word+" "+settings, func(t *testing.T) {
			t.Parallel()
			n := configured(t, lines(append([]string{"listener.tcp.external = 127.0.0.1:0", "allow_anonymous = true",
				"zone.external.idle_timeout = 10s"}, strings.Split(settings, ";")...)...))
			end(t, n, n.addr(t, "tcp", "external"))
			n.expectEnded(t, "tcp", "external", map[string]uint64{word: 1})
		})
	}
	// says is a client that connects and says one more thing.
	says := func(packets ...mqtt.Packet) func(*testing.T, inProcess, string) {
		return func(t *testing.T, _ inProcess, addr string) { connect(t, addr, "c").send(t, packets...) }
	}
	// sends is a client that sends these bytes, after its CONNECT if it has one.
	sends := func(connected bool, text string) func(*testing.T, inProcess, string) {
		return func(t *testing.T, _ inProcess, addr string) {
			w := open(t, addr)
			if connected {
				w.connect(t, "c")
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	refused := func(change ...func(*mqtt.Connect)) func(*testing.T, inProcess, string) {
		return func(t *testing.T, _ inProcess, addr string) {
			w := open(t, addr)
			if k := w.connect(t, "c", change...); !k.Code.Failed() {
				t.Errorf("CONNECT was answered with %v", k)
			}
		}
	}
	subscribe := func(filter string) mqtt.Packet {
		return &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: filter}}}
	}
	publish := func(topic string) mqtt.Packet { return &mqtt.Publish{Topic: topic} }

	// How clients leave.
	f("normal", "", says(&mqtt.Disconnect{}))
	f("disconnect_with_will_message", "", says(&mqtt.Disconnect{Code: mqtt.DisconnectWithWill}))
	f("closed", "", func(t *testing.T, _ inProcess, addr string) { connect(t, addr, "c").Close() })
	f("closed", "", func(t *testing.T, _ inProcess, addr string) { open(t, addr).Close() })
	f("econnreset", "", func(t *testing.T, _ inProcess, addr string) {
		w := connect(t, addr, "c")
		w.Conn.(*net.TCPConn).SetLinger(0)
		w.Close()
	})

	// Time.
	f("keepalive_timeout", "", func(t *testing.T, _ inProcess, addr string) {
		w := connect(t, addr, "c", keepAlive(1))
		if k := expect[*mqtt.Disconnect](t, w); k.Code != mqtt.KeepAliveTimeout {
			t.Errorf("got %v", k)
		}
	})
	f("idle_timeout", "zone.external.idle_timeout = 1s", func(t *testing.T, _ inProcess, addr string) { expectEnd(t, open(t, addr)) })
	f("etimedout", "listener.tcp.external.send_timeout = 1s;listener.tcp.external.sndbuf = 4KB", func(t *testing.T, _ inProcess, addr string) {
		w := connect(t, addr, "c")
		w.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		w.subscribe(t, 0, "a")
		w.SetWriteDeadline(time.Now().Add(patience))
		for range 1000 {
			if err := w.trySend(&mqtt.Publish{Topic: "a", Payload: make([]byte, 10<<10)}); err != nil {
				return // it was closed
			}
		}
	})

	// Others.
	f("discarded", "", func(t *testing.T, _ inProcess, addr string) {
		old := connect(t, addr, "c")
		connect(t, addr, "c")
		if k := expect[*mqtt.Disconnect](t, old); k.Code != mqtt.SessionTakenOver {
			t.Errorf("got %v", k)
		}
	})
	f("takeovered", "", func(t *testing.T, _ inProcess, addr string) {
		old := connect(t, addr, "c", resume)
		connect(t, addr, "c", resume)
		if k := expect[*mqtt.Disconnect](t, old); k.Code != mqtt.SessionTakenOver {
			t.Errorf("got %v", k)
		}
	})
	f("kicked", "", func(t *testing.T, n inProcess, addr string) {
		w := connect(t, addr, "c")
		batch := n.Broker.NewBatch()
		if !n.Broker.Kick(batch, "c") {
			t.Error("there is no such client")
		}
		batch.End()
		if k := expect[*mqtt.Disconnect](t, w); k.Code != mqtt.AdministrativeAction {
			t.Errorf("got %v", k)
		}
	})

	// What is no MQTT.
	f("function_clause", "", sends(true, "\x82\x02\x00\x01")) // SUBSCRIBE without a filter, ends in its middle
	f("function_clause", "", sends(true, "\x82\x06\x00\x01\x00\x00\x09a"))
	f("malformed_variable_byte_integer", "", sends(true, "\x82\xFF\xFF\xFF\xFF\x01"))
	f("utf8_string_invalid", "", sends(true, "\x82\x07\x00\x01\x00\x00\x01\xFF\x00"))
	f("bad_frame_header", "", sends(true, "\x80\x00"))
	f("bad_packet_id", "", sends(true, "\x82\x07\x00\x00\x00\x00\x01a\x00"))
	f("bad_subqos", "", sends(true, "\x82\x07\x00\x01\x00\x00\x01a\x03"))
	f("frame_too_large", "zone.external.max_packet_size = 1KB", sends(true, "\x30\x81\x10\x00\x01a"))
	f("function_clause", "", sends(false, "\x10\x04\x00\x04MQ"))

	// What is none at this point.
	f("proto_unexpected_c", "", says(&mqtt.Connect{Version: mqtt.V5, ClientID: "c"}))
	f("protocol_error", "", sends(false, "\xC0\x00"))
	f("topic_filter_invalid", "", says(subscribe("a/#/b")))
	f("topic_name_invalid", "", says(publish("a/+")))
	f("topic_alias_invalid", "mqtt.max_topic_alias = 5", says(&mqtt.Publish{Props: &mqtt.Properties{Present: mqtt.PropTopicAlias, TopicAlias: 7}}))
	f("protocol_error", "", says(&mqtt.Disconnect{Props: &mqtt.Properties{Present: mqtt.PropSessionExpiry, SessionExpiry: 9}}))
	f("receive_maximum_exceeded", "zone.external.max_awaiting_rel = 1",
		says(&mqtt.Publish{Topic: "a", QoS: 2, PacketID: 1}, &mqtt.Publish{Topic: "a", QoS: 2, PacketID: 2}))
	f("qos_not_supported", "mqtt.max_qos_allowed = 0", says(&mqtt.Publish{Topic: "a", QoS: 1, PacketID: 1}))
	f("retain_not_supported", "mqtt.retain_available = false", says(&mqtt.Publish{Topic: "a", Retain: true}))

	// What isn't allowed.
	f("not_authorized", "allow_anonymous = false", refused())
	f("not_authorized", "zone.external.enable_acl = on;acl_nomatch = deny;acl_deny_action = disconnect", says(publish("a")))
	f("client_identifier_not_valid", "mqtt.max_clientid_len = 23", refused(func(k *mqtt.Connect) { k.ClientID = strings.Repeat("c", 24) }))
	f("unsupported_protocol_version", "", sends(false, "\x10\x0D\x00\x04MQTT\x09\x02\x00\x00\x00\x01c"))
	f("access_denied", "listener.tcp.external.access.1 = deny all", func(t *testing.T, _ inProcess, addr string) { expectEnd(t, open(t, addr)) })
	f("quota_exceeded", "node.max_clients = 1", func(t *testing.T, n inProcess, addr string) {
		connect(t, addr, "first")
		if k := open(t, addr).connect(t, "second"); k.Code != mqtt.QuotaExceeded {
			t.Errorf("got %v", k)
		}
	})
	f("max_connections", "listener.tcp.external.max_connections = 1", func(t *testing.T, n inProcess, addr string) {
		connect(t, addr, "first")
		expectEnd(t, open(t, addr))
	})
}
