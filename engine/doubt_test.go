package engine

import (
	"errors"
	"fmt"
	"testing"
)

// TestGivenUpComesLate has a record that was given up come when the next one of
// its writer is kept, as the buffers of a connection can have it.
func TestGivenUpComesLate(t *testing.T) {
	t.Parallel()
	a := start(t, node(t, "a"))
	b := start(t, node(t, "b"))
	l := openLog(t, a, "l", LogOptions{Shards: 1})
	big, err := a.BigMap("m")
	if err != nil {
		t.Fatal(err)
	}
	small, err := a.Map("m")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Join(within(t), a.o.Cluster.Door); err != nil {
		t.Fatal(err)
	}
	copied(t, a, b)

	value := appendKeyed(isValue, "k", false, []byte("late"))
	for _, c := range []struct {
		s       *stream
		subject string
		data    []byte
		next    func() error
	}{
		{l.shards[0], "L.l.0", makeEntry("t", 0, []byte("late")), func() error { return appended(l, "t", "next") }},
		{big.s, "B.m.k", value, func() error { return big.Put("k", []byte("next")) }},
		{small.s, "M.m.k", value, func() error { return small.Put("k", []byte("next")) }},
	} {
		comes := giveUp(t, c.s.writer, record{subject: c.subject, data: c.data})
		if err := c.next(); err != nil {
			t.Fatal(err)
		}
		comes()
	}

	for _, filters := range [][]string{nil, {"#"}} {
		entries, next, err := l.Read(within(t), 0, 1, filters, 10)
		if err != nil || len(entries) != 1 || string(entries[0].Record) != "next" || next != 3 {
			t.Errorf("the log has %v for %q, goes on at %d, %v", entries, filters, next, err)
		}
	}
	for _, m := range []*Map{big, small} {
		all := make(map[string]string)
		if err := m.Each(func(key string, value []byte) error { all[key] = string(value); return nil }); err != nil || fmt.Sprint(all) != "map[k:next]" {
			t.Error(m.s.name, "has", all, err)
		}
		told := make(chan Change, 10)
		stop, err := m.Watch(func(c Change) { told <- c })
		if err != nil {
			t.Fatal(err)
		}
		if c := <-told; c.Key != "k" || string(c.Value) != "next" {
			t.Errorf("a watch of %s is told %v", m.s.name, c)
		}
		if c := <-told; !c.Current {
			t.Errorf("a watch of %s is told %v", m.s.name, c)
		}
		stop()
	}
}

// giveUp has a writer give up a record that is on its way. The function it
// returns has the record arrive, and waits for the answer.
func giveUp(t *testing.T, w *writer, r record) (comes func()) {
	t.Helper()
	given := make(chan error, 1)
	w.mu.Lock()
	number := w.base + uint64(len(w.queue))
	p := pending{record: r, tried: true, done: func(_ uint64, err error) { given <- err }}
	w.queue, w.sent, w.bytes = append(w.queue, p), w.sent+1, w.bytes+len(r.data)
	w.mu.Unlock()
	w.failAll(ErrNoQuorum)
	if err := <-given; !errors.Is(err, ErrNoQuorum) || !errors.Is(err, ErrDoubt) {
		t.Fatal("given up with", err)
	}
	return func() {
		t.Helper()
		if _, err := w.link.conn.RequestMsgWithContext(within(t), w.message(&p, number)); err != nil {
			t.Fatal(err)
		}
	}
}
