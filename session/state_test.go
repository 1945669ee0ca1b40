package session

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// fullSession has something of everything, and everything in a message.
func fullSession(cfg *Config) *Session {
	s, out := New(cfg, epoch), &wire{}
	plain := &Subscription{Filter: "a/#", ID: 7, SubscribeOptions: mqtt.SubscribeOptions{QoS: 2, RetainAsPublished: true}}
	shared := &Subscription{Filter: "$share/g/b"}
	former := &Subscription{Filter: "gone"}
	for _, sub := range []*Subscription{shared, plain} {
		if _, err := s.Subscribe(sub); err != nil {
			panic(err)
		}
	}
	rich := &mqtt.Message{
		Topic: "a/b", Payload: []byte{0, 1, 255}, From: "pub", Username: "u", PeerAddr: netip.MustParseAddr("::1"), PeerPort: 1883,
		Timestamp: epoch - 5, ExpiresAt: epoch + 60_000, QoS: 2, Retain: true, Sys: true,
		Props: &mqtt.Properties{
			Present: mqtt.ForwardedProps, MessageExpiry: 60, PayloadFormat: 1, ContentType: "x", ResponseTopic: "r",
			CorrelationData: []byte{9, 0}, UserProperties: []mqtt.UserProperty{{Key: "k", Value: "v"}, {Key: "k", Value: "w"}},
		},
	}
	s.SetExpiryInterval(Never)
	s.SetWill(&Will{Msg: rich.Keep(), Delay: 30})
	s.Connected(0, out, epoch)
	s.Deliver(Delivery{Msg: rich, Sub: plain, QoS: 1, Retain: true}, out, epoch)
	s.Deliver(Delivery{Msg: rich, Sub: plain, QoS: 1}, out, epoch+1)
	s.Deliver(Delivery{Msg: rich, Sub: shared, QoS: 2}, out, epoch+2)
	s.Deliver(Delivery{Msg: rich, QoS: 2}, out, epoch+3)
	for _, err := range []error{second(s.Puback(2, 0, out, epoch)), second(s.Pubrec(4, 0, out, epoch+9))} {
		if err != nil {
			panic(err)
		}
	}
	for _, id := range []uint16{9, 65535, 1} {
		if _, err := s.Received(id, epoch+4); err != nil {
			panic(err)
		}
	}
	s.Disconnected(epoch + 10)
	for _, sub := range []*Subscription{former, former, plain, nil} {
		s.Deliver(Delivery{Msg: rich, Sub: sub, QoS: 1}, out, epoch+10)
	}
	s.Deliver(Delivery{Msg: message("q0"), Sub: former}, out, epoch+10)
	return s
}

func second(_ Acked, err error) error { return err }

func viaJSON(t *testing.T, st *State) *State {
	t.Helper()
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	back := new(State)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	return back
}

func viaGob(t *testing.T, st *State) *State {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(st); err != nil {
		t.Fatal(err)
	}
	back := new(State)
	if err := gob.NewDecoder(&b).Decode(back); err != nil {
		t.Fatal(err)
	}
	return back
}

func asJSON(t *testing.T, st *State) string {
	t.Helper()
	text, err := json.MarshalIndent(st, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStateSurvivesEncoding(t *testing.T) {
	cfg := &Config{MaxInflight: 4}
	for name, through := range map[string]func(*testing.T, *State) *State{"json": viaJSON, "gob": viaGob} {
		s := fullSession(cfg)
		want := asJSON(t, s.State())
		restored, err := Restore(cfg, through(t, s.State()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := asJSON(t, restored.State()); got != want {
			t.Errorf("%s: got %s\nwant %s", name, got, want)
		}
		before, after := &wire{}, &wire{}
		s.Connected(0, before, epoch+20)
		restored.Connected(0, after, epoch+20)
		if !reflect.DeepEqual(before.log, after.log) || len(after.log) == 0 {
			t.Errorf("%s: resumes with %q, want %q", name, after.log, before.log)
		}
		if s.ExpiresAt() != restored.ExpiresAt() || s.AwaitingRel() != restored.AwaitingRel() || s.Created() != restored.Created() {
			t.Errorf("%s: expiry, awaiting-rel or creation differ", name)
		}
	}
}

// TestStateHasEveryField fails when a field of a message is added that the
// encoding loses.
func TestStateHasEveryField(t *testing.T) {
	s := fullSession(&Config{})
	want := s.State().Inflight[0].Msg
	for name, got := range map[string]*mqtt.Message{
		"json": viaJSON(t, s.State()).Inflight[0].Msg, "gob": viaGob(t, s.State()).Inflight[0].Msg,
	} {
		if !reflect.DeepEqual(got.Keep(), want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestRestoredDeliveriesShareTheirSubscription(t *testing.T) {
	s, err := Restore(&Config{}, viaJSON(t, fullSession(&Config{}).State()))
	if err != nil {
		t.Fatal(err)
	}
	queue := s.State().Queue
	if queue[0].Sub != queue[1].Sub || queue[2].Sub != s.Subscription("a/#") || queue[3].Sub != nil {
		t.Error("equal subscriptions are held apart")
	}
}

func TestStateOfAConnectedSession(t *testing.T) {
	s := New(&Config{}, 5)
	s.SetExpiryInterval(60)
	s.SetWill(&Will{Msg: message("bye").Keep()})
	s.Connected(0, &wire{}, 6)
	restored, err := Restore(&Config{}, s.State())
	if err != nil {
		t.Fatal(err)
	}
	if restored.Online() || restored.ExpiresAt() != 0 || restored.WillAt() != 0 {
		t.Error("the expiry runs before anybody knows since when the client is gone")
	}
	restored.Disconnected(1000)
	if restored.ExpiresAt() != 61000 || restored.WillAt() != 1000 {
		t.Errorf("expires at %d, will at %d", restored.ExpiresAt(), restored.WillAt())
	}
}

func TestRestoreRefuses(t *testing.T) {
	refused := func(change func(st *State), want string) {
		t.Helper()
		st := viaJSON(t, fullSession(&Config{}).State())
		change(st)
		if _, err := Restore(&Config{}, st); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one about %q", err, want)
		}
	}
	refused(func(st *State) { st.Will.Msg = nil }, "will")
	refused(func(st *State) { st.Subscriptions[1] = nil }, "subscription 1")
	refused(func(st *State) { st.Subscriptions[1] = st.Subscriptions[0] }, "twice")
	refused(func(st *State) { st.Inflight[0].QoS = 0 }, "delivery 0 in flight has QoS 0")
	refused(func(st *State) { st.Inflight[0].Msg = nil }, "no message")
	refused(func(st *State) { st.Inflight[0].ID = 0 }, "packet identifier 0")
	refused(func(st *State) { st.Inflight[1].ID = st.Inflight[0].ID }, "packet identifier 1")
	refused(func(st *State) { st.Queue[3].Msg = nil }, "queued delivery 3")
	refused(func(st *State) { st.Queue[3].QoS = 3 }, "QoS 3")
	refused(func(st *State) { st.AwaitingRel[0].ID = 0 }, "release")
}

func TestRestoreGoesOnWithTheIdentifiers(t *testing.T) {
	s, err := Restore(&Config{}, viaJSON(t, fullSession(&Config{}).State()))
	if err != nil {
		t.Fatal(err)
	}
	out := &wire{}
	s.Connected(0, out, epoch)
	if got := strings.ReplaceAll(strings.Join(out.log, " "), "\x00\x01\xff", "m"); got != "m#1!(retain) m#3! rel#4 m#5 m#6 m#7 m#8" {
		t.Errorf("resumes with %s", got)
	}
}

func TestRestoredMessagesAreKept(t *testing.T) {
	s, err := Restore(&Config{}, viaJSON(t, fullSession(&Config{}).State()))
	if err != nil {
		t.Fatal(err)
	}
	st := s.State()
	for _, m := range []*mqtt.Message{st.Will.Msg, st.Inflight[0].Msg, st.Queue[0].Msg} {
		if m.Keep() != m {
			t.Error("a restored message would be copied once more")
		}
	}
}

func TestRestoreUsesNoIdentifierTooEarly(t *testing.T) {
	s, out := New(&Config{}, 1), &wire{}
	s.Connected(0, out, 1)
	for range 2 {
		s.Deliver(Delivery{Msg: message("x"), QoS: 1}, out, 1)
	}
	if err := second(s.Puback(2, 0, out, 1)); err != nil {
		t.Fatal(err)
	}
	restored, err := Restore(&Config{}, s.State())
	if err != nil {
		t.Fatal(err)
	}
	out.log = nil
	restored.Connected(0, out, 1)
	restored.Deliver(Delivery{Msg: message("y"), QoS: 1}, out, 1)
	if got := strings.Join(out.log, " "); got != "x#1! y#3" {
		t.Errorf("goes on with %s", got)
	}
}

// Identifiers that have come round past an old flight are in no order.
func TestRestoreOfMixedIdentifiers(t *testing.T) {
	for _, lastID := range []uint16{0, 2, 7, 65535} {
		st := viaJSON(t, fullSession(&Config{}).State())
		st.Inflight[0].ID, st.Inflight[1].ID, st.Inflight[2].ID, st.LastID = 7, 65000, 2, lastID
		s, err := Restore(&Config{}, st)
		if err != nil {
			t.Fatal(err)
		}
		out := &wire{}
		s.Connected(0, out, epoch)
		used := map[uint16]bool{}
		for range 10 {
			s.Deliver(Delivery{Msg: message("x"), QoS: 1}, out, epoch)
		}
		for _, in := range s.InflightPage(0, 100) {
			if used[in.ID] {
				t.Errorf("after %d, packet identifier %d is used twice", lastID, in.ID)
			}
			used[in.ID] = true
		}
		for id := range used {
			if _, ok := s.flights.find(id); !ok {
				t.Errorf("after %d, packet identifier %d isn't found", lastID, id)
			}
		}
	}
}

// FuzzRestore feeds JSON to Restore: what it accepts must work and give the
// same state again.
func FuzzRestore(f *testing.F) {
	full, err := json.Marshal(fullSession(&Config{}).State())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	cfg := &Config{MaxInflight: 3, MaxMqueueLen: 2, MqueuePriorities: map[string]int{"p": 1}, MqueueDefaultPriority: "lowest"}
	f.Fuzz(func(t *testing.T, text []byte) {
		st := new(State)
		if json.Unmarshal(text, st) != nil {
			return
		}
		s, err := Restore(cfg, st)
		if err != nil {
			return
		}
		want := asJSON(t, s.State())
		again, err := Restore(cfg, s.State())
		if err != nil {
			t.Fatalf("its own state is refused: %v", err)
		}
		if got := asJSON(t, again.State()); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
		s.Connected(2, &wire{}, 1000)
		s.Deliver(Delivery{Msg: message("x"), QoS: 1}, &wire{}, 1000)
		if s.Inflight() > max(2, len(st.Inflight)) {
			t.Fatalf("%d in flight", s.Inflight())
		}
		s.End(&wire{})
		if s.Inflight()+s.Queued()+s.AwaitingRel() != 0 {
			t.Fatal("something outlived the session's end")
		}
	})
}
