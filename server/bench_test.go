package server

import (
	"context"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/internal/race"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// allowAll is an authorizer that says yes.
type allowAll struct{}

func (allowAll) Authorize(context.Context, *auth.Request) (auth.Answer, error) {
	return auth.Answer{Verdict: auth.Allow}, nil
}

// publishing is a function that has a client publish at QoS 0, from the bytes
// to the routing, with nobody who subscribes.
func publishing(t testing.TB, acl bool, by ...auth.Provider) func() {
	l := newTapeListener(t, "tcp.a = 127.0.0.1:0")
	z := l.policy()
	z.EnableACL, z.ACLNomatch = acl, "allow"
	l.server.broker.Access.Use(by...)
	k := l.connect(t)
	k.bring(connectPacket("bench"))
	packet := mqtt.Append(nil, &mqtt.Publish{Topic: "bench/topic/1", Payload: make([]byte, 16)}, mqtt.V311)
	k.conn.Readable(l.pass, packet)
	if !eventually(func() bool { return k.conn.access == nil || k.conn.access.suspended.missing.Load() == 0 }) {
		t.Fatal("the backend doesn't answer")
	}
	k.conn.Woken(l.pass)
	return func() {
		k.conn.Readable(l.pass, packet)
		l.pass.End()
	}
}

// The ways in which a PUBLISH is judged without anybody being asked.
func judged(f func(name string, publish func(testing.TB) func())) {
	backend := &auth.Backend{Pool: 1, Timeout: 1 << 40, MaxWaiting: 1, OnError: "deny"}
	f("NoACL", func(t testing.TB) func() { return publishing(t, false) })
	f("Nomatch", func(t testing.TB) func() { return publishing(t, true) })
	f("Rule", func(t testing.TB) func() {
		return publishing(t, true, auth.Provider{Name: "rules", Authorizer: allowAll{}})
	})
	f("Cached", func(t testing.TB) func() {
		return publishing(t, true, auth.Provider{Name: "backend", Authorizer: allowAll{}, Backend: backend})
	})
}

func BenchmarkPublish(b *testing.B) {
	judged(func(name string, publish func(testing.TB) func()) {
		b.Run(name, func(b *testing.B) {
			f := publish(b)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	})
}

// TestPacketsAllocate nothing: what a client sends when nobody has to keep it.
func TestPacketsAllocate(t *testing.T) {
	f := func(name string, packets ...mqtt.Packet) {
		t.Helper()
		l := newTapeListener(t, "tcp.a = 127.0.0.1:0")
		k := l.connect(t)
		k.bring(connectPacket("bench"))
		var bytes []byte
		for _, p := range packets {
			bytes = mqtt.Append(bytes, p, mqtt.V311)
		}
		send := func() {
			k.conn.Readable(l.pass, bytes)
			l.pass.End()
			k.out.Reset()
		}
		send()
		if n := testing.AllocsPerRun(1000, send); n != 0 && !race.Enabled {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	publish := func(qos mqtt.QoS) *mqtt.Publish {
		return &mqtt.Publish{Topic: "bench/topic/1", QoS: qos, PacketID: 7, Payload: make([]byte, 16)}
	}
	f("PINGREQ", &mqtt.Pingreq{})
	f("QoS 0", publish(0))
	f("QoS 1", publish(1))
	f("QoS 2", publish(2), &mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: 7})
}

// TestPublishAllocates nothing, whoever judges it.
func TestPublishAllocates(t *testing.T) {
	judged(func(name string, publish func(testing.TB) func()) {
		f := publish(t)
		if n := testing.AllocsPerRun(1000, f); n != 0 && !race.Enabled {
			t.Errorf("%s: %v allocations for each PUBLISH", name, n)
		}
	})
}
