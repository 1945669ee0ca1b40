package durable

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// full has every field.
func full() *Session {
	will := rich().Message.Copy()
	will.SetAt(mqtt.At{})
	return &Session{
		ClientID: "c", Created: now, OfflineAt: now + 1, ExpiryInterval: 0xFFFFFFFF, Node: "dunlin@a", Epoch: 1 << 60,
		Will: &Will{Message: will.Own(), Delay: 30}, Zone: "external", Listener: "ext", Protocol: "tcp", Username: "u",
		Mountpoint: "m/", CommonName: "cn", Subject: "CN=cn", Peer: netip.MustParseAddrPort("[::1]:7"), ConnectedAt: now - 5,
		Expires: now + 9, KeepAlive: 60, ReceiveMaximum: 65535, Version: mqtt.V5, Bridge: true, Superuser: true,
		Anonymous: true, CleanStart: true, Layout: 7,
		Subscriptions: []Subscription{
			{Filter: "a/#", SubscribeOptions: mqtt.SubscribeOptions{QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}, ID: 268435455, Since: []uint64{1, 1 << 63}},
			{Filter: "$share/g/b", SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}, Since: []uint64{1, 1 << 63}},
			{Filter: "c", Since: []uint64{5}},
			{Filter: "d"},
		},
	}
}

func survives(t *testing.T, s *Session) {
	t.Helper()
	got, err := ParseSession(s.ClientID, AppendSession(nil, s))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v,\nwant %+v", got, s)
	}
}

func TestSessionSurvives(t *testing.T) {
	survives(t, full())
	survives(t, &Session{})
	one := full()
	one.Will, one.Subscriptions = nil, one.Subscriptions[:1]
	survives(t, one)
	if n := len(AppendSession(nil, &Session{Zone: "external", Node: "dunlin@127.0.0.1", Created: now, ConnectedAt: now, OfflineAt: now,
		Subscriptions: one.Subscriptions})); n > 110 {
		t.Errorf("the record of a simple session takes %d bytes", n)
	}
}

// TestSessionHasEveryField fails when a field is added that the record loses.
func TestSessionHasEveryField(t *testing.T) {
	v := reflect.ValueOf(*full())
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Chunks" {
			t.Errorf("the session of the test has no %s", name)
		}
	}
}

func TestSubscriptionsOfOneMomentShareTheirSince(t *testing.T) {
	s := &Session{}
	for i := range 100 {
		s.Subscriptions = append(s.Subscriptions, Subscription{Filter: fmt.Sprint(i), Since: []uint64{1e12, 2e12, 3e12}})
	}
	record := AppendSession(nil, s)
	if n := len(record); n > 700 {
		t.Errorf("100 subscriptions take %d bytes", n)
	}
	got, err := ParseSession("", record)
	if err != nil || &got.Subscriptions[0].Since[0] != &got.Subscriptions[99].Since[0] {
		t.Errorf("they don't share what is the same: %v", err)
	}
}

func TestSessionRefuses(t *testing.T) {
	good := AppendSession(nil, full())
	for n := range good {
		if _, err := ParseSession("", good[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken for a session", n, len(good))
		}
	}
	refused := func(want string, record []byte) {
		t.Helper()
		if _, err := ParseSession("", record); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one about %q", err, want)
		}
	}
	with := func(at int, b byte) []byte {
		record := slices.Clone(good)
		record[at] = b
		return record
	}
	refused("session record: it has version 9, this program knows version 1", with(0, 9))
	refused("flags 0x80 are not known", with(1, 0x80))
	refused("1 bytes behind its end", append(slices.Clone(good), 0))
	damaged := full()
	damaged.Subscriptions = []Subscription{{Filter: ""}}
	refused("subscription 0", AppendSession(nil, damaged))
	will := full()
	will.Will.Message = will.Will.Message.Copy()
	record := AppendSession(nil, will)
	at := strings.Index(string(record), "\x03a/b") + 5 // the will's record is behind its topic and length
	record[at] = 77
	refused("its will: message record: it has version 77", record)
}

func FuzzSession(f *testing.F) {
	f.Add(AppendSession(nil, full()))
	f.Add(AppendSession(nil, &Session{}))
	f.Add(AppendSession(nil, &Session{Chunks: 4, Layout: 1}))
	f.Fuzz(func(t *testing.T, record []byte) {
		s, err := ParseSession("c", record)
		if err != nil {
			return
		}
		again, err := ParseSession("c", AppendSession(nil, s))
		if err != nil {
			t.Fatalf("its own record is refused: %v", err)
		}
		if a, b := AppendSession(nil, again), AppendSession(nil, s); string(a) != string(b) {
			t.Fatalf("got %x, want %x", a, b)
		}
	})
}

func FuzzChunk(f *testing.F) {
	f.Add(AppendChunk(nil, slices.Values(full().Subscriptions)))
	f.Fuzz(func(t *testing.T, record []byte) {
		subs, err := ParseChunk(record)
		if err != nil {
			return
		}
		again, err := ParseChunk(AppendChunk(nil, slices.Values(subs)))
		if err != nil || len(again) != len(subs) {
			t.Fatalf("%d subscriptions become %d, %v", len(subs), len(again), err)
		}
	})
}

func TestChunks(t *testing.T) {
	is := func(n, now, want int) {
		t.Helper()
		if got := Chunks(n, now); got != want {
			t.Errorf("%d subscriptions in %d chunks go into %d, want %d", n, now, got, want)
		}
	}
	is(0, 0, 0)
	is(128, 0, 0)
	is(129, 0, 2)
	is(256, 2, 2)
	is(257, 2, 4)
	is(10_000, 0, 128)
	is(64, 4, 4)
	is(63, 4, 2)
	is(33, 4, 2)
	is(32, 128, 0)
	is(1<<30, 2, maxChunks)
	changes, now := 0, 0
	for n := range 100_000 {
		if to := Chunks(n, now); to != now {
			changes, now = changes+1, to
		}
	}
	for n := 100_000; n >= 0; n-- {
		if to := Chunks(n, now); to != now {
			changes, now = changes+1, to
		}
	}
	if changes > 25 || now != 0 {
		t.Errorf("the chunks change %d times on the way to 100,000 and back, and are %d at last", changes, now)
	}
}

func TestKeys(t *testing.T) {
	for _, k := range []Key{{"c", -1, 0}, {"", -1, 0}, {"s\x00ü", 0, 1}, {"c", 65535, 1<<32 - 1}} {
		key := SessionKey(k.ClientID)
		if k.Chunk >= 0 {
			key = ChunkKey(k.ClientID, k.Layout, k.Chunk)
		}
		if got, ok := ParseKey(key); !ok || got != k {
			t.Errorf("%q is %+v %v, want %+v", key, got, ok, k)
		}
	}
	for _, bad := range []string{"", "x", "c", "c\x01", "c\xff\xff\xff\xff\xff\x01\x01"} {
		if k, ok := ParseKey(bad); ok {
			t.Errorf("%q is taken for %+v", bad, k)
		}
	}
}

// records is a map that is read only.
type records map[string][]byte

func (m records) each(f func(key string, value []byte) error) error {
	for key, value := range m {
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// add puts a session with n subscriptions in, as one who keeps to Chunks.
func (m records) add(id string, n int, layout uint32) {
	s := &Session{ClientID: id, Layout: layout, Chunks: Chunks(n, 0)}
	chunks := make([][]Subscription, s.Chunks)
	for i := range n {
		sub := Subscription{Filter: fmt.Sprint("filter/", i)}
		if s.Chunks == 0 {
			s.Subscriptions = append(s.Subscriptions, sub)
		} else {
			at := Chunk(sub.Filter, s.Chunks)
			chunks[at] = append(chunks[at], sub)
		}
	}
	for i, subs := range chunks {
		m[ChunkKey(id, layout, i)] = AppendChunk(nil, slices.Values(subs))
	}
	m[SessionKey(id)] = AppendSession(nil, s)
}

func TestLoad(t *testing.T) {
	m := records{}
	m.add("small", 5, 0)
	m.add("large", 3000, 1)
	m.add("large", 1000, 2) // the larger layout was left behind by a crash
	m.add("torn", 200, 1)
	delete(m, ChunkKey("torn", 1, 0))
	m.add("gone", 500, 1)
	delete(m, SessionKey("gone"))
	m.add("damaged", 1, 0)
	m[SessionKey("damaged")][0] = 99
	m["nonsense"] = nil
	m[ChunkKey("small", 0, 3)] = []byte{1}

	found, stray, damaged := map[string]int{}, 0, map[string]string{}
	load := Loading{
		Found:   func(s *Session) error { found[s.ClientID] = len(s.Subscriptions); return nil },
		Stray:   func(string) { stray++ },
		Damaged: func(key string, err error) { damaged[key] = err.Error() },
	}
	if err := Load(m.each, load); err != nil {
		t.Fatal(err)
	}
	if found["small"] != 5 || found["large"] != 1000 || found["torn"] == 0 || found["torn"] >= 200 || len(found) != 3 {
		t.Errorf("found %v", found)
	}
	if want := Chunks(3000, 0) + Chunks(500, 0); stray != want {
		t.Errorf("%d records are left over, want %d", stray, want)
	}
	says := func(key, want string) {
		t.Helper()
		if !strings.Contains(damaged[key], want) {
			t.Errorf("%q: %q, want something about %q", key, damaged[key], want)
		}
	}
	says(SessionKey("torn"), "1 of its 2 records of subscriptions are missing")
	says(SessionKey("damaged"), "version 99")
	says("nonsense", "key")
	says(ChunkKey("small", 0, 3), "ends too early")
	stop := errors.New("stop")
	load.Found = func(*Session) error { return stop }
	if err := Load(m.each, load); !errors.Is(err, stop) {
		t.Errorf("got error %v", err)
	}
}
