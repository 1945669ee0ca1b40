package server

import (
	"testing"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestTraffic counts every byte, packet and message of a connection.
func TestTraffic(t *testing.T) {
	l := newTapeListener(t, "tcp.a = 127.0.0.1:0\ntcp.a.high_watermark = 1MB")
	a, b := l.connect(t), l.connect(t)
	var want broker.Traffic
	wants := func(k *tape) {
		t.Helper()
		want.BytesOut = uint64(len(k.written()))
		if got := k.conn.Traffic(); got != want {
			t.Errorf("\n%+v, want\n%+v", got, want)
		}
	}
	bring := func(k *tape, data []byte, packets, answers uint64) {
		k.bring(data)
		want.Reads++
		want.BytesIn += uint64(len(data))
		want.PacketsIn += packets
		want.PacketsOut += answers
		if answers > 0 {
			want.Writes++
		}
	}
	wants(a)
	bring(a, connectPacket("a"), 1, 1)
	subscribe := subscribePacket("t")
	bring(a, subscribe[:3], 0, 0)
	bring(a, subscribe[3:], 1, 1)
	wants(a)
	bring(a, append(ping, ping...), 2, 2)
	wants(a)
	if a.conn.traffic.messages != nil {
		t.Error("a connection without messages has memory for them")
	}

	b.bring(connectPacket("b"))
	for q := range mqtt.QoS(3) { // subscribed at QoS 0
		b.bring(publishPacket("t", q, uint16(q)))
	}
	want.MessagesOut[0], want.PacketsOut, want.Writes = 3, want.PacketsOut+3, want.Writes+3
	wants(a)
	if got := b.conn.Traffic(); got.MessagesIn != [3]uint64{1, 1, 1} || got.PacketsIn != 4 || got.PacketsOut != 3 || got.MessagesOut != [3]uint64{} {
		t.Errorf("of the publisher: %+v", got)
	}

	var all []byte
	for i := range 500 {
		all = append(all, publishPacket("t", 1, uint16(i+1))...)
	}
	bring(a, all, 500, 1000) // to itself as well
	want.MessagesIn[1], want.MessagesOut[0] = 500, 503
	wants(a)
}

// TestTrafficOfRefused: what a client may not publish, or not now, is counted
// as refused.
func TestTrafficOfRefused(t *testing.T) {
	l := newTapeListener(t, "tcp.a = 127.0.0.1:0")
	l.policy().ConnRouting.Limit, l.policy().ConnRouting.Window, l.policy().ConnRouting.Burst = 1, 1e12, 1
	k := l.connect(t)
	k.bring(connectPacket("a"))
	k.bring(subscribePacket("t")) // so that the first one is in debt for longer than the test lasts
	for range 4 {
		k.bring(publishPacket("t", 0, 0))
	}
	if got := k.conn.Traffic(); got.MessagesIn != [3]uint64{4} || got.Refused != 3 {
		t.Errorf("%+v, want 3 of 4 refused", got)
	}
}
