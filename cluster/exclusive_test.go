package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// sharing is a node with nothing but exclusive topics.
type sharing struct {
	t    *testing.T
	node *simNode
	x    *Exclusives
	has  map[string]string // by topic, the client that thinks so
	due  int64
}

func startSharing(t *testing.T, s *sim, id string) *sharing {
	h := &sharing{t: t, has: map[string]string{}}
	s.start(id, func(n *simNode) machine {
		h.node = n
		h.x = NewExclusives(ExclusivesOptions{Self: id, Network: n, Log: quiet, Wake: func() { h.tickIn(0) }})
		h.x.lost = func(name, client string) {
			if h.has[name] != client {
				t.Errorf("%s: %s loses %s, which %q has", id, client, name, h.has[name])
			}
			delete(h.has, name)
		}
		return h
	})
	return h
}

func (h *sharing) tickIn(ms int64) {
	s := h.node.sim
	at := s.now + max(ms, 0)
	if h.due != 0 && h.due <= at {
		return
	}
	h.due = at
	s.after(at-s.now, func() {
		if h.node.alive() && h.due == at {
			h.due = 0
			if next := h.x.Tick(s.now); next > 0 {
				h.tickIn(next - s.now)
			}
		}
	})
}

func (h *sharing) receive(from, _ string, data []byte) {
	if err := h.x.Receive(from, data); err != nil {
		h.t.Errorf("%s: %v", h.node.id, err)
	}
}

func (h *sharing) up(node string)   { h.x.Up(node) }
func (h *sharing) down(node string) { h.x.Down(node) }

// subscribe is a SUBSCRIBE of a client; the answer comes later.
func (h *sharing) subscribe(name, client string, answer func(ok bool)) {
	s := h.node.sim
	var over func()
	over = h.x.Ask(name, client, s.now, func(ok bool) {
		s.after(1, func() { // on the goroutine of the connection
			if !h.node.alive() {
				return
			}
			if ok {
				h.has[name] = client
				h.x.Held(name, client, s.now)
			}
			over()
			answer(ok)
		})
	})
}

func (h *sharing) release(name string) {
	client := h.has[name]
	delete(h.has, name)
	h.x.Released(name, client, false, h.node.sim.now)
}

// holders are the clients that think they have a topic.
func holders(s *sim, name string) (all []string) {
	for _, id := range s.ids() {
		if client := s.nodes[id].runs.(*sharing).has[name]; client != "" {
			all = append(all, client)
		}
	}
	return all
}

// TestExclusiveAtOnce has clients of all nodes ask at about the same time: one of
// them gets the topic, and when it gives it up, one of the next.
func TestExclusiveAtOnce(t *testing.T) {
	for seed := range uint64(200) {
		s := newSim(seed)
		s.loss = 0.2 * float64(seed%2)
		var nodes []*sharing
		for i := range 2 + int(seed%4) {
			nodes = append(nodes, startSharing(t, s, fmt.Sprint("n", i)))
		}
		s.run(2000)
		for round := range 5 {
			answers, granted := 0, 0
			for i, h := range nodes {
				s.after(s.rng.Int64N(4), func() {
					h.subscribe("t", fmt.Sprintf("c%d-%d", round, i), func(ok bool) {
						answers++
						if ok {
							granted++
						}
					})
				})
			}
			s.run(4000 + int64(s.loss*100_000)) // what was lost is asked again, more and more rarely
			got := holders(s, "t")
			if answers != len(nodes) || s.loss == 0 && granted != 1 || len(got) != 1 {
				t.Fatalf("seed %d, round %d: %d of %d are answered, %d have it granted, %q have it", seed, round, answers, len(nodes), granted, got)
			}
			for _, h := range nodes {
				if h.has["t"] != "" {
					h.release("t")
				}
			}
			s.run(10)
		}
		for _, h := range nodes {
			if len(h.x.has)+len(h.x.timed) > 0 {
				t.Fatalf("seed %d: %s keeps %d topics that nobody has", seed, h.node.id, len(h.x.has))
			}
		}
	}
}

// TestExclusiveFaults has clients come and go on nodes that are cut off, killed and
// started: when all is well again, each topic has one client at most, and who has
// had one for longest has it still.
func TestExclusiveFaults(t *testing.T) {
	names := []string{"a", "b", "c"}
	for seed := range uint64(150) {
		s := newSim(seed)
		s.loss = 0.05
		for _, id := range names {
			startSharing(t, s, id)
		}
		s.run(2000)
		client := 0
		var steps func()
		steps = func() {
			h := s.nodes[names[s.rng.IntN(3)]]
			name := fmt.Sprint("t", s.rng.IntN(4))
			switch n := s.rng.IntN(40); {
			case n == 0:
				id := names[s.rng.IntN(3)]
				s.split([]string{id}, slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == id }))
			case n == 1:
				s.split()
			case n == 2:
				startSharing(t, s, names[s.rng.IntN(3)])
			case n < 25:
				if sh := h.runs.(*sharing); sh.has[name] == "" {
					client++
					sh.subscribe(name, fmt.Sprint("c", client), func(bool) {})
				}
			default:
				if sh := h.runs.(*sharing); sh.has[name] != "" {
					sh.release(name)
				}
			}
			if s.now < 60_000+1_000_000 {
				s.after(s.rng.Int64N(300), steps)
			}
		}
		steps()
		s.run(61_000)
		s.split()
		s.loss = 0
		s.run(30_000)
		for i := range 4 {
			if got := holders(s, fmt.Sprint("t", i)); len(got) > 1 {
				t.Fatalf("seed %d: t%d is held by %q", seed, i, got)
			}
		}
		for _, id := range names {
			h := s.nodes[id].runs.(*sharing)
			if len(h.x.has) != len(h.has) {
				t.Fatalf("seed %d: %s keeps %d topics, its clients have %d", seed, id, len(h.x.has), len(h.has))
			}
			for other, p := range h.x.peers {
				if len(p.due) > 0 {
					t.Fatalf("seed %d: %s still asks %s about %d topics", seed, id, other, len(p.due))
				}
			}
		}
	}
}

// TestExclusiveHeal: of two that got a topic on two sides of a split the first one
// keeps it.
func TestExclusiveHeal(t *testing.T) {
	s := newSim(1)
	a, b := startSharing(t, s, "a"), startSharing(t, s, "b")
	s.run(2000)
	s.split([]string{"a"}, []string{"b"})
	s.run(2000)
	b.subscribe("t", "first", func(bool) {})
	s.run(2000)
	a.subscribe("t", "second", func(bool) {})
	s.run(2000)
	if got := holders(s, "t"); !slices.Equal(got, []string{"second", "first"}) {
		t.Fatalf("%q have it", got)
	}
	s.split()
	s.run(5000)
	if got := holders(s, "t"); !slices.Equal(got, []string{"first"}) || a.x.Stats.Lost.Value() != 1 || b.x.Stats.Lost.Value() != 0 {
		t.Errorf("%q have it", got)
	}
	s.stop("b")
	s.run(2000)
	a.subscribe("t", "third", func(bool) {})
	s.run(2000)
	if got := holders(s, "t"); !slices.Equal(got, []string{"third"}) {
		t.Errorf("%q have it when the node has gone", got)
	}
}

// TestExclusiveDeaf: a node that doesn't answer is waited for only so long.
func TestExclusiveDeaf(t *testing.T) {
	s := newSim(1)
	a, b := startSharing(t, s, "a"), startSharing(t, s, "b")
	s.run(2000)
	s.loss = 1
	answered := int64(0)
	a.subscribe("t", "x", func(ok bool) { answered = s.now })
	began := s.now
	s.run(10_000)
	if took := answered - began; took < agreeTime || took > agreeTime+agreeAgain || a.x.Stats.Skipped.Value() != 1 {
		t.Errorf("it took %d ms", took)
	}
	asked := s.sent
	s.run(60_000)
	if n := s.sent - asked; n > 15 {
		t.Errorf("a node that doesn't answer is asked %d times a minute", n)
	}
	s.loss = 0
	s.run(6000)
	if n := len(a.x.peers["b"].due); n != 0 || len(b.has) != 0 {
		t.Errorf("%d topics are not agreed to", n)
	}
}

func FuzzExclusives(f *testing.F) {
	ask := appendBid(appendHead(nil, typeExclusiveAsk, 1), &bid{"t", "c", 7, true})
	f.Add(ask)
	f.Add(appendVerdict(appendHead(nil, typeExclusiveAnswer, 1), &verdict{"own", 1 << 16, true, true}))
	f.Add(ask[:len(ask)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newSim(1)
		h := startSharing(t, s, "a")
		h.x.Up("b")
		h.has["own"] = "me"
		h.x.Held("own", "me", 1)
		if h.x.Receive("b", data) == nil && len(data) < 3 {
			t.Error("a message without content is accepted")
		}
	})
}

// ask subscribes as package server does: the other nodes are asked before.
func (k *talker) ask(filter string) mqtt.ReasonCode {
	k.Helper()
	f, err := topic.Parse(filter)
	if err != nil {
		k.Fatal(err)
	}
	answer := make(chan bool, 1)
	if over := k.AskExclusive(f.Bare, k.info.ClientID, func(ok bool) { answer <- ok }); over != nil {
		defer over()
		if !<-answer {
			return mqtt.QuotaExceeded
		}
	}
	b := k.NewBatch()
	defer b.End()
	code, _ := k.Subscribe(b, k.client, k, f, mqtt.SubscribeFilter{Filter: filter}, 0)
	return code
}

// TestSeveralExclusive: one client of all nodes has the topic, wherever its session
// is.
func TestSeveralExclusive(t *testing.T) {
	const filter = "$exclusive/t"
	inSeveral(t, "a b c", func(s *several) {
		a, b, c := s.nodes["a"], s.nodes["b"], s.nodes["c"]
		is := func(k *talker, want mqtt.ReasonCode) {
			t.Helper()
			if code := k.ask(filter); code != want {
				t.Errorf("%s on %s: %v, want %v", k.info.ClientID, k.name, code, want)
			}
		}
		x, y, z := a.connect("x", expiry(100)), b.connect("y"), c.connect("z")
		is(x, mqtt.Success)
		is(x, mqtt.Success)
		is(y, mqtt.QuotaExceeded)
		x = b.connect("x", expiry(100)) // its session takes it along
		is(y, mqtt.QuotaExceeded)
		is(z, mqtt.QuotaExceeded)
		s.rest()
		y.publish("t", "1", 1)
		x.wants("t=1")
		x.close()
		x = c.connect("x", clean) // which ends the session
		s.rest()
		is(y, mqtt.Success)
		is(x, mqtt.QuotaExceeded)
		y.close()
		is(z, mqtt.Success)
		if code := z.Unsubscribe(z.batch, z.client, z, filter); code.Failed() {
			t.Error(code)
		}
		is(x, mqtt.Success)
		if code, known := a.SubscribeFor(a.batch, "x", mqtt.SubscribeFilter{Filter: filter}); known || code != mqtt.Success {
			t.Errorf("on another node: %v, known: %v", code, known)
		}
		q := a.connect("q")
		if code, _ := a.SubscribeFor(a.batch, "q", mqtt.SubscribeFilter{Filter: filter}); code != mqtt.QuotaExceeded {
			t.Errorf("at the wish of an operator: %v", code)
		}
		s.die("c")
		if code, _ := a.SubscribeFor(a.batch, "q", mqtt.SubscribeFilter{Filter: filter}); code != mqtt.Success {
			t.Errorf("when the node has gone: %v", code)
		}
		s.rest()
		b.connect("p").publish("t", "3", 1)
		q.wants("t=3")
		s.balance()
	})
}

// TestSeveralExclusiveHeal: when two nodes meet and both have a client with the
// topic, the one that got it later loses it, and its connection.
func TestSeveralExclusiveHeal(t *testing.T) {
	inSeveral(t, "a b", func(s *several) {
		a, b := s.nodes["a"], s.nodes["b"]
		x, y := a.connect("x", expiry(100)), b.connect("y", expiry(100))
		a.node.Down("b")
		b.node.Down("a")
		if code := y.ask("$exclusive/t"); code != mqtt.Success {
			t.Error(code)
		}
		time.Sleep(time.Second)
		if code := x.ask("$exclusive/t"); code != mqtt.Success {
			t.Error(code)
		}
		a.node.Up("b", b.node.Start())
		b.node.Up("a", a.node.Start())
		for range 10 {
			s.rest()
		}
		x.mu.Lock()
		ended := x.ended
		x.mu.Unlock()
		if want := (broker.Ending{Code: mqtt.QuotaExceeded, Word: "exclusive_lost"}); ended != want || y.ending() != "" {
			t.Errorf("x has ended with %v, want %v; y with %q", ended, want, y.ending())
		}
		a.connect("p").publish("t", "1", 1)
		y.wants("t=1")
		x.wants()
		s.balance()
	})
}
