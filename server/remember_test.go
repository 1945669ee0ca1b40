package server

import (
	"context"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// strict denies one topic, answers at once, and counts how often it is asked.
type strict struct{ asked atomic.Int64 }

func (s *strict) Authorize(_ context.Context, r *auth.Request) (auth.Answer, error) {
	s.asked.Add(1)
	if r.Topic == "denied" {
		return auth.Answer{Verdict: auth.Deny}, nil
	}
	return auth.Answer{Verdict: auth.Allow}, nil
}

// TestRememberAnAllowedPublish: the ACL is asked once about messages to one
// topic that come together, and again after another topic, after a denial and
// after something has changed.
func TestRememberAnAllowedPublish(t *testing.T) {
	ts := newTestServer(t, "tcp.a = 127.0.0.1:0")
	ts.zone.EnableACL = true
	s := new(strict)
	ts.broker.Access.Use(auth.Provider{Name: "strict", Authorizer: s})
	if err := ts.Start(); err != nil {
		t.Fatal(err)
	}
	nc := dial(t, ts.addr("tcp"))
	exchange := func(answer int, packets ...[]byte) {
		t.Helper()
		if _, err := nc.Write(slices.Concat(packets...)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(nc, make([]byte, answer)); err != nil {
			t.Fatal(err)
		}
	}
	exchange(4, mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V311, ClientID: "c", CleanStart: true}, mqtt.V311))
	publish := func(want int64, topics ...string) {
		t.Helper()
		before := s.asked.Load()
		var all [][]byte
		for i, name := range topics {
			all = append(all, publishPacket(name, 1, uint16(i+1)))
		}
		exchange(4*len(all), all...)
		if got := s.asked.Load() - before; got != want {
			t.Errorf("%v: asked %d times, want %d", topics, got, want)
		}
	}
	later := func() { // what is allowed in the millisecond of a change isn't remembered
		eventually(func() bool { return broker.Now()*1e6 > ts.broker.Access.Drained() })
	}
	later()
	publish(1, "a", "a", "a")
	publish(3, "b", "a", "b", "b")
	publish(3, "denied", "denied", "a", "a")
	ts.broker.Access.DrainCaches()
	later()
	publish(1, "a", "a")
	if allowed, kept := ts.metric("client.acl.allow"), ts.metric("client.acl.cache_hit"); allowed != 11 || kept != 5 {
		t.Errorf("allowed %d, of these %d without asking", allowed, kept)
	}
}
