package retain

import (
	"slices"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestBrowse(t *testing.T) {
	s := filled(t, Config{}, "b=1", "a/b=2", "a=3", "$SYS/x=4", "a/a/a=5", "ab=6")
	f := func(filter string, want ...string) {
		t.Helper()
		var got []string
		for e := range s.Browse(filter) {
			got = append(got, e.Topic()+"="+string(e.Message().Payload))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", filter, got, want)
		}
	}
	f("", "$SYS/x=4", "a=3", "a/a/a=5", "a/b=2", "ab=6", "b=1")
	f("#", "a=3", "a/a/a=5", "a/b=2", "ab=6", "b=1")
	f("a/#", "a=3", "a/a/a=5", "a/b=2")
	f("+", "a=3", "ab=6", "b=1")
	f("a/b", "a/b=2")
	f("a/c")
	for e := range s.Browse("a/#") { // which may delete what it finds
		s.Delete(e.Topic())
	}
	f("", "$SYS/x=4", "ab=6", "b=1")
	for range s.Browse("") {
		break
	}
}

func TestLookup(t *testing.T) {
	s := New(Config{Expiry: time.Minute})
	m := &mqtt.Message{
		Topic: "t", Payload: []byte("on"), QoS: 1, Retain: true, From: "c", Username: "u", Timestamp: 1000,
		Props: &mqtt.Properties{Present: mqtt.PropContentType, ContentType: "text/plain"},
	}
	if err := s.Put(m, 5000); err != nil {
		t.Fatal(err)
	}
	e, ok := s.Lookup("t")
	if !ok || e.Topic() != "t" || e.Timestamp() != 1000 || e.ExpiresAt() != 65_000 {
		t.Errorf("%t: %q of %d, until %d", ok, e.Topic(), e.Timestamp(), e.ExpiresAt())
	}
	if k := e.Message(); string(k.Payload) != "on" || k.QoS != 1 || k.From != "c" || k.Username != "u" || k.Props.ContentType != "text/plain" || k.ExpiresAt != 0 {
		t.Errorf("got %+v", k)
	}
	m.Topic, m.ExpiresAt = "own", 7000
	if err := s.Put(m, 5000); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.Lookup("own"); e.ExpiresAt() != 7000 || e.Message().ExpiresAt != 7000 {
		t.Errorf("its own expiry is now %d", e.ExpiresAt())
	}
	for _, name := range []string{"", "T", "t/", "nothing"} {
		if _, ok := s.Lookup(name); ok {
			t.Errorf("there is a message of %q", name)
		}
	}
}

// BenchmarkBrowse goes through a million messages, and counts the longest that
// one who stores another has waited meanwhile.
func BenchmarkBrowse(b *testing.B) {
	s := sitesStore(b, 1000, 1_000_000)
	for b.Loop() {
		stop, longest := make(chan struct{}), make(chan time.Duration)
		go func() {
			var most time.Duration
			for m := message("x", "1"); ; {
				select {
				case <-stop:
					longest <- most
					return
				default:
				}
				start := time.Now()
				if err := s.Put(m, 0); err != nil {
					b.Error(err)
				}
				most = max(most, time.Since(start))
				time.Sleep(100 * time.Microsecond)
			}
		}()
		n := 0
		for range s.Browse("") {
			n++
		}
		close(stop)
		if n < 1_000_000 {
			b.Fatal(n)
		}
		b.ReportMetric(float64((<-longest).Microseconds())/1000, "ms-longest-put")
	}
}
