package cluster

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/broker"
)

func TestChoose(t *testing.T) {
	three := []candidate{{"a", 1, false}, {"b", 2, true}, {"c", 7, false}}
	// shares tells how often each node is chosen by 1000 publishers or topics.
	shares := func(s broker.Strategy, among []candidate) map[string]int {
		n := map[string]int{}
		for i := range 1000 {
			n[choose(s, among, uint32(i), fmt.Sprint("p", i), fmt.Sprint("t", i)).node]++
		}
		return n
	}
	near := func(s broker.Strategy, among []candidate, want map[string]int) {
		t.Helper()
		got := shares(s, among)
		for node, n := range want {
			if d := got[node] - n; d < -60 || d > 60 {
				t.Errorf("%s chooses %v, want about %v", s, got, want)
			}
		}
	}
	fair := map[string]int{"a": 100, "b": 200, "c": 700}
	for _, s := range []broker.Strategy{broker.Random, broker.RoundRobin, broker.Sticky, broker.HashClientID, broker.HashTopic} {
		near(s, three, fair)
	}
	near(broker.Local, three, map[string]int{"b": 1000})
	near(broker.Local, []candidate{{"a", 1, false}, {"c", 1, false}}, map[string]int{"a": 500, "c": 500})
	if got := shares(broker.RoundRobin, three); !maps.Equal(got, fair) {
		t.Errorf("round robin chooses %v", got)
	}
}

// TestChooseBinds: what ties a publisher or a topic to a node does so on every
// node, and only those move who have to.
func TestChooseBinds(t *testing.T) {
	before := []candidate{{"a", 2, false}, {"b", 2, true}, {"c", 2, false}}
	elsewhere := []candidate{{"a", 2, true}, {"b", 2, false}, {"c", 2, false}}
	without := []candidate{{"a", 2, false}, {"b", 2, true}}
	for i := range 500 {
		p := fmt.Sprint("p", i)
		for _, s := range []broker.Strategy{broker.Sticky, broker.HashClientID} {
			if x, y := choose(s, before, 1, p, "t"), choose(s, elsewhere, 9, p, "u"); x.node != y.node {
				t.Errorf("%s: %s goes to %s or %s", s, p, x.node, y.node)
			}
		}
		if x, y := choose(broker.HashTopic, before, 1, "p", p), choose(broker.HashTopic, elsewhere, 9, "q", p); x.node != y.node {
			t.Errorf("topic %s goes to %s or %s", p, x.node, y.node)
		}
		if x, y := choose(broker.Sticky, before, 1, p, "t"), choose(broker.Sticky, without, 1, p, "t"); x.node != "c" && x.node != y.node {
			t.Errorf("%s has moved from %s to %s", p, x.node, y.node)
		}
	}
}

// grouped is three nodes with members of one group.
func grouped(t *testing.T, seed uint64) (s *sim, nodes map[string]*messaging, got map[string]int) {
	s = newSim(seed)
	nodes, got = map[string]*messaging{}, map[string]int{}
	for i, id := range []string{"n1", "n2", "n3"} {
		r := startMessaging(t, s, id)
		r.acks = func(_ *messaging, _ *miniMember, publisher string, n uint64) { got[fmt.Sprint(publisher, " ", n)]++ }
		for k := range i + 1 {
			r.join("t", "g", fmt.Sprint(id, k), true)
		}
		nodes[id] = r
	}
	s.run(3000)
	return s, nodes, got
}

func (r *messaging) handled() (n int) {
	for _, members := range r.members {
		for _, m := range members {
			n += len(m.got)
		}
	}
	return n
}

// TestGroups: each message goes to one member of the cluster, evenly, from nodes
// with members and without.
func TestGroups(t *testing.T) {
	s, nodes, got := grouped(t, 1)
	none := startMessaging(t, s, "n0")
	s.run(3000)
	for i := range 600 {
		nodes["n1"].publish("t", 1, 0)
		none.publish("t", 0, 0)
		if i%20 == 0 {
			s.run(1)
		}
	}
	s.run(5000)
	if len(got) != 1200 {
		t.Errorf("%d messages were handled, want 1200", len(got))
	}
	for key, n := range got {
		if n != 1 {
			t.Errorf("%s was handled %d times", key, n)
		}
	}
	for id, want := range map[string]int{"n1": 200, "n2": 400, "n3": 600} {
		if n := nodes[id].handled(); n < want-5 || n > want+5 {
			t.Errorf("%s has handled %d, want %d", id, n, want)
		}
	}
	for id, r := range nodes {
		for node, st := range *r.forward.streams.Load() {
			if len(st.kept) > 0 {
				t.Errorf("%s keeps %d for %s", id, len(st.kept), node)
			}
		}
	}
	if a, b := nodes["n1"].groups.Stats.Elsewhere.Value(), none.groups.Stats.Elsewhere.Value(); a < 495 || a > 505 || b != 600 {
		t.Errorf("given away: %d and %d", a, b)
	}
}

// TestGroupsPreferConnected: members without a connection get nothing while
// there is another anywhere, and all of it when there is none.
func TestGroupsPreferConnected(t *testing.T) {
	s := newSim(2)
	a, b := startMessaging(t, s, "a"), startMessaging(t, s, "b")
	a.join("t", "g", "absent", false)
	m := b.join("t", "g", "present", true)
	s.run(3000)
	for range 10 {
		a.publish("t", 1, 0)
		s.run(10)
	}
	s.run(1000)
	if a.handled() != 0 || b.handled() != 10 {
		t.Errorf("handled by the absent %d, by the one present %d", a.handled(), b.handled())
	}
	m.online = false
	b.group("t", "g", 1, 0)
	s.run(100)
	for range 10 {
		a.publish("t", 1, 0)
		s.run(10)
	}
	s.run(1000)
	if a.handled() == 0 || a.handled()+b.handled() != 20 {
		t.Errorf("handled by %d and %d", a.handled(), b.handled())
	}
}

// TestGroupsLoseNothing: whatever is lost on the way, and whichever node dies,
// each message of QoS 1 of a publisher whose node stands is acknowledged by some
// member.
func TestGroupsLoseNothing(t *testing.T) {
	for seed := range uint64(12) {
		s, nodes, got := grouped(t, seed)
		s.loss = []float64{0, 0.1, 0.3}[seed%3]
		p := nodes["n1"]
		again := 0
		for i := range 400 {
			p.publish("t", 1, 10)
			s.run(s.rng.Int64N(20))
			switch victim := []string{"n2", "n3"}[s.rng.IntN(2)]; {
			case seed < 3:
			case i%50 == 20:
				s.stop(victim)
			case i%50 == 40:
				for _, id := range []string{"n2", "n3"} {
					if s.nodes[id] == nil {
						r := startMessaging(t, s, id)
						r.acks = p.acks
						r.join("t", "g", id, true)
					}
				}
			case s.rng.IntN(30) == 0:
				s.split([]string{"n1", "n2"}, []string{"n3"})
			case s.rng.IntN(10) == 0:
				s.split()
			}
		}
		s.split()
		s.loss = 0
		s.run(10_000)
		for n := range uint64(400) {
			switch times := got[fmt.Sprint(p.name, " ", n+1)]; {
			case times == 0:
				t.Errorf("seed %d: message %d was lost", seed, n+1)
			case times > 1:
				again++
			}
		}
		if seed < 3 && again > 0 { // losses alone are no reason
			t.Errorf("seed %d: %d messages were handled twice", seed, again)
		}
		if n := p.groups.Stats.Orphaned.Value() + p.forward.Stats.Unguarded.Value(); n != 0 {
			t.Errorf("seed %d: %d orphaned or not kept", seed, n)
		}
	}
}

// TestGroupsWithoutMembers: what the last members refuse is dropped and counted.
func TestGroupsWithoutMembers(t *testing.T) {
	s := newSim(3)
	a, b := startMessaging(t, s, "a"), startMessaging(t, s, "b")
	b.join("t", "g", "m", true)
	s.run(3000)
	b.members[[2]string{"t", "g"}] = nil // and a doesn't know yet
	a.publish("t", 1, 0)
	a.publish("t", 0, 0)
	s.run(3000)
	if n := a.groups.Stats.Orphaned.Value(); n != 1 {
		t.Errorf("%d orphaned", n)
	}
	a.join("t", "g", "here", true)
	a.publish("t", 1, 0) // here, or refused there and here then
	a.publish("t", 1, 0)
	s.run(3000)
	if n := a.handled(); n != 2 {
		t.Errorf("%d handled", n)
	}
}

// TestGroupsBound: no more messages than that are kept, and the others are sent
// all the same.
func TestGroupsBound(t *testing.T) {
	s := newSim(4)
	a, b := startMessaging(t, s, "a"), startMessaging(t, s, "b")
	b.join("t", "g", "m", true)
	s.run(3000)
	s.cut[[2]string{"b", "a"}] = true
	for range maxGuarded + 10 {
		a.publish("t", 1, 0)
	}
	s.run(200)
	if n, unguarded := b.handled(), a.forward.Stats.Unguarded.Value(); n != maxGuarded+10 || unguarded != 10 {
		t.Errorf("handled %d, not kept %d", n, unguarded)
	}
	clear(s.cut)
	s.run(3000)
	if st := a.forward.stream("b"); len(st.kept) > 0 {
		t.Errorf("%d are kept still", len(st.kept))
	}
	if got := b.members[[2]string{"t", "g"}][0].got; len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
		t.Error("some were handled twice")
	}
}
