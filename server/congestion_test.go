package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestCongested: a connection is congested while output waits, and as long
// after that as the zone says.
func TestCongested(t *testing.T) {
	l := newTapeListener(t, "tcp.a = 127.0.0.1:0")
	l.policy().CongestionAlarm = true
	slow, fast := l.connect(t), l.connect(t)
	slow.bring(connectPacket("slow"))
	slow.bring(subscribePacket("t"))
	fast.bring(connectPacket("fast"))
	now := broker.Now()
	wants := func(after time.Duration, want string) {
		t.Helper()
		got := ""
		for _, c := range l.server.congestedAt(now + after.Milliseconds()) {
			got += fmt.Sprintf("%s %v ", c.Client.ClientID, c.Pending > 0)
		}
		if got != want {
			t.Errorf("congested: %q, want %q", got, want)
		}
	}
	wants(0, "")
	slow.room = 10
	fast.bring(publishPacket("t", 0, 0))
	fast.bring(mqtt.Append(nil, &mqtt.Publish{Topic: "t", Payload: make([]byte, 100)}, mqtt.V311))
	wants(0, "slow true ")
	wants(time.Hour, "slow true ")
	slow.room = 1 << 20
	slow.conn.Writable(l.pass)
	l.pass.End()
	wants(time.Hour, "slow false ")
	wants(time.Hour+59*time.Second, "slow false ")
	wants(time.Hour+61*time.Second, "")
	wants(0, "")

	slow.room = 0
	fast.bring(publishPacket("t", 0, 0))
	wants(2*time.Hour, "slow true ")
	slow.hangUp()
	wants(2*time.Hour, "")
	if n := len(l.server.congestion.conns); n != 0 {
		t.Errorf("%d connections are remembered", n)
	}
}

// TestCongestedBounds: no more than mostCongested are told of, and none
// without the alarm.
func TestCongestedBounds(t *testing.T) {
	for _, on := range []bool{false, true} {
		l := newTapeListener(t, "tcp.a = 127.0.0.1:0")
		if on {
			l.policy().CongestionAlarm = true
		}
		for i := range mostCongested + 5 {
			k := l.connect(t)
			k.bring(connectPacket(fmt.Sprint("c", i)))
			k.room = 0
			k.bring(ping)
		}
		want := 0
		if on {
			want = mostCongested
		}
		if n := len(l.server.Congested()); n != want {
			t.Errorf("alarm %v: %d congested, want %d", on, n, want)
		}
	}
}
