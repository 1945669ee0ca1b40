package session

import (
	"fmt"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestInflightPage(t *testing.T) {
	s, out := New(&Config{}, epoch), new(wire)
	s.Connected(0, out, epoch)
	for i := range 6 {
		s.Deliver(Delivery{Msg: message(fmt.Sprint("m", i)), QoS: mqtt.QoS(1 + i%2)}, out, epoch+int64(i))
	}
	if _, err := s.Puback(3, 0, out, epoch); err != nil { // its slot stays, as it isn't the first
		t.Fatal(err)
	}
	if _, err := s.Pubrec(2, 0, out, epoch+50); err != nil {
		t.Fatal(err)
	}
	page := func(from, limit int, want string) {
		t.Helper()
		got := ""
		for _, f := range s.InflightPage(from, limit) {
			name := "-"
			if f.Msg != nil {
				name = string(f.Msg.Payload)
			}
			got += fmt.Sprintf("%s#%d@%d %v ", name, f.ID, f.Sent-epoch, f.Released)
		}
		if got != want {
			t.Errorf("%d from %d: %q, want %q", limit, from, got, want)
		}
	}
	const all = "m0#1@0 false -#2@1 true m3#4@3 false m4#5@4 false m5#6@5 false "
	page(0, 100, all)
	page(0, 0, "")
	page(0, 2, "m0#1@0 false -#2@1 true ")
	page(1, 2, "-#2@1 true m3#4@3 false ")
	page(4, 2, "m5#6@5 false ")
	page(5, 2, "")
}

func TestQueuePage(t *testing.T) {
	s, out := New(&Config{MqueuePriorities: map[string]int{"high": 9}, MqueueDefaultPriority: "lowest"}, epoch), new(wire)
	if some := s.QueuePage(0, 9); some != nil {
		t.Errorf("%v wait for nobody", some)
	}
	for i := range 6 {
		m := message(fmt.Sprint("m", i))
		m.Topic = []string{"low", "high"}[i%2]
		s.Deliver(Delivery{Msg: m, QoS: 1}, out, epoch)
	}
	page := func(from, limit int, want string) {
		t.Helper()
		got := ""
		for _, w := range s.QueuePage(from, limit) {
			got += fmt.Sprintf("%s:%d ", w.Msg.Payload, w.Priority)
		}
		if got != want {
			t.Errorf("%d from %d: %q, want %q", limit, from, got, want)
		}
	}
	page(0, 100, "m1:9 m3:9 m5:9 m0:0 m2:0 m4:0 ")
	page(0, 2, "m1:9 m3:9 ")
	page(2, 2, "m5:9 m0:0 ")
	page(3, 2, "m0:0 m2:0 ")
	page(5, 9, "m4:0 ")
	page(6, 9, "")
	page(99, 9, "")
}
