package server

import (
	"testing"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// BenchmarkPublish is a PUBLISH of QoS 0 from the bytes to the routing, with
// nobody who subscribes.
func BenchmarkPublish(b *testing.B) {
	f := func(name string, acl bool) {
		b.Run(name, func(b *testing.B) {
			l := newTapeListener(b, "tcp.a = 127.0.0.1:0")
			l.zone.EnableACL, l.zone.ACLNomatch = config.Flag(acl), "allow"
			k := l.connect(b)
			k.bring(connectPacket("bench"))
			packet := mqtt.Append(nil, &mqtt.Publish{Topic: "bench/topic/1", Payload: make([]byte, 16)}, mqtt.V311)
			b.ReportAllocs()
			for b.Loop() {
				k.conn.Readable(l.pass, packet)
				l.pass.End()
			}
		})
	}
	f("NoACL", false)
	f("ACL", true)
}
