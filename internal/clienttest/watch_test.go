package clienttest

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// often makes the broker tell its numbers ten times a second.
const often = "broker.sys_interval=100ms"

// watch is a client that reads the broker's numbers from $SYS. The broker must
// run with the setting often.
type watch struct {
	mu     sync.Mutex
	latest numbers
	begun  time.Time // when the broker began to tell the latest numbers, at the earliest
	more   chan struct{}
}

// numbers are statistics and metrics by topic: "stats/connections.count",
// "metrics/messages/publish".
type numbers map[string]int64

// watching starts a watch. It is a client itself, and counted as one.
func watching(t testing.TB, addr string) *watch {
	t.Helper()
	s := &watch{more: make(chan struct{})}
	w := connect(t, addr, "watch")
	w.subscribe(t, 0, "$SYS/#")
	go s.read(w)
	return s
}

// read collects numbers. One round of them begins with $SYS/brokers.
func (s *watch) read(w *wire) {
	var round numbers
	begun, last := time.Time{}, time.Now()
	for {
		p, err := w.next(time.Minute)
		if err != nil {
			return
		}
		m, ok := p.(*mqtt.Publish)
		if !ok {
			continue
		}
		if m.Topic == "$SYS/brokers" && !m.Retain {
			if round != nil {
				s.publish(round, begun)
			}
			round, begun = make(numbers), last
		}
		if _, name, ok := strings.Cut(strings.TrimPrefix(m.Topic, "$SYS/brokers/"), "/"); ok && round != nil {
			if v, err := strconv.ParseInt(string(m.Payload), 10, 64); err == nil {
				round[name] = v
			}
		}
		last = time.Now() // the next message was sent after this one
	}
}

func (s *watch) publish(round numbers, begun time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest, s.begun = round, begun
	close(s.more)
	s.more = make(chan struct{})
}

// until waits for numbers told after the call that fulfil ok.
func (s *watch) until(t testing.TB, what string, ok func(numbers) bool) numbers {
	t.Helper()
	called := time.Now()
	late := time.After(patience)
	for {
		s.mu.Lock()
		latest, fresh, more := s.latest, s.begun.After(called), s.more
		s.mu.Unlock()
		if fresh && ok(latest) {
			return latest
		}
		select {
		case <-more:
		case <-late:
			maps.DeleteFunc(latest, func(_ string, v int64) bool { return v == 0 })
			t.Fatalf("waited %v for %s; the broker's numbers are %v", patience, what, latest)
		}
	}
}

// now is the next round of numbers.
func (s *watch) now(t testing.TB) numbers {
	t.Helper()
	return s.until(t, "numbers", func(numbers) bool { return true })
}
