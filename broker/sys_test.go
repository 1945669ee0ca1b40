package broker

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSysTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *Options) {
			o.Config.Broker.SysInterval, o.Config.Broker.SysHeartbeat = time.Minute, 30*time.Second
		})
		all := r.connect("all").subscribe("$SYS/#", 0)
		hash := r.connect("hash").subscribe("#", 0).subscribe("+/brokers", 0)
		collect := func() map[string]string {
			got := make(map[string]string)
			for _, s := range all.take() {
				if _, twice := got[s.topic]; twice {
					t.Errorf("%s came twice", s.topic)
				}
				got[strings.TrimPrefix(s.topic, "$SYS/brokers/dunlin@host/")] = s.payload
			}
			return got
		}
		time.Sleep(29 * time.Second)
		if got := collect(); len(got) != 1 { // the presence of hash
			t.Errorf("before the first interval: %v", got)
		}
		time.Sleep(1200 * time.Millisecond)
		if got := collect(); len(got) != 2 || got["uptime"] == "" || got["datetime"] != time.Now().Format(time.DateTime) {
			t.Errorf("at the heartbeat: %v", got)
		}
		time.Sleep(30 * time.Second)
		got := collect()
		f := func(topic, want string) {
			t.Helper()
			if got[topic] != want {
				t.Errorf("%s is %q, want %q", topic, got[topic], want)
			}
		}
		f("$SYS/brokers", "dunlin@host")
		f("version", "1.2.3")
		f("sysdescr", "Dunlin")
		f("stats/connections.count", "2")
		f("stats/connections/count", "2")
		f("stats/subscriptions.shared.max", "0")
		f("stats/subscriptions/shared/max", "0")
		f("metrics/client/connected", "2")
		f("metrics/messages/dropped/await_pubrel_timeout", "0")
		hash.wants() // wildcards in front don't match $SYS [MQTT-4.7.2-1]

		late := r.connect("late").subscribe("$SYS/#", 0)
		var kept []string
		for _, s := range late.take() {
			if s.retain {
				kept = append(kept, s.topic)
			}
		}
		slices.Sort(kept)
		if want := []string{"$SYS/brokers", "$SYS/brokers/dunlin@host/sysdescr", "$SYS/brokers/dunlin@host/version"}; !slices.Equal(kept, want) {
			t.Errorf("retained are %q, want %q", kept, want)
		}
		if r.metric("messages.publish") != 0 || r.metric("messages.dropped") != 0 {
			t.Error("$SYS traffic counts as the users'")
		}
	})
}

// TestMetricNames holds the names that EMQ X 4.3 has and the broker answers
// for; package server has those of packets, bytes and authentication.
func TestMetricNames(t *testing.T) {
	r := newRig(t)
	for _, name := range strings.Fields(`
		messages.publish messages.dropped messages.dropped.no_subscribers messages.dropped.await_pubrel_timeout
		messages.forward messages.retained messages.delayed messages.delivered messages.acked
		delivery.dropped delivery.dropped.no_local delivery.dropped.too_large delivery.dropped.qos0_msg
		delivery.dropped.queue_full delivery.dropped.expired
		client.connect client.connack client.connected client.authenticate client.check_acl client.subscribe
		client.unsubscribe client.disconnected client.acl.allow client.acl.deny client.acl.cache_hit
		session.created session.resumed session.takeovered session.discarded session.terminated`) {
		r.metric(name)
	}
	for _, name := range strings.Fields(`
		connections live_connections channels sessions topics routes suboptions subscribers subscriptions
		subscriptions.shared retained delayed`) {
		r.metric(name + ".count")
		r.metric(name + ".max")
	}
}

func TestUptime(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := Uptime(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	f(0, "0 seconds")
	f(59*time.Second, "59 seconds")
	f(time.Minute, "1 minutes, 0 seconds")
	f(4*time.Hour+21*time.Minute+19*time.Second, "4 hours, 21 minutes, 19 seconds")
	f(49*time.Hour, "2 days, 1 hours, 0 minutes, 0 seconds")
	f(400*24*time.Hour, "400 days, 0 hours, 0 minutes, 0 seconds")
}
