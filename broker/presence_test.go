package broker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		watch := r.connect("watch").subscribe("$SYS/brokers/+/clients/+/+", 2)
		event := func(topic string) map[string]any {
			t.Helper()
			got := watch.take()
			if len(got) != 1 || got[0].topic != topic || got[0].qos != 1 || got[0].retain {
				t.Fatalf("got %+v, want one event on %s at QoS 1", got, topic)
			}
			watch.ack(r.batch, got[0])
			var fields map[string]any
			if err := json.Unmarshal([]byte(got[0].payload), &fields); err != nil {
				t.Fatal(err)
			}
			return fields
		}
		same := func(got, want map[string]any) {
			t.Helper()
			if !maps.Equal(got, want) {
				t.Errorf("fields %v\n  want %v", got, want)
			}
		}
		came := float64(Now())
		a := r.connect("a", v5, expiry(9), func(o *Opening) { o.Ask.Client.Username = "u" })
		same(event("$SYS/brokers/dunlin@host/clients/a/connected"), map[string]any{
			"clientid": "a", "username": "u", "ipaddress": "192.0.2.1", "sockport": 1883.0, "proto_name": "MQTT", "proto_ver": 5.0,
			"keepalive": 60.0, "clean_start": false, "expiry_interval": 9.0, "connack": 0.0, "connected_at": came, "ts": came,
		})
		time.Sleep(3 * time.Second)
		a.close("closed")
		same(event("$SYS/brokers/dunlin@host/clients/a/disconnected"), map[string]any{
			"clientid": "a", "username": "u", "ipaddress": "192.0.2.1", "sockport": 1883.0, "proto_name": "MQTT", "proto_ver": 5.0,
			"connected_at": came, "disconnected_at": came + 3000, "ts": came + 3000, "reason": "closed",
		})
		r.connect("b", clean, func(o *Opening) { o.Ask.Client.Version = mqtt.V31; o.Ask.Client.Listener = nil })
		got := event("$SYS/brokers/dunlin@host/clients/b/connected")
		if got["username"] != "undefined" || got["proto_name"] != "MQIsdp" || got["proto_ver"] != 3.0 || got["sockport"] != 0.0 || fmt.Sprint(got["clean_start"]) != "true" {
			t.Errorf("fields %v", got)
		}
		r.connect("a", expiry(9))
		event("$SYS/brokers/dunlin@host/clients/a/connected")
		r.connect("a", expiry(9)) // taken over: it never went away
		event("$SYS/brokers/dunlin@host/clients/a/connected")
		r.connect("+/#", clean)
		watch.wants()
		if n := r.metric("messages.publish"); n != 0 {
			t.Errorf("%d events count as published", n)
		}
	})
}

func TestPresenceOff(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Config.Modules.Presence = config.Flag(false) })
	watch := r.connect("watch").subscribe("$SYS/#", 0)
	r.connect("a").close("closed")
	watch.wants()
}

// TestPresenceOrder has the automatic subscriptions there before the event.
func TestPresenceOrder(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Config.Modules.Subscriptions = map[string]Subscription{"1": {Topic: "$SYS/brokers/+/clients/%c/+"}}
	})
	got := r.connect("a").take()
	if !slices.ContainsFunc(got, func(s sent) bool { return s.topic == "$SYS/brokers/dunlin@host/clients/a/connected" }) {
		t.Errorf("got %v, want its own event", got)
	}
}
