package node

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestSlowSubsByModule: the slow subscriptions are switched by their key, or by
// the name that EMQ X has for the module.
func TestSlowSubsByModule(t *testing.T) {
	on := func(want bool, env ...string) {
		t.Helper()
		n := startQuietly(t, env...)
		if _, on := n.Broker.SlowSubscriptions(); on != want {
			t.Errorf("%v: they are on: %v", env, on)
		}
	}
	on(false)
	on(false, "DUNLIN_LOADED_MODULES=emqx_mod_acl_internal")
	on(true, "DUNLIN_LOADED_MODULES=emqx_mod_acl_internal,emqx_mod_slow_subs")
	on(true, "DUNLIN_MODULE__SLOW_SUBS=on", "DUNLIN_MODULE__SLOW_SUBS__THRESHOLD=1s", "DUNLIN_MODULE__SLOW_SUBS__STATS_TYPE=internal")
}

func startQuietly(t *testing.T, env ...string) *Node {
	t.Helper()
	c, _, err := LoadConfig("", append(env, "DUNLIN_NODE__DATA_DIR="+t.TempDir(), "DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:0",
		"DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// TestCongestionAlarm has a client subscribe and read no more.
func TestCongestionAlarm(t *testing.T) {
	n := startQuietly(t, "DUNLIN_ZONE__EXTERNAL__CONN_CONGESTION__ALARM=on", "DUNLIN_ZONE__EXTERNAL__ALLOW_ANONYMOUS=true")
	nc, err := net.Dial("tcp", n.Server.Listeners()[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	packets := mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V311, CleanStart: true, ClientID: "deaf"}, mqtt.V311)
	packets = mqtt.Append(packets, &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "t"}}}, mqtt.V311)
	if _, err := nc.Write(packets); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, 4+5)); err != nil { // CONNACK and SUBACK
		t.Fatal(err)
	}
	for b, until := n.Broker.NewBatch(), time.Now().Add(time.Minute); ; {
		n.Broker.Publish(b, nil, &mqtt.Message{Topic: "t", Payload: make([]byte, 64<<10)})
		b.End()
		causes, err := n.congested()
		if err != nil {
			t.Fatal(err)
		}
		if len(causes) > 0 {
			c := causes[0]
			if c.Name != "conn_congestion/deaf/unknown_user" || c.Details["clientid"] != "deaf" || c.Details["send_pend"] == 0 {
				t.Errorf("%+v", c)
			}
			return
		}
		if time.Now().After(until) {
			t.Fatal("the connection is not congested by all that")
		}
	}
}
