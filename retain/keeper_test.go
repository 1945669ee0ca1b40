package retain

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

var errFull = errors.New("the disk is full")

// kept is a store with a keeper.
type kept struct {
	*Store
	t       *testing.T
	keeper  *keeptest.Map
	metrics metrics.Registry
	log     bytes.Buffer
}

func newKept(t *testing.T, k *keeptest.Map) *kept {
	t.Helper()
	s := &kept{Store: New(Config{}), t: t, keeper: k}
	if err := s.Keep(k, &s.metrics, slog.New(slog.NewTextHandler(&s.log, nil))); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *kept) put(text string) { s.t.Helper(); put(s.t, s.Store, text) }

// has waits until everything has ended that is under way.
func (s *kept) has(want ...string) {
	s.t.Helper()
	synctest.Wait()
	wants(s.t, s.Store, "#", want...)
}

func bubble(t *testing.T, f func(*testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestWhatIsRetainedOutlivesTheProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := keeptest.New()
		s := newKept(t, k)
		s.put("a=1")
		s.put("b/c=2")
		s.put("a=3")
		s.put("gone=4")
		wants(t, s.Store, "#", "a=3", "b/c=2", "gone=4") // at once
		s.Delete("gone")
		s.Delete("never there")
		if err := s.Store.Put(&mqtt.Message{Topic: "$SYS/x", Sys: true, Payload: []byte("not kept")}, 0); err != nil {
			t.Error(err)
		}
		s.has("a=3", "b/c=2")
		again := newKept(t, k.Node())
		again.has("a=3", "b/c=2")
		if len(s.Match("$SYS/#", 0)) != 1 || len(again.Match("$SYS/#", 0)) != 0 {
			t.Error("messages of the broker itself are kept")
		}
		full := &mqtt.Message{
			Topic: "full", Payload: []byte("x"), QoS: 2, From: "c", Username: "u", Timestamp: 5, ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), Props: allProps(),
		}
		if err := s.Store.Put(full, 5); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if e, ok := again.Lookup("full"); !ok || fmt.Sprint(e.Message().Props) != fmt.Sprint(full.Props) || e.Message().Username != "u" || e.ExpiresAt() != full.ExpiresAt {
			t.Errorf("%+v", e)
		}
	})
}

// TestOneWriteOfATopicAtATime: what changes faster than it can be kept is kept
// in the end, without a write for each change.
func TestOneWriteOfATopicAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &slowKeeper{Map: keeptest.New()}
		s := New(Config{})
		if err := s.Keep(slow, new(metrics.Registry), slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			put(t, s, fmt.Sprint("a=", i))
			put(t, s, fmt.Sprint("b=", i))
		}
		s.Delete("b")
		for slow.step() {
			wants(t, s, "#", "a=999")
		}
		wants(t, s, "#", "a=999")
		if n := slow.Writes(); n != 4 || !slices.Equal(slow.Keys(), []string{"a"}) || !strings.HasSuffix(slow.Records()["a"], "999") {
			t.Errorf("%d writes, %q", n, slow.Records())
		}
		if len(s.keeping.topics) != 0 || s.keeping.flying != 0 || s.keeping.bytes != 0 {
			t.Errorf("left: %+v", s.keeping)
		}
	})
}

// slowKeeper does nothing until it is told to.
type slowKeeper struct {
	*keeptest.Map
	mu   sync.Mutex
	todo []func()
}

func (k *slowKeeper) PutLaterFor(key string, value []byte, ttl time.Duration, done func(error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.todo = append(k.todo, func() { k.Map.PutLaterFor(key, value, ttl, done) })
}

func (k *slowKeeper) DeleteLater(key string, done func(error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.todo = append(k.todo, func() { k.Map.DeleteLater(key, done) })
}

func (k *slowKeeper) step() bool {
	k.mu.Lock()
	if len(k.todo) == 0 {
		k.mu.Unlock()
		return false
	}
	f := k.todo[0]
	k.todo = k.todo[1:]
	k.mu.Unlock()
	f()
	synctest.Wait()
	return true
}

func TestWhatCannotBeKeptIsUndone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := keeptest.New()
		s := newKept(t, k)
		s.put("a=1")
		s.put("b=1")
		s.has("a=1", "b=1")
		k.Fail(errFull)
		var ends []error
		note := func(err error) { ends = append(ends, err) }
		if waits, err := s.PutKept(message("a", "2"), 0, note); !waits || err != nil {
			t.Error(waits, err)
		}
		synctest.Wait()
		if waits := s.DeleteKept("b", note); !waits {
			t.Error("nobody waits for a deletion")
		}
		s.put("new=1")
		s.has("a=1", "b=1")
		if len(ends) != 2 || !errors.Is(ends[0], errFull) || !errors.Is(ends[1], errFull) {
			t.Errorf("%v", ends)
		}
		if n, _ := s.metrics.Get("messages.retained.failed"); n.Value != 3 || strings.Count(s.log.String(), "can't be kept") != 1 {
			t.Errorf("%d, %s", n.Value, &s.log)
		}
		k.Fail(nil)
		if waits, err := s.PutKept(message("a", "3"), 0, note); !waits || err != nil {
			t.Error(waits, err)
		}
		s.has("a=3", "b=1")
		if len(ends) != 3 || ends[2] != nil {
			t.Errorf("%v", ends)
		}
		if waits := s.DeleteKept("never there", note); waits {
			t.Error("there is nothing to wait for")
		}
	})
}

func TestNoKeeperNoWaiting(t *testing.T) {
	s := New(Config{})
	if waits, err := s.PutKept(message("a", "1"), 0, nil); waits || err != nil {
		t.Error(waits, err)
	}
	if s.DeleteKept("a", nil) || s.Len() != 0 {
		t.Error("it waits, or is there")
	}
	full := newKept(t, keeptest.New())
	full.Change(Config{MaxPayload: 1})
	if waits, err := full.PutKept(message("a", "12"), 0, nil); waits || err == nil {
		t.Error(waits, err)
	}
}

// TestTooManyUnkept: a keeper that answers nothing fills no memory.
func TestTooManyUnkept(t *testing.T) {
	s := New(Config{})
	registry := new(metrics.Registry)
	if err := s.Keep(&slowKeeper{Map: keeptest.New()}, registry, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for i := range maxUnkept {
		put(t, s, fmt.Sprint(i, "=1"))
	}
	if err := s.Put(message("one more", "1"), 0); !errors.Is(err, errUnkept) || s.Len() != maxUnkept {
		t.Error(err, s.Len())
	}
	put(t, s, "7=2")
	s.Delete("8")
	if n, _ := registry.Get("messages.retained.failed"); n.Value != 1 {
		t.Errorf("%d are counted", n.Value)
	}
}

// TestTwoNodesRetain writes the same topics on two nodes at random, with one of
// them behind now and then: in the end both have what the keeper has.
func TestTwoNodesRetain(t *testing.T) {
	for seed := range uint64(20) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 5))
			k := keeptest.New()
			nodes := []*kept{newKept(t, k), newKept(t, k.Node())}
			for i := range 300 {
				s, topic := nodes[random.IntN(2)], string(rune('a'+random.IntN(4)))
				switch random.IntN(8) {
				case 0:
					s.Delete(topic)
				case 1:
					s.keeper.Hold()
				case 2:
					s.keeper.Release()
				case 3:
					synctest.Wait()
				default:
					s.put(fmt.Sprint(topic, "=", i))
				}
			}
			for _, s := range nodes {
				s.keeper.Release()
			}
			synctest.Wait()
			want := slices.Sorted(maps.Keys(k.Records()))
			for n, s := range nodes {
				got := texts(s.Match("#", 0))
				if len(got) != len(want) {
					t.Fatalf("seed %d: node %d has %q, the keeper %q", seed, n, got, want)
				}
				for _, text := range got {
					topic, payload, _ := strings.Cut(text, "=")
					if !strings.HasSuffix(k.Records()[topic], payload) {
						t.Errorf("seed %d: node %d has %s, the keeper %q", seed, n, text, k.Records()[topic])
					}
				}
				if len(s.keeping.topics) != 0 {
					t.Errorf("seed %d: left %v", seed, s.keeping.topics)
				}
			}
		})
	}
}

// TestLaterThanOurs: what another node has put after our change is what counts
// here as well, and what it has put before doesn't come back.
func TestLaterThanOurs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := keeptest.New()
		slow := &slowKeeper{Map: k}
		s := New(Config{})
		if err := s.Keep(slow, new(metrics.Registry), slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		other := newKept(t, k.Node())
		put(t, s, "a=ours")
		other.put("a=before ours")
		synctest.Wait()
		wants(t, s, "#", "a=ours")
		slow.step()
		wants(t, s, "#", "a=ours")
		other.has("a=ours")
		put(t, s, "a=ours again")
		slow.step()
		other.put("a=after ours")
		other.has("a=after ours")
		wants(t, s, "#", "a=after ours")
	})
}

// TestRecordsThatAreNoMessages are left out, and said.
func TestRecordsThatAreNoMessages(t *testing.T) {
	good := string(appendKept(newRecord(message("good", "1"), 0)))
	s := newKept(t, keeptest.Of(map[string]string{
		"good": good, "other": good, "empty": "", "form": "\x02" + good[1:], "cut": "\x01\x00\x00\x03cut", "short": "\x01\x00\xff\xff",
	}))
	wants(t, s.Store, "#", "good=1")
	for _, name := range []string{"other", "empty", "form", "cut", "short"} {
		if !strings.Contains(s.log.String(), "topic="+name) {
			t.Errorf("%s isn't in the log: %s", name, &s.log)
		}
	}
	broken := keeptest.New()
	broken.Fail(errFull)
	if err := New(Config{}).Keep(broken, new(metrics.Registry), slog.New(slog.DiscardHandler)); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

func FuzzKept(f *testing.F) {
	f.Add("t", []byte(newRecord(&mqtt.Message{Topic: "t", From: "c", Username: "u", ExpiresAt: 7, Props: allProps(), Payload: []byte("x")}, 0)))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		r, err := parseKept(name, append([]byte{keptForm}, value...))
		if err != nil {
			return
		}
		var m mqtt.Message
		r.fill(&m) // and doesn't panic
		if m.Topic != name || r.timestamp() != m.Timestamp {
			t.Errorf("%q became %+v", name, m)
		}
	})
}

var _ Keeper = (*keeptest.Map)(nil)
var _ keep.Later = (*keeptest.Map)(nil)
