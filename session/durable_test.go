package session

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// logged is a message of the log at a position of shard 0, named after it.
func logged(seq uint64) *mqtt.Message {
	return (&mqtt.Message{Topic: "t", Payload: fmt.Append(nil, seq), LogSeq: seq}).Keep()
}

func newDurable(cfg *Config) *Session {
	s := New(cfg, epoch)
	s.SetDurable(true)
	return s
}

// reload is a restart of the process with this record; all messages of the log
// are still there, but for those that gone names.
func reload(t *testing.T, cfg *Config, record []byte, gone ...uint64) (*Session, *wire) {
	t.Helper()
	s, out := newDurable(cfg), &wire{}
	if err := s.Load(record); err != nil {
		t.Fatal(err)
	}
	s.Fill(func(at mqtt.At) *mqtt.Message {
		for _, g := range gone {
			if g == at.Seq {
				return nil
			}
		}
		return logged(at.Seq)
	}, out)
	if n := s.Pending(); n != nil {
		t.Fatalf("%v still pending", n)
	}
	return s, out
}

func TestQoS2WaitsForItsSave(t *testing.T) {
	s, out := newDurable(&Config{}), &wire{}
	s.Connected(0, out, epoch)
	wants := func(want string) {
		t.Helper()
		if got := strings.Join(out.log, " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		out.log = nil
	}
	s.Deliver(Delivery{Msg: logged(1), QoS: 2}, out, epoch)
	s.Deliver(Delivery{Msg: logged(2), QoS: 1}, out, epoch)
	wants("2#2")
	_, first := s.Save(nil)
	s.Deliver(Delivery{Msg: logged(3), QoS: 2}, out, epoch)
	s.Saved(first, out, epoch)
	wants("1#1")
	if !s.Unsaved() {
		t.Error("the delivery after the save waits for none")
	}
	record, second := s.Save(nil)
	s.NotSaved(second)
	s.Saved(second-1, out, epoch)
	wants("")
	_, third := s.Save(nil)
	s.Saved(third, out, epoch)
	wants("3#3")
	s.Pubrec(1, 0, out, epoch)
	s.Pubcomp(1, 0, out, epoch)
	wants("")
	_, fourth := s.Save(nil)
	s.Saved(fourth, out, epoch)
	wants("rel#1")
	restored, again := reload(t, &Config{}, record)
	restored.Connected(0, again, epoch)
	if got := strings.Join(again.log, " "); got != "1#1! 2#2! 3#3!" {
		t.Errorf("resumes with %s", got)
	}
}

func TestLoadedWithoutMessages(t *testing.T) {
	s, out := newDurable(&Config{MaxInflight: 3}), &wire{}
	s.Connected(0, out, epoch)
	for seq := range uint64(5) {
		s.Deliver(Delivery{Msg: logged(seq + 1), QoS: 1 + mqtt.QoS(seq%2)}, out, epoch)
	}
	s.SetRead(0, 6)
	record, _ := s.Save(nil)
	restored, out := reload(t, &Config{}, record, 1, 2, 4)
	if !reflect.DeepEqual(out.log, []string{"-:log_retention"}) {
		t.Errorf("reports %v", out.log)
	}
	out.log = nil
	restored.Connected(0, out, epoch)
	if got := strings.Join(out.log, " "); got != "rel#2 3#3! 5#4" {
		t.Errorf("resumes with %s", got)
	}
	if restored.Read(0) != 6 || restored.Read(1) != 0 {
		t.Errorf("reads on at %d and %d", restored.Read(0), restored.Read(1))
	}
}

// A QoS 2 delivery that could not go out when its save ended, for congestion,
// goes before one that the new connection had no room to look at yet.
func TestHeldDeliveriesKeepTheirOrder(t *testing.T) {
	s, out := newDurable(&Config{}), &wire{}
	s.Connected(0, out, epoch)
	for seq := range uint64(3) {
		s.Deliver(Delivery{Msg: logged(seq + 1), QoS: 2}, out, epoch)
	}
	_, mark := s.Save(nil)
	s.Disconnected(epoch)
	s.Connected(2, out, epoch) // the third one is beyond the window
	out.full = true
	s.Saved(mark, out, epoch)
	out.full = false
	s.Drain(out, epoch)
	if got := strings.Join(out.log, " "); got != "1#1 2#2" {
		t.Errorf("sent %s", got)
	}
	for _, step := range []func(){
		func() { s.Pubrec(1, 0, out, epoch) },
		func() { _, mark = s.Save(nil); s.Saved(mark, out, epoch) },
		func() { s.Pubcomp(1, 0, out, epoch) },
	} {
		step()
	}
	if got := strings.Join(out.log, " "); got != "1#1 2#2 rel#1 3#3" || s.Held() != 0 {
		t.Errorf("sent %s, and %d are held", got, s.Held())
	}
}

// holding is a connected durable session that holds the deliveries 1 to n.
func holding(cfg *Config, n uint64) (*Session, *wire) {
	s, out := newDurable(cfg), &wire{}
	s.Connected(0, out, epoch)
	for seq := range n {
		m := logged(seq + 1).Copy()
		m.ExpiresAt = epoch + 1000*int64(seq+1)
		s.Deliver(Delivery{Msg: m, Sub: &Subscription{Filter: "$share/g/t"}, QoS: 2}, out, epoch)
	}
	return s, out
}

func TestHeldDeliveriesAreInTheBooks(t *testing.T) {
	s, out := holding(&Config{MaxInflight: 3}, 5)
	if s.Held() != 3 || s.Queued() != 2 || s.Inflight() != 3 || s.Tally() != (Tally{Queued: 5}) {
		t.Errorf("%d held, %d queued, %d in flight, %+v", s.Held(), s.Queued(), s.Inflight(), s.Tally())
	}
	for i, in := range s.InflightPage(0, 10) {
		if !in.Held || in.Released || in.Msg == nil {
			t.Errorf("delivery %d looks like %+v", i, in)
		}
	}
	out.tooLarge = "2"
	_, mark := s.Save(nil)
	s.Saved(mark, out, epoch+1500) // 1 has expired, 2 is too large, which makes room
	if got := strings.Join(out.log, " "); got != "-1:expired -2:too_large 3#3" {
		t.Errorf("got %s", got)
	}
	if s.Held() != 2 || s.Queued() != 0 {
		t.Errorf("%d held, %d queued", s.Held(), s.Queued())
	}
	out.log = nil
	s.End(out)
	want := Tally{Delivered: 1, Queued: 5}
	want.Dropped[Expired], want.Dropped[TooLarge], want.Dropped[SessionEnded] = 1, 1, 2
	if got := strings.Join(out.log, " "); got != "-4:session_ended -5:session_ended" || s.Tally() != want || s.Held() != 0 {
		t.Errorf("got %s, %+v", got, s.Tally())
	}
}

func TestHeldDeliveriesAreSurrendered(t *testing.T) {
	s, out := holding(&Config{}, 1)
	_, mark := s.Save(nil)
	s.Deliver(Delivery{Msg: logged(2), Sub: &Subscription{Filter: "$share/g/t"}, QoS: 2}, out, epoch)
	var taken []string
	s.Surrender(func(Delivery) bool { return true }, func(d Delivery) { taken = append(taken, string(d.Msg.Payload)) })
	if fmt.Sprint(taken) != "[2]" || s.Held() != 1 || !s.Changed() {
		t.Errorf("%v are surrendered, %d are held: what a save has stays", taken, s.Held())
	}
	s.Saved(mark, out, epoch)
	if got := strings.Join(out.log, " "); got != "1#1" {
		t.Errorf("sent %s", got)
	}
}

func TestHeldDeliveriesOfAStateAreQueued(t *testing.T) {
	s, _ := holding(&Config{MaxInflight: 1}, 2)
	restored, err := Restore(&Config{}, viaJSON(t, s.State()))
	if err != nil {
		t.Fatal(err)
	}
	out := &wire{}
	restored.Connected(0, out, epoch)
	if len(out.log) > 0 || !restored.Durable() || !restored.Unsaved() {
		t.Errorf("sent %s before it is saved that these have their identifiers", out.log)
	}
	_, mark := restored.Save(nil)
	restored.Saved(mark, out, epoch)
	if got := strings.Join(out.log, " "); got != "1#2 2#3" && got != "1#1 2#2" {
		t.Errorf("sent %s", got)
	}
}

// TestDurableStateMoves has a session go on elsewhere with what it has in the log
// and with its client's messages on their way there.
func TestDurableStateMoves(t *testing.T) {
	s, out := holding(&Config{}, 2)
	_, mark := s.Save(nil)
	s.Saved(mark, out, epoch)
	if _, err := s.Pubrec(1, 0, out, epoch); err != nil {
		t.Fatal(err)
	}
	s.SetRead(0, 7)
	s.SetRead(2, 9)
	for _, id := range []uint16{5, 6} {
		if _, err := s.Received(id, epoch); err != nil {
			t.Fatal(err)
		}
		s.Await(id, mqtt.At{Shard: 2, Seq: 4})
	}
	_, mark = s.Save(nil)
	for _, f := range s.Saved(mark, out, epoch) {
		if f.ID == 5 {
			s.Appended(f.ID, f.Num)
		}
	}
	st := viaGob(t, s.State())
	moved, err := Restore(&Config{}, st)
	if err != nil {
		t.Fatal(err)
	}
	if want, got := asJSON(t, s.State()), asJSON(t, moved.State()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if d := moved.Doubtful(); len(d) != 1 || d[0].ID != 6 || d[0].From != (mqtt.At{Shard: 2, Seq: 4}) {
		t.Errorf("%v are in doubt", d)
	}
	out = &wire{}
	moved.Connected(0, out, epoch)
	if got := strings.Join(out.log, " "); got != "2#2!" {
		t.Errorf("sent %s: the release of the first waits until it is saved here", got)
	}
	_, mark = moved.Save(nil)
	moved.Saved(mark, out, epoch)
	if got := strings.Join(out.log, " "); got != "2#2! rel#1" {
		t.Errorf("sent %s", got)
	}
	if moved.Await(5, mqtt.At{}) <= s.lasts().lastFlow {
		t.Error("a flow has the number of another one")
	}
	st.Durable.Flows[0].ID = 77
	if _, err := Restore(&Config{}, st); err == nil {
		t.Error("there is a flow of a message that was not received")
	}
}
