package clienttest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestStorm: ten thousand clients connect at once, and all leave at once.
func TestStorm(t *testing.T) {
	const n = 10_000
	b := start(t, "tcp", often)
	numbersOf := watching(t, b.tcp())
	before := b.memory(t)

	crowd := make([]*wire, n)
	defer func() {
		for _, w := range crowd {
			if w != nil {
				w.Close()
			}
		}
	}()
	began := time.Now()
	each(t, n, func(i int) (err error) {
		if crowd[i], err = dialWire(b.tcp()); err != nil {
			return err
		}
		return crowd[i].trySend(&mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: fmt.Sprint("storm", i)})
	})
	each(t, n, func(i int) error {
		p, err := crowd[i].next(patience)
		if k, ok := p.(*mqtt.Connack); !ok || k.Code != mqtt.Success {
			return fmt.Errorf("CONNECT was answered with %v (%v)", p, err)
		}
		return nil
	})
	t.Logf("%d clients connected in %v", n, time.Since(began).Round(time.Millisecond))
	numbersOf.until(t, "all clients to be counted", func(m numbers) bool {
		return m["stats/connections.count"] == n+1 && m["stats/sessions.count"] == n+1
	})
	// Measured: 1.4 KB for a client that has only connected. What the
	// collector has not yet given back comes on top.
	perClient := (b.memory(t) - before) / n
	t.Logf("the broker's memory grew by %d bytes a client", perClient)
	if perClient > 6<<10 {
		t.Errorf("an idle client costs %d bytes, expected at most 6 KB", perClient)
	}

	each(t, n, func(i int) error { return crowd[i].trySend(&mqtt.Disconnect{}) })
	m := numbersOf.until(t, "all clients to be gone", func(m numbers) bool {
		return m["stats/connections.count"] == 1 && m["stats/sessions.count"] == 1 && m["stats/channels.count"] == 1
	})
	if got := m["stats/connections.max"]; got != n+1 {
		t.Errorf("connections.max is %d, expected %d", got, n+1)
	}
	connect(t, b.tcp(), "after").disconnect(t)
}

// each calls f for 0 to n-1, on a hundred goroutines: the race detector can't
// take ten thousand.
func each(t testing.TB, n int, f func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	failed := make(chan error, n)
	for range min(n, 100) {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					failed <- fmt.Errorf("number %d: %w", i, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if len(failed) > 0 {
		t.Fatalf("%d of %d failed, one of them: %v", len(failed), n, <-failed)
	}
}
