package session

import (
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// In another log nothing has a place: what is in flight goes on from memory, and
// the record doesn't name positions that mean something else there.
func TestRenew(t *testing.T) {
	s := New(&Config{MaxInflight: 4, MaxMqueueLen: 4}, 1)
	s.SetDurable(true)
	out := new(deaf)
	s.Connected(4, out, 1)
	sub := &Subscription{Filter: "t", SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}}
	if _, err := s.Subscribe(sub); err != nil {
		t.Fatal(err)
	}
	m := (&mqtt.Message{Topic: "t", QoS: 1}).Own().Placed(mqtt.At{Seq: 17})
	s.Deliver(Delivery{Msg: m, Sub: sub, QoS: 1}, out, 1)
	s.SetRead(0, 18)
	s.Renew([]uint64{5})
	if !s.Unsaved() || s.Read(0) != 5 || s.Inflight() != 1 {
		t.Errorf("unsaved %v, read %d, in flight %d", s.Unsaved(), s.Read(0), s.Inflight())
	}
	record, _ := s.Save(nil)
	again := New(&Config{MaxInflight: 4, MaxMqueueLen: 4}, 1)
	again.SetDurable(true)
	if err := again.Load(record); err != nil || again.Read(0) != 5 || len(again.Pending()) != 0 {
		t.Errorf("loaded: %v, read %d, pending %v", err, again.Read(0), again.Pending())
	}
	if m.At().Seq != 17 {
		t.Error("a message that others have was changed")
	}
}

// deaf takes everything.
type deaf struct{}

func (*deaf) Publish(Delivery, uint16, bool) bool    { return true }
func (*deaf) Ack(mqtt.Type, uint16, mqtt.ReasonCode) {}
func (*deaf) Full() bool                             { return false }
func (*deaf) Dropped(Delivery, Drop)                 {}
