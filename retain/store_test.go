package retain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// filled is a store with these messages, each "topic=payload".
func filled(t testing.TB, cfg Config, messages ...string) *Store {
	s := New(cfg)
	for _, text := range messages {
		put(t, s, text)
	}
	return s
}

func put(t testing.TB, s *Store, text string) {
	t.Helper()
	topic, payload, _ := strings.Cut(text, "=")
	if err := s.Put(message(topic, payload), 0); err != nil {
		t.Errorf("put %.40s: %v", text, err)
	}
}

// texts writes messages as filled reads them.
func texts(msgs []*mqtt.Message) []string {
	all := []string{}
	for _, m := range msgs {
		all = append(all, m.Topic+"="+string(m.Payload))
	}
	return all
}

// wants checks what a store finds, in Match's order.
func wants(t testing.TB, s *Store, filter string, want ...string) {
	t.Helper()
	if got := texts(s.Match(filter, 0)); !slices.Equal(got, append([]string{}, want...)) {
		t.Errorf("%s: got %q, want %q", filter, got, want)
	}
}

func TestPutAndDelete(t *testing.T) {
	s := filled(t, Config{}, "a=1", "b=2", "a=3")
	wants(t, s, "#", "a=3", "b=2")
	wants(t, s, "a", "a=3")
	s.Delete("a")
	s.Delete("a")
	s.Delete("never")
	wants(t, s, "#", "b=2")
	wants(t, s, "a")
	if s.Len() != 1 {
		t.Errorf("%d messages, want 1", s.Len())
	}
}

// TestFullStore: a full store takes no new topics, but does all else.
func TestFullStore(t *testing.T) {
	s := filled(t, Config{MaxMessages: 2}, "a=1", "b=1")
	if err := s.Put(message("c", "1"), 0); err == nil || !strings.Contains(err.Error(), "max_retained_messages = 2") {
		t.Errorf("the error is %v", err)
	}
	put(t, s, "a=2")
	wants(t, s, "#", "a=2", "b=1")
	s.Delete("b")
	put(t, s, "c=1")
	wants(t, s, "#", "a=2", "c=1")
}

// TestTooLarge: what is too large isn't kept, and neither is what it replaces.
func TestTooLarge(t *testing.T) {
	s := filled(t, Config{MaxPayload: 3}, "a=123", "b=1")
	if err := s.Put(message("a", "1234"), 0); err == nil || !strings.Contains(err.Error(), "4 bytes") {
		t.Errorf("the error is %v", err)
	}
	wants(t, s, "#", "b=1")
	put(t, filled(t, Config{}), "a="+strings.Repeat("x", 1<<20)) // 0 is no bound
}

func TestPutRefusesInvalidTopics(t *testing.T) {
	s := New(Config{})
	for _, name := range []string{"", "a/+", "#", "a\x00", strings.Repeat("a", topic.MaxLength+1)} {
		if err := s.Put(message(name, "x"), 0); err == nil {
			t.Errorf("%.20q is stored", name)
		}
	}
	put(t, s, strings.Repeat("a", topic.MaxLength)+"=x")
}

func TestOldestFirst(t *testing.T) {
	s := New(Config{})
	for i, name := range []string{"c", "a", "b", "d", "c"} {
		m := message(name, fmt.Sprint(i))
		m.Timestamp = int64(i / 2) // b and d at the same time
		if err := s.Put(m, 0); err != nil {
			t.Error(err)
		}
	}
	wants(t, s, "+", "a=1", "b=2", "d=3", "c=4")
}

func TestExpiry(t *testing.T) {
	row := func(cfg Config, m mqtt.Message, expires int64) {
		t.Helper()
		s := New(cfg)
		m.Topic, m.Payload = "t", []byte("x")
		if err := s.Put(&m, 1000); err != nil {
			t.Error(err)
		}
		found := func(now int64) bool {
			c := s.Find("t")
			got, _ := c.Next(now)
			if (got != nil) != (len(s.Match("t", now)) == 1) {
				t.Error("Find and Match differ")
			}
			return got != nil
		}
		if expires != 0 && (!found(expires-1) || found(expires)) || expires == 0 && !found(1<<60) {
			t.Errorf("%+v doesn't expire at %d", m, expires)
		}
	}
	minute := Config{Expiry: time.Minute}
	zero := &mqtt.Properties{Present: mqtt.PropMessageExpiry}
	row(Config{}, mqtt.Message{}, 0)
	row(Config{}, mqtt.Message{ExpiresAt: 5000}, 5000)
	row(minute, mqtt.Message{}, 61_000)
	row(minute, mqtt.Message{ExpiresAt: 5000}, 5000)       // its own goes before
	row(minute, mqtt.Message{ExpiresAt: 100_000}, 100_000) // also if it is longer
	row(minute, mqtt.Message{Props: zero}, 0)              // it asks for none
	row(minute, mqtt.Message{Sys: true}, 0)
}

func TestAll(t *testing.T) {
	s := filled(t, Config{}, "b=1", "$SYS/a=2", "a=3")
	for i := range 2 * slice {
		put(t, s, fmt.Sprintf("z/%04d=x", i))
	}
	var got []string
	for m := range s.All() {
		got = append(got, m.Topic+"="+string(m.Payload))
		s.Delete(m.Topic)
	}
	if len(got) != 3+2*slice || !slices.Equal(got[:4], []string{"$SYS/a=2", "a=3", "b=1", "z/0000=x"}) || s.Len() != 0 {
		t.Errorf("got %d: %q, and %d are left", len(got), got[:4], s.Len())
	}
	put(t, s, "a=1")
	put(t, s, "b=1")
	for range s.All() {
		break
	}
}

// TestPutAllocates: a message stored is one piece of memory, and one replaced
// needs nothing else.
func TestPutAllocates(t *testing.T) {
	s := sitesStore(t, 10, 1000)
	m := message("site/1/dev/5/state", "payload")
	m.Topic = "site/1/dev/5/state"
	if n := testing.AllocsPerRun(100, func() { _ = s.Put(m, 0) }); n != 1 {
		t.Errorf("a replacement allocates %v times, want 1", n)
	}
	if n := testing.AllocsPerRun(100, func() { s.Delete(m.Topic) }); n != 0 {
		t.Errorf("a deletion allocates %v times, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() { s.Find("nothing/here") }); n != 0 {
		t.Errorf("finding nothing allocates %v times, want 0", n)
	}
}

// TestMemory: 64 bytes at 24 bytes of topic take 155 bytes of heap.
func TestMemory(t *testing.T) {
	const n = 50_000
	before := heap()
	s := sitesStore(t, 100, n)
	if each := float64(heap()-before) / n; each > 180 {
		t.Errorf("%.0f bytes a message", each)
	}
	for m := range s.All() {
		s.Delete(m.Topic)
	}
	if left := float64(heap()) - float64(before); left > 20*n {
		t.Errorf("%.0f bytes are left when all is deleted", left)
	}
}

// TestConcurrent has everything happen at the same time; the race detector
// looks on. One topic is always there and must always be found.
func TestConcurrent(t *testing.T) {
	s := filled(t, Config{}, "m/always=x")
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for seed := range uint64(3) {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(seed, 3))
			words := words(20)
			for range 1500 {
				m := message(randomTopic(r, words), "x")
				if m.ExpiresAt = r.Int64N(2000); r.IntN(3) == 0 {
					s.Delete(m.Topic)
				} else if err := s.Put(m, 0); err != nil {
					t.Error(err)
				}
				s.Sweep(r.Int64N(1000))
			}
		})
	}
	for _, filter := range []string{"#", "+/always", "m/#"} {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := topicsOf(s.Find(filter)); !slices.Contains(got, "m/always") {
					t.Errorf("%s doesn't find m/always", filter)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if err := s.tree.verify(); err != nil {
		t.Error(err)
	}
}

// TestChange: limits hold for what is stored from then on.
func TestChange(t *testing.T) {
	s := New(Config{MaxMessages: 2, MaxPayload: 4})
	put := func(topic, payload string, want bool) {
		t.Helper()
		if err := s.Put(&mqtt.Message{Topic: topic, Payload: []byte(payload)}, 1000); (err == nil) != want {
			t.Errorf("%s=%s: %v, want stored = %v", topic, payload, err, want)
		}
	}
	put("a", "1", true)
	put("b", "1", true)
	put("c", "1", false)
	s.Change(Config{MaxMessages: 1, MaxPayload: 10, Expiry: time.Second, StopPublishClearMsg: true})
	if s.Len() != 2 || !s.StopPublishClearMsg() {
		t.Errorf("%d are stored, StopPublishClearMsg %v", s.Len(), s.StopPublishClearMsg())
	}
	put("b", "12345", true)
	put("c", "1", false)
	for now, want := range map[int64]int{1999: 2, 2001: 1} { // a is of the time without expiry
		if got := len(s.Match("#", now)); got != want {
			t.Errorf("at %d there are %d, want %d", now, got, want)
		}
	}
}
