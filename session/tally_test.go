package session

import (
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestTally(t *testing.T) {
	s := New(&Config{MaxInflight: 1, MaxMqueueLen: 2, MaxAwaitingRel: 9, AwaitRelTimeout: time.Millisecond}, epoch)
	out := new(wire)
	wants := func(want Tally) {
		t.Helper()
		if got := s.Tally(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	wants(Tally{})
	s.Connected(0, out, epoch)
	give := func(name string, qos mqtt.QoS) { s.Deliver(Delivery{Msg: message(name), QoS: qos}, out, epoch) }
	give("a", 1)
	give("b", 0)
	wants(Tally{Delivered: 2})
	for _, name := range []string{"c", "d", "e"} {
		give(name, 1)
	}
	wants(Tally{Delivered: 2, Queued: 3, Dropped: [Unsubscribed + 1]uint64{QueueFull: 1}})
	s.Drop(Delivery{Msg: message("f")}, NoLocal, out)
	out.tooLarge = "g"
	give("g", 0)
	want := Tally{Delivered: 2, Queued: 3, Dropped: [Unsubscribed + 1]uint64{QueueFull: 1, NoLocal: 1, TooLarge: 1}}
	wants(want)
	if want.Lost() != 2 {
		t.Errorf("%d lost, want 2: what the client publishes itself is none", want.Lost())
	}
	if _, err := s.Received(7, epoch); err != nil {
		t.Fatal(err)
	}
	s.Disconnected(epoch)
	s.Connected(0, out, epoch+1)
	s.Tick(out, epoch+100)
	want.Forgotten = 1
	wants(want) // what is repeated counts once

	back, err := Restore(s.cfg, viaJSON(t, s.State()))
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Tally(); got != want {
		t.Errorf("restored: %+v, want %+v", got, want)
	}
	s.End(out)
	want.Dropped[SessionEnded] = 2
	wants(want)
}

// TestAckedTimes: an acknowledgement tells of the first sending, whatever was
// repeated since, and that of a QoS 2 delivery of its message if asked to.
func TestAckedTimes(t *testing.T) {
	for _, on := range []bool{false, true} {
		s, out := New(&Config{RetryInterval: 1e9}, epoch), new(wire)
		s.SetTimed(on)
		s.Connected(0, out, epoch)
		m := message("m")
		m.Topic, m.Timestamp = "t", epoch-3
		s.Deliver(Delivery{Msg: m, QoS: 1}, out, epoch+10)
		s.Deliver(Delivery{Msg: m, QoS: 2}, out, epoch+20)
		s.Tick(out, epoch+5000)
		s.Disconnected(epoch + 6000)
		s.Connected(0, out, epoch+7000)
		check := func(a Acked, err error, sent int64) {
			t.Helper()
			if err != nil || a.Sent != sent {
				t.Errorf("sent at %d, want %d (%v)", a.Sent-epoch, sent-epoch, err)
			}
		}
		a, err := s.Puback(1, 0, out, epoch+8000)
		check(a, err, epoch+10)
		a, err = s.Pubrec(2, 0, out, epoch+9000)
		check(a, err, epoch+20)
		st := s.State()
		if len(st.Inflight) != 1 || st.Inflight[0].Msg != nil {
			t.Errorf("%+v: a delivery with its PUBREC has a message in the state", st.Inflight)
		}
		a, err = s.Pubcomp(2, 0, out, epoch+9500)
		check(a, err, epoch+20)
		switch {
		case !on && a.Msg != nil:
			t.Error("the message was kept")
		case on && (a.Msg.Topic != "t" || a.Msg.Timestamp != epoch-3 || a.Msg.Payload != nil):
			t.Errorf("%+v was kept, want topic and time", a.Msg)
		}
	}
}
