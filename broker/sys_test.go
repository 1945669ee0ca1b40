package broker

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSysAlias: what is published below $SYS/brokers comes below $SYS/broker as
// well for those who ask there, and once for those who ask for all.
func TestSysAlias(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *Options) { o.Config.Broker.SysInterval = time.Minute })
		all := r.connect("all").subscribe("$SYS/#", 0)
		alias := r.connect("alias").subscribe("$SYS/broker/dunlin@host/stats/#", 0).subscribe("$SYS/broker/+/clients/+/connected", 0)
		both := r.connect("both").subscribe("$share/g/$SYS/broker/+/version", 0)
		wild := r.connect("wild").subscribe("$SYS/+/dunlin@host/version", 0)
		time.Sleep(61 * time.Second)
		topics := func(c *peer) map[string]int {
			got := make(map[string]int)
			for _, s := range c.take() {
				got[s.topic]++
				if s.retain {
					t.Errorf("%s is retained", s.topic)
				}
			}
			return got
		}
		want := func(got map[string]int, topic string, n int) {
			t.Helper()
			if got[topic] != n {
				t.Errorf("%s came %d times, want %d", topic, got[topic], n)
			}
		}
		got := topics(alias)
		want(got, "$SYS/broker/dunlin@host/stats/connections/count", 1)
		want(got, "$SYS/broker/dunlin@host/stats/connections.count", 1)
		want(got, "$SYS/broker/dunlin@host/clients/both/connected", 1)
		want(got, "$SYS/broker/dunlin@host/version", 0)
		want(topics(both), "$SYS/broker/dunlin@host/version", 1)
		got = topics(wild)
		want(got, "$SYS/brokers/dunlin@host/version", 1)
		want(got, "$SYS/broker/dunlin@host/version", 0)
		for topic, n := range topics(all) {
			if n != 1 && !strings.HasSuffix(topic, "uptime") && !strings.HasSuffix(topic, "datetime") || strings.HasPrefix(topic, sysAlias) {
				t.Errorf("who asks for all got %s %d times", topic, n)
			}
		}
		if l := r.Ledger(); l.Balance() != 0 {
			t.Errorf("the ledger doesn't balance: %+v", l)
		}
	})
}

// TestPersistent counts sessions that were begun or continued without a clean
// start, until they end.
func TestPersistent(t *testing.T) {
	r := newRig(t)
	f := func(want int64) {
		t.Helper()
		if n := r.metric("sessions.persistent.count"); n != want {
			t.Errorf("%d, want %d", n, want)
		}
	}
	r.connect("a", expiry(60))
	r.connect("b", clean)
	f(1)
	r.connect("b", expiry(60))
	f(2)
	a := r.connect("a", expiry(60)) // taken over
	f(2)
	a.close("closed")
	f(2)
	r.connect("a", clean)
	f(1)
	r.Kick(r.batch, "b")
	f(0)
}

// TestSysBrokers: the list has all nodes of the cluster.
func TestSysBrokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *Options) {
			o.Config.Broker.SysInterval = time.Minute
			o.Nodes = func() []string { return []string{"dunlin@a", "dunlin@host"} }
		})
		c := r.connect("c").subscribe("$SYS/brokers", 0)
		time.Sleep(61 * time.Second)
		if got := c.take(); len(got) != 1 || got[0].payload != "dunlin@a,dunlin@host" {
			t.Errorf("got %+v", got)
		}
	})
}

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
		for now, former := range formerNames {
			for _, name := range former {
				f("metrics/"+strings.ReplaceAll(name, ".", "/"), got["metrics/"+strings.ReplaceAll(now, ".", "/")])
			}
		}
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
