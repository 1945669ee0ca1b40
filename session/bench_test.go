package session

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// sink is a Sender that takes everything and remembers only the last packet.
type sink struct{ id uint16 }

func (k *sink) Publish(_ Delivery, id uint16, _ bool) bool { k.id = id; return true }

func (k *sink) Ack(mqtt.Type, uint16, mqtt.ReasonCode) {}
func (k *sink) Full() bool                             { return false }
func (k *sink) Dropped(Delivery, Drop)                 {}

func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of machines with 64 bits")
	}
	is := func(what string, got, want uintptr) {
		t.Helper()
		if got != want {
			t.Errorf("%s takes %d bytes, want %d", what, got, want)
		}
	}
	is("an idle session", unsafe.Sizeof(Session{}), 144)
	is("a subscription", unsafe.Sizeof(Subscription{}), 24)
	is("a flight", unsafe.Sizeof(flight{}), 32)
	is("a queued delivery", unsafe.Sizeof(Delivery{}), 24)
}

// TestNoAllocation holds the hot paths to what they must allocate.
func TestNoAllocation(t *testing.T) {
	cfg := &Config{MaxInflight: 32, RetryInterval: 30 * time.Second}
	s, k := New(cfg, epoch), &sink{}
	s.Connected(0, k, epoch)
	kept, sub := message("x").Keep(), &Subscription{}
	is := func(what string, step func()) {
		t.Helper()
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	is("QoS 0", func() { s.Deliver(Delivery{Msg: kept, Sub: sub}, k, epoch) })
	is("QoS 1", func() {
		s.Deliver(Delivery{Msg: kept, Sub: sub, QoS: 1}, k, epoch)
		s.Puback(k.id, 0, k, epoch)
	})
	is("QoS 2", func() {
		s.Deliver(Delivery{Msg: kept, Sub: sub, QoS: 2}, k, epoch)
		s.Pubrec(k.id, 0, k, epoch)
		s.Pubcomp(k.id, 0, k, epoch)
	})
	is("unknown identifiers", func() {
		s.Puback(9, 0, k, epoch)
		s.Pubcomp(9, 0, k, epoch)
	})
	is("inbound QoS 2", func() {
		s.Received(7, epoch)
		s.Released(7)
	})
	is("ticks of a steady trickle", func() {
		s.Deliver(Delivery{Msg: kept, Sub: sub, QoS: 1}, k, epoch)
		s.Puback(k.id, 0, k, epoch)
		s.Tick(k, epoch)
	})
}

// TestIdleSessionGivesMemoryBack lets a session work and then rest.
func TestIdleSessionGivesMemoryBack(t *testing.T) {
	s, k, now := New(&Config{MaxInflight: 100, RetryInterval: 30 * time.Second}, epoch), &sink{}, int64(epoch)
	s.Connected(0, k, now)
	for range 300 {
		s.Deliver(Delivery{Msg: message("x"), QoS: 1}, k, now)
	}
	for id := range uint16(300) {
		if _, err := s.Puback(id+1, 0, k, now); err != nil {
			t.Fatal(err)
		}
	}
	s.Received(1, now)
	s.Released(1)
	if len(s.flights.slots.buf) == 0 || s.queue == nil || s.awaiting == nil {
		t.Error("memory is given back before the session rests, a steady trickle would allocate it again and again")
	}
	for ticks := 0; s.NextTick() != 0; ticks++ {
		if now = s.NextTick(); ticks > 3 || now > epoch+3*idleAfter {
			t.Fatalf("after %d ticks and %d ms the session still wants to be called", ticks, now-epoch)
		}
		s.Tick(k, now)
	}
	if s.flights.slots.buf != nil || s.queue != nil || s.awaiting != nil {
		t.Error("an idle session holds memory")
	}
}

func TestOfflineSessionHoldsOnlyItsQueue(t *testing.T) {
	s, k := New(&Config{}, epoch), &sink{}
	s.Connected(0, k, epoch)
	s.Deliver(Delivery{Msg: message("x"), QoS: 1}, k, epoch)
	s.Puback(1, 0, k, epoch)
	s.Disconnected(epoch)
	if s.flights.slots.buf != nil {
		t.Error("the window's memory outlives the connection")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func bytesEach(n int, build func() any) float64 {
	before := heap()
	v := build()
	after := heap()
	runtime.KeepAlive(v)
	return float64(after-before) / float64(n)
}

func TestMemory(t *testing.T) {
	is := func(what string, most, got float64) {
		t.Helper()
		t.Logf("%-45s %6.1f B", what, got)
		if got > most {
			t.Errorf("%s: %.1f bytes, more than %.0f", what, got, most)
		}
	}
	cfg := &Config{}
	shared := &Subscription{Filter: "f"}
	const sessions = 20_000
	is("a session with one subscription", 168, bytesEach(sessions, func() any {
		all := make([]*Session, sessions)
		for i := range all {
			all[i] = New(cfg, epoch)
			all[i].Subscribe(shared)
			all[i].Connected(0, &sink{}, epoch)
		}
		return all
	}))
	kept := message("x").Keep()
	is("an offline session with one queued delivery", 480, bytesEach(sessions, func() any {
		all := make([]*Session, sessions)
		for i := range all {
			all[i] = New(cfg, epoch)
			all[i].Deliver(Delivery{Msg: kept, QoS: 1}, &sink{}, epoch)
		}
		return all
	}))
	for _, n := range []int{1_000, 10_000, 50_000} {
		subs := make([]*Subscription, n)
		for i := range subs {
			subs[i] = &Subscription{Filter: fmt.Sprintf("a/%d/#", i)}
		}
		is(fmt.Sprintf("one of %d subscriptions, beside itself", n), 16, bytesEach(n, func() any {
			s := New(cfg, epoch)
			for _, sub := range subs {
				s.Subscribe(sub)
			}
			return s
		}))
		runtime.KeepAlive(subs)
	}
}

func BenchmarkDeliverQoS0(b *testing.B) {
	s, k := New(&Config{MaxInflight: 32}, epoch), &sink{}
	s.Connected(0, k, epoch)
	d := Delivery{Msg: message("x").Keep(), Sub: &Subscription{}}
	b.ReportAllocs()
	for b.Loop() {
		s.Deliver(d, k, epoch)
	}
}

func BenchmarkQoS1(b *testing.B) {
	for _, depth := range []uint16{1, 32, 1000} {
		b.Run(fmt.Sprintf("window=%d", depth), func(b *testing.B) {
			s, k := New(&Config{MaxInflight: int(depth), RetryInterval: 30 * time.Second}, epoch), &sink{}
			s.Connected(0, k, epoch)
			d := Delivery{Msg: message("x").Keep(), Sub: &Subscription{}, QoS: 1}
			for range depth - 1 {
				s.Deliver(d, k, epoch)
			}
			oldest := uint16(1)
			b.ReportAllocs()
			for b.Loop() {
				s.Deliver(d, k, epoch)
				s.Puback(oldest, 0, k, epoch)
				oldest = nextID(oldest)
			}
		})
	}
}

// BenchmarkQoS1Stuck acknowledges the youngest delivery each time while older
// ones stay.
func BenchmarkQoS1Stuck(b *testing.B) {
	s, k := New(&Config{MaxInflight: 32}, epoch), &sink{}
	s.Connected(0, k, epoch)
	d := Delivery{Msg: message("x").Keep(), Sub: &Subscription{}, QoS: 1}
	oldest := uint16(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Deliver(d, k, epoch)
		switch {
		case i%50_000 == 0:
			oldest = k.id
		case i%50_000 == 49_999:
			s.Puback(k.id, 0, k, epoch)
			s.Puback(oldest, 0, k, epoch)
		default:
			s.Puback(k.id, 0, k, epoch)
		}
	}
}

func BenchmarkQoS2(b *testing.B) {
	s, k := New(&Config{MaxInflight: 32, RetryInterval: 30 * time.Second}, epoch), &sink{}
	s.Connected(0, k, epoch)
	d := Delivery{Msg: message("x").Keep(), Sub: &Subscription{}, QoS: 2}
	b.ReportAllocs()
	for b.Loop() {
		s.Deliver(d, k, epoch)
		s.Pubrec(k.id, 0, k, epoch)
		s.Pubcomp(k.id, 0, k, epoch)
	}
}

func BenchmarkReceived(b *testing.B) {
	s := New(&Config{MaxAwaitingRel: 100, AwaitRelTimeout: time.Minute}, epoch)
	b.ReportAllocs()
	for id := uint16(1); b.Loop(); id = nextID(id) {
		s.Received(id, epoch)
		s.Released(id)
	}
}

// BenchmarkQueue fills the queue of an absent client and drops the oldest.
func BenchmarkQueue(b *testing.B) {
	for name, cfg := range map[string]*Config{
		"plain":      {MaxMqueueLen: 1000, MaxMqueueBytes: 1 << 20},
		"priorities": {MaxMqueueLen: 1000, MqueuePriorities: map[string]int{"t": 3, "u": 4}, MqueueDefaultPriority: "lowest"},
	} {
		b.Run(name, func(b *testing.B) {
			s, k := New(cfg, epoch), &sink{}
			d := Delivery{Msg: message("x").Keep(), QoS: 1}
			b.ReportAllocs()
			for b.Loop() {
				s.Deliver(d, k, epoch)
			}
		})
	}
}

// BenchmarkResume drains a queue of 1000 into a client that comes back.
func BenchmarkResume(b *testing.B) {
	d := Delivery{Msg: message("x").Keep(), QoS: 1}
	b.ReportAllocs()
	for b.Loop() {
		s, k := New(&Config{MaxInflight: 32}, epoch), &sink{}
		for range 1000 {
			s.Deliver(d, k, epoch)
		}
		s.Connected(0, k, epoch)
		for id := range uint16(1000) {
			s.Puback(id+1, 0, k, epoch)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/message")
}

func BenchmarkSubscribe(b *testing.B) {
	subs := make([]*Subscription, 10_000)
	for i := range subs {
		subs[i] = &Subscription{Filter: fmt.Sprintf("a/%d/#", i)}
	}
	b.ReportAllocs()
	for b.Loop() {
		s := New(&Config{}, epoch)
		for _, sub := range subs {
			s.Subscribe(sub)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(subs)), "ns/subscription")
}
