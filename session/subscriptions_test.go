package session

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func qos(n int) mqtt.QoS { return mqtt.QoS(n) }

func message(payload string) *mqtt.Message {
	return &mqtt.Message{Topic: "t", Payload: []byte(payload)}
}

func filters(s *Session) (all []string) {
	for sub := range s.Subscriptions() {
		all = append(all, sub.Filter)
	}
	slices.Sort(all)
	return all
}

func TestSubscriptionsAreToldApartByFilter(t *testing.T) {
	s := New(&Config{}, 1)
	subscribe := func(filter, replaces string) {
		t.Helper()
		sub := &Subscription{Filter: filter}
		old, err := s.Subscribe(sub)
		if err != nil || s.Subscription(filter) != sub {
			t.Fatalf("subscribe %s: %v", filter, err)
		}
		if (old == nil) != (replaces == "") || old != nil && old.Filter != replaces {
			t.Errorf("subscribe %s replaced %v, want %q", filter, old, replaces)
		}
	}
	subscribe("$queue/a", "")
	subscribe("$share/$queue/a", "$queue/a")
	subscribe("$queue/a", "$share/$queue/a")
	subscribe("a", "")
	subscribe("a", "a")
	subscribe("$share/g/a", "")
	subscribe("$share/h/a", "")
	subscribe("$share/$queue/a", "$queue/a")
	if got := fmt.Sprint(filters(s)); got != "[$share/$queue/a $share/g/a $share/h/a a]" {
		t.Errorf("the set is %s", got)
	}
}

// TestSubscriptionsAgainstAMap drives the set through its sizes 0, 1 and many.
func TestSubscriptionsAgainstAMap(t *testing.T) {
	for _, filters := range []int{4, 200} {
		againstAMap(t, filters)
	}
}

func againstAMap(t *testing.T, n int) {
	t.Helper()
	s, want := New(&Config{}, 1), map[string]*Subscription{}
	r := newRand(t)
	for range 5000 {
		filter := fmt.Sprint(r.IntN(n))
		if r.IntN(2) == 0 {
			sub := &Subscription{Filter: filter}
			if old, _ := s.Subscribe(sub); old != want[filter] {
				t.Fatalf("subscribe %s replaced %v, want %v", filter, old, want[filter])
			}
			want[filter] = sub
		} else {
			if old := s.Unsubscribe(filter); old != want[filter] {
				t.Fatalf("unsubscribe %s returned %v, want %v", filter, old, want[filter])
			}
			delete(want, filter)
		}
		if s.SubscriptionCount() != len(want) || len(filters(s)) != len(want) {
			t.Fatalf("%d subscriptions, %v; want %d", s.SubscriptionCount(), filters(s), len(want))
		}
		for f, sub := range want {
			if s.Subscription(f) != sub {
				t.Fatalf("%s is lost", f)
			}
		}
	}
}

func TestATableOnlyForMany(t *testing.T) {
	s := New(&Config{}, 1)
	is := func(change func(filter string) *Subscription, filter string, want bool) {
		t.Helper()
		if change(filter); (s.subs.many != nil) != want || s.subs.one != nil && want {
			t.Errorf("with %v, one is %v and the table %v", filters(s), s.subs.one, s.subs.many)
		}
	}
	add := func(filter string) *Subscription {
		old, _ := s.Subscribe(&Subscription{Filter: filter})
		return old
	}
	is(add, "a", false)
	is(add, "a", false)
	is(add, "b", true)
	is(s.Unsubscribe, "a", true)
	is(s.Unsubscribe, "b", false)
	is(add, "c", false)
	is(s.Unsubscribe, "c", false)
}

func TestMaxSubscriptions(t *testing.T) {
	s := New(&Config{MaxSubscriptions: 2}, 1)
	is := func(filter string, want error) {
		t.Helper()
		if _, err := s.Subscribe(&Subscription{Filter: filter}); err != want {
			t.Errorf("subscribe %s: %v, want %v", filter, err, want)
		}
	}
	is("a", nil)
	is("b", nil)
	is("c", mqtt.QuotaExceeded)
	is("b", nil)
	s.Unsubscribe("a")
	is("c", nil)
	is("d", mqtt.QuotaExceeded)
}

func TestSubscriptionsCanBeLeftEarly(t *testing.T) {
	s := New(&Config{}, 1)
	for i := range 3 {
		if _, err := s.Subscribe(&Subscription{Filter: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		for range s.Subscriptions() {
			break
		}
	}
}

// TestSubscriptionsCanEndUnderALoop lets each be given up when its turn comes.
func TestSubscriptionsCanEndUnderALoop(t *testing.T) {
	for _, n := range []int{1, 2, 1000} {
		s := New(&Config{}, 1)
		for i := range n {
			if _, err := s.Subscribe(&Subscription{Filter: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		seen := 0
		for sub := range s.Subscriptions() {
			seen++
			if s.Unsubscribe(sub.Filter) != sub {
				t.Errorf("%s was not there", sub.Filter)
			}
		}
		if seen != n || s.SubscriptionCount() != 0 {
			t.Errorf("%d of %d came, %d are left", seen, n, s.SubscriptionCount())
		}
	}
}
