package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

func clean(o *broker.Opening) { o.Ask.CleanStart = true }

// begin is a CONNECT as package server has it: the client id is claimed first.
// The connection is open when its present is set, after a while.
func (st *station) begin(id string, with ...option) *talker {
	k, o := st.talker(id, with...)
	var answered chan struct{}
	answer := func() { close(answered) }
	k.opening.Go(func() {
		b := st.NewBatch()
		defer b.End()
		for {
			answered = make(chan struct{})
			if st.Claim(o, answer) {
				<-answered
			}
			if o.Outbid() {
				k.End(broker.Ending{Word: "outbid"})
				return
			}
			if st.Open(b, o) != nil {
				return
			}
		}
	})
	return k
}

// connect opens a connection; the client id is claimed.
func (st *station) connect(id string, with ...option) *talker {
	st.Helper()
	k := st.begin(id, with...)
	k.opening.Wait()
	if k.client == nil {
		st.Errorf("%s is not connected to %s: %v", id, st.name, k.ending())
	}
	return k
}

func (k *talker) ending() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ended.Word
}

func TestSeveralTakeover(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		a, b, c := s.nodes["a"], s.nodes["b"], s.nodes["c"]
		p := c.connect("p")
		first := a.connect("x", expiry(100)).subscribe("t/#", 1).subscribe("$share/g/s", 1)
		s.rest()
		p.publish("t/1", "1", 1)
		first.wants("t/1=1")
		first.mute = true
		p.publish("t/1", "2", 2)
		p.publish("t/1", "3", 1)
		p.publish("s", "4", 1)
		first.wants("t/1=2", "t/1=3", "s=4")
		second := b.connect("x", expiry(100))
		if first.ending() != "takeovered" || !second.present || a.Client("x") != nil {
			t.Errorf("the first one ended with %q, present is %v", first.ending(), second.present)
		}
		second.wants("t/1=2 dup", "t/1=3 dup", "s=4 dup")
		p.publish("t/1", "5", 1)
		p.publish("s", "6", 1)
		second.wants("t/1=5", "s=6")
		second.close()
		p.publish("t/2", "7", 1)
		p.publish("s", "8", 1)
		s.rest()
		third := c.connect("x", expiry(100)) // from a session without a connection
		if !third.present || second.ending() != "" {
			t.Error("the session is not present")
		}
		third.wants("t/2=7", "s=8")
		fourth := c.connect("x", expiry(100)) // on the same node
		if third.ending() != "takeovered" || !fourth.present {
			t.Errorf("the third one ended with %q", third.ending())
		}
		s.balance()
		for _, st := range s.nodes {
			if l := st.Ledger(); l.Queued != 0 {
				t.Errorf("on %s are %d queued", st.name, l.Queued)
			}
		}
	})
}

func TestSeveralDiscard(t *testing.T) {
	inSeveral(t, "a b", func(s *several) {
		a, b := s.nodes["a"], s.nodes["b"]
		var mu sync.Mutex
		var told []string
		for _, st := range s.nodes {
			for word, chain := range map[string]*hook.Chain[hook.SessionEvent]{
				"created": &st.Hooks.SessionCreated, "discarded": &st.Hooks.SessionDiscarded, "resumed": &st.Hooks.SessionResumed,
				"terminated": &st.Hooks.SessionTerminated, "taken over": &st.Hooks.SessionTakenOver,
			} {
				if err := chain.Add("test", 0, func(*hook.SessionEvent) hook.Verdict {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, word+" on "+st.name)
					return hook.Continue
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		first := a.connect("x", expiry(100)).subscribe("t", 1)
		second := b.connect("x", clean, expiry(100))
		s.rest()
		if first.ending() != "discarded" || second.present || a.Client("x") != nil {
			t.Errorf("the first one ended with %q, present is %v", first.ending(), second.present)
		}
		a.connect("p").publish("t", "1", 1)
		second.wants()
		a.connect("x", expiry(100))
		s.rest()
		want := []string{"created on a", "created on b", "created on a", "discarded on a", "resumed on a", "taken over on b"}
		slices.Sort(want)
		slices.Sort(told)
		if !slices.Equal(told, want) {
			t.Errorf("told were %q, want %q", told, want)
		}
		s.balance()
	})
}

// TestSeveralAtOnce: of connections of one client at the same time on all nodes
// one is left, and the session.
func TestSeveralAtOnce(t *testing.T) {
	inSeveral(t, "a b c d", func(s *several) {
		s.nodes["d"].connect("x", expiry(100)).subscribe("t", 1)
		s.nodes["d"].connect("p").publish("t", "before", 1)
		var all []*talker
		for _, name := range []string{"a", "b", "c", "d", "a"} {
			all = append(all, s.nodes[name].begin("x", expiry(100)))
		}
		living := 0
		for _, k := range all {
			k.opening.Wait()
		}
		s.rest()
		for _, k := range all {
			if k.ending() == "" {
				living++
				s.nodes["c"].connect("q").publish("t", "after", 1)
				s.rest()
				if got := k.take(); got[len(got)-1] != "t=after" {
					t.Errorf("the one that is left got %q", got)
				}
			}
		}
		if living != 1 {
			t.Errorf("%d connections are left, want 1", living)
		}
		s.balance()
	})
}

// TestSeveralScramble: whenever and wherever some connections of a client come,
// the one that is left has the session of all before, not an older copy of it.
func TestSeveralScramble(t *testing.T) {
	inSeveral(t, "a b c d", func(s *several) {
		s.net.uneven.Store(int64(2 * time.Millisecond))
		for n := range 250 {
			id := fmt.Sprint("x", n)
			left := s.nodes["d"].connect(id, expiry(100))
			var wants []string
			for round := range 4 {
				filter := fmt.Sprint("round/", round)
				wants = append(wants, filter)
				all := []*talker{left.subscribe(filter, 1)}
				for range 2 + rand.IntN(3) {
					all = append(all, s.nodes[string("abcd"[rand.IntN(4)])].begin(id, expiry(100)))
					time.Sleep(rand.N(4 * time.Millisecond))
				}
				for _, k := range all {
					k.opening.Wait()
				}
				s.rest()
				all = slices.DeleteFunc(all, func(k *talker) bool { return k.ending() != "" })
				if len(all) != 1 || all[0].client == nil {
					t.Fatalf("%s, round %d: %d connections are left, want 1", id, round, len(all))
				}
				left = all[0]
				var has []string
				for sub := range left.client.Subscriptions() {
					has = append(has, sub.Filter)
				}
				if slices.Sort(has); !slices.Equal(has, wants) {
					t.Fatalf("%s, round %d: its session on %s has %q, want %q", id, round, left.name, has, wants)
				}
			}
			left.close()
		}
		s.balance()
	})
}

func TestSeveralWills(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		a, b := s.nodes["a"], s.nodes["b"]
		watcher := s.nodes["c"].connect("watcher").subscribe("will/#", 1)
		s.rest()
		a.connect("gone", will("will/gone", 0)).close()
		watcher.wants("will/gone=gone has gone")
		k := a.connect("moves", expiry(100), will("will/moves", 0))
		b.connect("moves", expiry(100))
		if k.ending() != "takeovered" {
			t.Errorf("it ended with %q", k.ending())
		}
		a.connect("waits", expiry(100), will("will/waits", 10)).close()
		b.connect("waits", expiry(100)) // in time
		a.connect("late", expiry(100), will("will/late", 1)).close()
		watcher.wants()
		for range 10 {
			s.rest()
		}
		watcher.wants("will/late=late has gone")
		s.balance()
	})
}

// TestSeveralSplit: a node that doesn't answer holds nobody up for ever, and
// when it is back the older of two connections ends.
func TestSeveralSplit(t *testing.T) {
	inSeveral(t, "a b", func(s *several) {
		a, b := s.nodes["a"], s.nodes["b"]
		first := a.connect("x", expiry(100))
		a.node.Down("b")
		b.node.Down("a")
		second := b.connect("x", expiry(100))
		if second.present || first.ending() != "" {
			t.Errorf("present %v, the first has ended with %q", second.present, first.ending())
		}
		a.node.Up("b", b.node.Start())
		b.node.Up("a", a.node.Start())
		for range 20 {
			s.rest()
		}
		if first.ending() != "discarded" || second.ending() != "" {
			t.Errorf("the older has ended with %q, the newer with %q", first.ending(), second.ending())
		}
		s.balance()
	})
}

// TestSeveralFetch: a node brings sessions to itself, with what they have, and
// nothing changes for clients that have connected meanwhile.
func TestSeveralFetch(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		a, b, c := s.nodes["a"], s.nodes["b"], s.nodes["c"]
		p := c.connect("p")
		var ids []string
		for i := range 50 {
			ids = append(ids, fmt.Sprint("x", i))
			a.connect(ids[i], expiry(100)).subscribe("t", 1).close()
		}
		s.rest()
		p.publish("t", "1", 1)
		s.rest()
		busy := c.begin("x7", expiry(100))
		b.node.Fetch(append(ids, "nobody", "p"))
		busy.opening.Wait()
		s.rest()
		if n := a.Sessions(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		if busy.ending() == "" {
			busy.wants("t=1")
		}
		if b.Client("nobody") != nil {
			t.Error("there is a session of a client that nobody knows")
		}
		for _, id := range ids[:7] {
			if b.Client(id) == nil {
				t.Fatalf("the session of %s has not come", id)
			}
			k := c.connect(id, expiry(100))
			if !k.present {
				t.Errorf("the session of %s is not present", id)
			}
			k.wants("t=1")
		}
		s.balance()
	})
}

// TestSeveralRoam moves one client round and round while messages come for it.
func TestSeveralRoam(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		names := []string{"a", "b", "c"}
		for _, st := range s.nodes {
			st.zone.Session.MaxMqueueLen = 0
		}
		p := s.nodes["a"].connect("p")
		k := s.nodes["a"].connect("x", expiry(100)).subscribe("t/#", 1)
		var got []string
		for n := range 60 {
			p.publish("t/x", fmt.Sprint(n), mqtt.QoS(1+n%2))
			s.rest()
			got = append(got, k.take()...)
			switch n % 5 {
			case 1:
				k.close()
				p.publish("t/x", fmt.Sprint(n, " queued"), 1)
				s.rest()
				fallthrough
			case 3:
				k = s.nodes[names[n%3]].connect("x", expiry(100))
				if !k.present {
					t.Fatalf("the session is lost, round %d", n)
				}
				s.rest() // the others learn where it is
			}
		}
		s.rest()
		got = append(got, k.take()...)
		want := []string{}
		for n := range 60 {
			if want = append(want, fmt.Sprint("t/x=", n)); n%5 == 1 {
				want = append(want, fmt.Sprint("t/x=", n, " queued"))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		s.balance()
	})
}
