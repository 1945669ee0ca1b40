package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// busySession has something of everything that a record has.
func busySession() *Session {
	s, out := newDurable(&Config{MaxInflight: 6}), &wire{}
	plain, other := &Subscription{Filter: "#"}, &Subscription{Filter: "t"}
	s.Subscribe(plain)
	s.Subscribe(other)
	s.Connected(0, out, epoch)
	save := func() {
		_, mark := s.Save(nil)
		for _, f := range s.Saved(mark, out, epoch) {
			s.Appended(f.ID, f.Num)
		}
	}
	for i, qos := range []mqtt.QoS{1, 2, 2, 1, 2, 2} {
		m := logged(uint64(i + 1))
		if i == 4 {
			m = message("retained")
		}
		s.Deliver(Delivery{Msg: m, Sub: []*Subscription{plain, other, nil}[i%3], QoS: qos, Retain: i == 2}, out, epoch)
	}
	save()
	s.Puback(4, 0, out, epoch)
	s.Pubrec(2, 0, out, epoch)
	s.Received(7, epoch)
	s.Await(7, mqtt.At{Shard: 1, Seq: 99})
	save()
	s.Received(9, epoch+5)
	s.Await(9, mqtt.At{Shard: 1, Seq: 101})
	s.Received(11, epoch) // needs no log
	s.Disconnected(epoch + 10)
	for i := range 10 {
		s.Deliver(Delivery{Msg: logged(uint64(i + 7)), Sub: []*Subscription{other, plain, {Filter: fmt.Sprint("gone", i)}}[i%3], QoS: mqtt.QoS(1 + i%2)}, out, epoch)
	}
	s.Deliver(Delivery{Msg: message("also retained"), Sub: plain, QoS: 1}, out, epoch)
	s.SetRead(0, 17)
	s.SetRead(2, 5)
	return s
}

// resumes is what a session sends on a connection that takes everything.
func resumes(s *Session) string {
	out := &wire{}
	s.SetConfig(&Config{})
	s.Connected(0, out, epoch)
	_, mark := s.Save(nil)
	s.Saved(mark, out, epoch)
	return strings.Join(out.log, " ")
}

func TestRecordSurvives(t *testing.T) {
	record, _ := busySession().Save(nil)
	cfg := &Config{MaxInflight: 6}
	s := newDurable(cfg)
	for _, filter := range []string{"#", "t"} {
		s.Subscribe(&Subscription{Filter: filter})
	}
	if err := s.Load(record); err != nil {
		t.Fatal(err)
	}
	if s.Unsaved() || s.Changed() {
		t.Error("what was just loaded wants to be saved")
	}
	if n := len(s.Pending()); n != 3+10 {
		t.Errorf("%d messages are pending: %v", n, s.Pending())
	}
	s.Surrender(func(Delivery) bool { return true }, func(d Delivery) { t.Errorf("a message that isn't there is surrendered: %+v", d) })
	for _, in := range s.InflightPage(0, 100) {
		if in.Msg != nil {
			t.Errorf("a message that isn't there is shown: %+v", in.Msg)
		}
	}
	s.Fill(func(at mqtt.At) *mqtt.Message { return logged(at.Seq) }, &wire{})
	for _, w := range s.QueuePage(0, 100) {
		if w.Sub == nil || strings.HasPrefix(w.Sub.Filter, "gone") == (s.Subscription(w.Sub.Filter) == w.Sub) {
			t.Errorf("message %s is for %+v", w.Msg.Payload, w.Sub)
		}
	}
	if s.Read(0) != 17 || s.Read(1) != 0 || s.Read(2) != 5 {
		t.Errorf("reads on at %d, %d, %d", s.Read(0), s.Read(1), s.Read(2))
	}
	if doubtful := s.Doubtful(); len(doubtful) != 1 || doubtful[0].ID != 9 || doubtful[0].From != (mqtt.At{Shard: 1, Seq: 101}) || s.AwaitingRel() != 2 {
		t.Errorf("%d await their release, in doubt are %+v", s.AwaitingRel(), doubtful)
	}
	if dup, err := s.Received(7, epoch+20); !dup || err != nil || s.Unresolved(7) {
		t.Errorf("what is in the log is received again: %v %v", dup, err)
	}
	if dup, _ := s.Received(11, epoch+20); dup {
		t.Error("what needed no log is in the record: the next message with that identifier would be lost")
	}
	const want = "1#1! rel#2 3#3!(retain) rel#5 6#6! 7#7 9#9 11#11 13#13 15#15 8#8 10#10 12#12 14#14 16#16"
	if got := resumes(s); got != want {
		t.Errorf("resumes with %s,\nwant %s", got, want)
	}
}

func TestRecordIsSmallAndMadeWithoutAllocation(t *testing.T) {
	s, out := newDurable(&Config{}), &wire{}
	sub := &Subscription{Filter: "a/filter/that/is/usual"}
	s.Connected(0, out, epoch)
	for seq := range uint64(32) {
		s.Deliver(Delivery{Msg: logged(1e9 + seq), Sub: sub, QoS: 2}, out, epoch)
	}
	s.SetRead(0, 1e9+32)
	record, _ := s.Save(nil)
	if n := len(record); n > 180 {
		t.Errorf("a full window takes %d bytes", n)
	}
	if n := testing.AllocsPerRun(100, func() { record, _ = s.Save(record[:0]) }); n != 0 {
		t.Errorf("a save allocates %v times", n)
	}
}

func TestLoadRefuses(t *testing.T) {
	good, _ := busySession().Save(nil)
	for n := range good {
		if err := newDurable(&Config{}).Load(good[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken for a record", n, len(good))
		}
	}
	refused := func(want string, record ...byte) {
		t.Helper()
		s := New(&Config{}, 0)
		s.SetDurable(true)
		if err := s.Load(record); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one about %q", err, want)
		}
	}
	refused("version 2, this program knows version 1", 2)
	refused("packet identifier is 65536", 1, 0, 0x80, 0x80, 4)
	refused("too early", 1, 0, 0, 0, 9)
	refused("1 bytes behind its end", 1, 0, 0, 0, 0, 0, 0, 0, 0)
	refused("identifier 0 of a delivery", 1, 0, 0, 0, 0, 2|headReleased, 0)
	refused("identifier 5 of a delivery", 1, 0, 0, 0, 0, 2|headReleased, 5, 2|headReleased, 5, 0, 0, 0)
	refused("QoS 3", 1, 0, 0, 0, 0, 3|headFilters<<headFilter, 5, 0, 0, 0)
	refused("position 0", 1, 0, 0, 0, 0, 1|headFilters<<headFilter, 5, 0, 0, 0)
	refused("shard is 65536", 1, 0, 0, 0, 0, 1|headFilters<<headFilter, 5, 0, 0x80, 0x80, 4, 1)
	refused("identifier 5 is there twice", 1, 0, 0, 0, 0, 0, 0, 5, 2, 0, 1, 0, 1, 5, 2, 0, 1, 0, 1, 0)
	later := New(&Config{}, epoch+1)
	later.SetDurable(true)
	if err := later.Load(good); err != nil || later.Inflight()+later.Queued()+later.AwaitingRel()+int(later.Read(0)) != 0 {
		t.Errorf("the next session of the client takes the record of this one over: %v", err)
	}
	if err := New(&Config{}, 0).Load(good); err == nil {
		t.Error("a session in memory takes a record")
	}
	if err := busySession().Load(good); err == nil {
		t.Error("a session that isn't new takes a record")
	}
}

func FuzzLoad(f *testing.F) {
	busy, _ := busySession().Save(nil)
	f.Add(busy)
	empty, _ := newDurable(&Config{}).Save(nil)
	f.Add(empty)
	cfg := &Config{MaxInflight: 3, MaxMqueueLen: 2, MqueuePriorities: map[string]int{"t": 1}, MqueueDefaultPriority: "lowest"}
	f.Fuzz(func(t *testing.T, record []byte) {
		s, out := newDurable(cfg), &wire{}
		if s.Load(record) != nil {
			return
		}
		own, _ := s.Save(nil)
		again := newDurable(cfg)
		if err := again.Load(own); err != nil {
			t.Fatalf("its own record is refused: %v", err)
		}
		if a, b := s.Pending(), again.Pending(); !slices.Equal(a, b) {
			t.Fatalf("%v is pending, want %v", b, a)
		}
		given := s.Queued()
		s.Fill(func(at mqtt.At) *mqtt.Message {
			if at.Seq%3 == 0 {
				return nil
			}
			return logged(at.Seq)
		}, out)
		dropped := given - s.Queued()
		if n := strings.Count(strings.Join(out.log, " "), "log_retention"); n != dropped {
			t.Fatalf("%d are gone, and %d are reported", dropped, n)
		}
		s.Connected(2, out, epoch)
		_, mark := s.Save(nil)
		s.Saved(mark, out, epoch)
		for _, fl := range s.Doubtful() {
			s.Missing(fl.ID, fl.Num)
		}
		s.End(out)
		if s.Inflight()+s.Queued()+s.AwaitingRel()+s.Held() != 0 {
			t.Fatal("something outlived the session's end")
		}
	})
}

func BenchmarkSave(b *testing.B) {
	s, out := newDurable(&Config{}), &sink{}
	s.Connected(0, out, epoch)
	for seq := range uint64(32) {
		s.Deliver(Delivery{Msg: logged(1e9 + seq), QoS: 2}, out, epoch)
	}
	var record []byte
	b.ReportAllocs()
	for b.Loop() {
		record, _ = s.Save(record[:0])
	}
}

func BenchmarkDurableQoS2(b *testing.B) {
	s, out := newDurable(&Config{}), &sink{}
	m := logged(1)
	var record []byte
	var mark uint32
	s.Connected(0, out, epoch)
	save := func() {
		record, mark = s.Save(record[:0])
		s.Saved(mark, out, epoch)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Deliver(Delivery{Msg: m, QoS: 2}, out, epoch)
		save()
		s.Pubrec(out.id, 0, out, epoch)
		save()
		s.Pubcomp(out.id, 0, out, epoch)
	}
}
