package clienttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

const sysPrefix = "$SYS/brokers/dunlin@127.0.0.1/"

// statistics and counters are names that EMQ X 4.3 publishes and scripts read.
var (
	statistics = strings.Fields(`connections live_connections channels sessions topics routes suboptions subscribers subscriptions
		subscriptions.shared sessions.persistent retained delayed`)
	counters = strings.Fields(`bytes.received bytes.sent packets.received packets.sent packets.connect.received packets.connack.sent
		packets.connack.error packets.connack.auth_error packets.publish.received packets.publish.sent packets.publish.error
		packets.publish.auth_error packets.publish.inuse packets.publish.dropped packets.puback.received packets.puback.sent
		packets.puback.missed packets.puback.inuse packets.pubrec.received packets.pubrec.sent packets.pubrec.missed packets.pubrec.inuse
		packets.pubrel.received packets.pubrel.sent packets.pubrel.missed packets.pubcomp.received packets.pubcomp.sent
		packets.pubcomp.missed packets.pubcomp.inuse packets.subscribe.received packets.subscribe.error packets.subscribe.auth_error
		packets.suback.sent packets.unsubscribe.received packets.unsubscribe.error packets.unsuback.sent packets.pingreq.received
		packets.pingresp.sent packets.disconnect.received packets.disconnect.sent packets.auth.received packets.auth.sent
		messages.received messages.sent messages.qos0.received messages.qos0.sent messages.qos1.received messages.qos1.sent
		messages.qos2.received messages.qos2.sent messages.publish messages.dropped messages.dropped.no_subscribers
		messages.dropped.await_pubrel_timeout messages.forward messages.retained messages.delayed messages.delivered messages.acked
		delivery.dropped delivery.dropped.no_local delivery.dropped.too_large delivery.dropped.qos0_msg delivery.dropped.queue_full
		delivery.dropped.expired client.connect client.connack client.connected client.authenticate client.check_acl client.subscribe
		client.unsubscribe client.disconnected client.auth.success client.auth.success.anonymous client.auth.failure client.acl.allow
		client.acl.deny client.acl.cache_hit session.created session.resumed session.takeovered session.discarded session.terminated`)
)

// TestSysTopics: every statistic in both spellings and every metric is told,
// as decimal text, at the interval that is configured; facts about the node
// are retained.
func TestSysTopics(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp", often, "broker.sys_heartbeat=100ms")
	told := collectSys(t, b.tcp(), sysPrefix+"uptime")
	var missing []string
	number := regexp.MustCompile(`^[0-9]+$`)
	isNumber := func(topic string) {
		if !number.MatchString(told[sysPrefix+topic]) {
			missing = append(missing, topic+"="+told[sysPrefix+topic])
		}
	}
	for _, name := range statistics {
		slashed := strings.ReplaceAll(name, ".", "/")
		isNumber("stats/" + name + ".count")
		isNumber("stats/" + name + ".max")
		isNumber("stats/" + slashed + "/count")
		isNumber("stats/" + slashed + "/max")
	}
	for _, name := range counters {
		isNumber("metrics/" + strings.ReplaceAll(name, ".", "/"))
	}
	if len(missing) > 0 {
		t.Errorf("these are missing or no numbers: %v", missing)
	}
	for topic, form := range map[string]string{
		"$SYS/brokers":         `^dunlin@127\.0\.0\.1$`,
		sysPrefix + "version":  `^[0-9]+\.[0-9]+\.[0-9]+`,
		sysPrefix + "sysdescr": `Dunlin`,
		sysPrefix + "uptime":   `^([0-9]+ minutes, )?[0-9]+ seconds$`,
		sysPrefix + "datetime": `^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$`,
	} {
		if !regexp.MustCompile(form).MatchString(told[topic]) {
			t.Errorf("%s is %q, expected %s", topic, told[topic], form)
		}
	}
	late := connect(t, b.tcp(), "late") // who comes later gets the retained ones at once
	late.subscribe(t, 0, "$SYS/brokers", sysPrefix+"version", sysPrefix+"sysdescr", sysPrefix+"uptime")
	var kept []string
	for range 3 {
		p := expect[*mqtt.Publish](t, late)
		if p.Retain {
			kept = append(kept, p.Topic)
		}
	}
	slices.Sort(kept)
	if want := []string{"$SYS/brokers", sysPrefix + "sysdescr", sysPrefix + "version"}; !slices.Equal(kept, want) {
		t.Errorf("retained are %v, expected %v", kept, want)
	}
}

// collectSys collects what comes on $SYS until two rounds have been told and
// the topic last has come.
func collectSys(t *testing.T, addr, last string) map[string]string {
	t.Helper()
	w := connect(t, addr, "collector")
	w.subscribe(t, 0, "$SYS/#")
	told := make(map[string]string)
	for rounds := 0; rounds < 3 || told[last] == ""; {
		p := expect[*mqtt.Publish](t, w)
		told[p.Topic] = string(p.Payload)
		if p.Topic == "$SYS/brokers" && !p.Retain {
			rounds++
		}
	}
	return told
}

// TestSysCounts: what clients do is what the metrics say, and the broker's own
// messages are not counted as theirs.
func TestSysCounts(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp", often)
	numbersOf := watching(t, b.tcp())
	before := numbersOf.until(t, "samples", func(m numbers) bool { return m["stats/sessions.count"] == 1 && m["stats/retained.count"] == 3 })
	sub, pub := connect(t, b.tcp(), "sub"), connect(t, b.tcp(), "pub")
	sub.subscribe(t, 1, "a", "$share/g/b")
	for range 5 {
		pub.publish(t, "a", "x")
		sub.receive(t)
	}
	pub.publish(t, "nobody", "x")
	pub.send(t, &mqtt.Publish{Topic: "a", Payload: []byte("x")}, &mqtt.Publish{Topic: "kept", Retain: true, Payload: []byte("x")}, &mqtt.Pingreq{})
	sub.receive(t)
	expect[*mqtt.Pingresp](t, pub)
	after := numbersOf.until(t, "samples", func(m numbers) bool { return m["stats/retained.count"] > before["stats/retained.count"] })
	f := func(name string, want int64) {
		t.Helper()
		if got := after[name] - before[name]; got != want {
			t.Errorf("%s grew by %d, expected %d", name, got, want)
		}
	}
	f("stats/connections.count", 2)
	f("stats/sessions.count", 2)
	f("stats/subscriptions.count", 2)
	f("stats/subscriptions.shared.count", 1)
	f("stats/retained.count", 1)
	f("metrics/client/connected", 2)
	f("metrics/packets/connect/received", 2)
	f("metrics/packets/subscribe/received", 1)
	f("metrics/packets/publish/received", 8)
	f("metrics/packets/publish/sent", 6)
	f("metrics/packets/puback/sent", 6)
	f("metrics/packets/puback/received", 5)
	f("metrics/packets/pingreq/received", 1)
	f("metrics/messages/publish", 8)
	f("metrics/messages/received", 8)
	f("metrics/messages/qos1/received", 6)
	f("metrics/messages/sent", 6)
	f("metrics/messages/acked", 5)
	f("metrics/messages/dropped", 2)
	f("metrics/messages/dropped/no_subscribers", 2)
	f("metrics/delivery/dropped", 0)
}

// TestPresence: who comes and goes is told as JSON, with the fields of EMQ X
// 4.3.
func TestPresence(t *testing.T) {
	t.Parallel()
	b := start(t, "tcp")
	_, port, _ := strings.Cut(b.tcp(), ":")
	w := connect(t, b.tcp(), "observer")
	w.subscribe(t, 1, sysPrefix+"clients/+/+")
	event := func(topic string) map[string]any {
		t.Helper()
		p := expect[*mqtt.Publish](t, w)
		var fields map[string]any
		if err := json.Unmarshal(p.Payload, &fields); err != nil || p.Topic != sysPrefix+"clients/"+topic || p.QoS != 1 || p.Retain {
			t.Fatalf("got %s on %s, QoS %d (%v), expected an event on %s", p.Payload, p.Topic, p.QoS, err, topic)
		}
		w.send(t, &mqtt.Ack{Kind: mqtt.TypePuback, PacketID: p.PacketID})
		for _, moment := range []string{"ts", "connected_at", "disconnected_at"} {
			if ms, ok := fields[moment].(float64); ok && time.Since(time.UnixMilli(int64(ms))).Abs() < time.Minute {
				fields[moment] = "now"
			}
		}
		return fields
	}
	expectFields := func(got map[string]any, text string) {
		t.Helper()
		var want map[string]any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if got["sockport"] = fmt.Sprint(got["sockport"]); got["sockport"] == port {
			delete(got, "sockport")
		}
		if !maps.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	c := connect(t, b.tcp(), "v5", keepAlive(30), user("u"), resume)
	expectFields(event("v5/connected"), `{"clientid": "v5", "username": "u", "ipaddress": "127.0.0.1", "proto_name": "MQTT", "proto_ver": 5,
		"keepalive": 30, "clean_start": false, "expiry_interval": 300, "connack": 0, "connected_at": "now", "ts": "now"}`)
	c.disconnect(t)
	expectFields(event("v5/disconnected"), `{"clientid": "v5", "username": "u", "ipaddress": "127.0.0.1", "proto_name": "MQTT", "proto_ver": 5,
		"reason": "normal", "connected_at": "now", "disconnected_at": "now", "ts": "now"}`)
	c = connect(t, b.tcp(), "v3", version(mqtt.V31))
	expectFields(event("v3/connected"), `{"clientid": "v3", "username": "undefined", "ipaddress": "127.0.0.1", "proto_name": "MQIsdp", "proto_ver": 3,
		"keepalive": 0, "clean_start": true, "expiry_interval": 0, "connack": 0, "connected_at": "now", "ts": "now"}`)
	c.Close()
	expectFields(event("v3/disconnected"), `{"clientid": "v3", "username": "undefined", "ipaddress": "127.0.0.1", "proto_name": "MQIsdp", "proto_ver": 3,
		"reason": "closed", "connected_at": "now", "disconnected_at": "now", "ts": "now"}`)

	// One that another takes over says no goodbye.
	connect(t, b.tcp(), "twin", resume)
	event("twin/connected")
	connect(t, b.tcp(), "twin", resume)
	event("twin/connected")
	refused := open(t, b.tcp())
	refused.connect(t, "", func(k *mqtt.Connect) { k.Version = mqtt.V311; k.CleanStart = false }) // is told by nobody
	connect(t, b.tcp(), "last")
	event("last/connected")
}
