package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/fields"
)

// routed is a node that has nothing but Routes, and what its clients hold as a
// plain list.
type routed struct {
	t      *testing.T
	node   *simNode
	routes *Routes
	due    int64 // when Tick will be called; 0: never

	plain, durable map[string]int
	groups         map[[2]string][2]int // by filter and name: members, online
}

func startRouted(t *testing.T, s *sim, id string) *routed {
	r := &routed{t: t, plain: map[string]int{}, durable: map[string]int{}, groups: map[[2]string][2]int{}}
	s.start(id, func(n *simNode) machine {
		r.node = n
		r.routes = NewRoutes(RoutesOptions{Self: id, Epoch: uint64(s.now), Network: n, Log: quiet, Wake: func() { r.tickIn(0) }})
		if s.rng.IntN(2) == 0 {
			r.routes.sizes.message, r.routes.sizes.ring = 100, 300
		}
		r.tickIn(1)
		return r
	})
	return r
}

func (r *routed) tickIn(ms int64) {
	s := r.node.sim
	at := s.now + max(ms, 0)
	if r.due != 0 && r.due <= at {
		return
	}
	r.due = at
	s.after(at-s.now, func() {
		if r.node.alive() && r.due == at {
			r.due = 0
			r.tickIn(r.routes.Tick(s.now) - s.now)
		}
	})
}

func (r *routed) receive(from, _ string, data []byte) {
	if err := r.routes.Receive(from, data, r.node.sim.now); err != nil {
		r.t.Errorf("%s: %v", r.node.id, err)
	}
	r.tickIn(askAgain)
}

func (r *routed) up(node string)   { r.routes.Up(node) }
func (r *routed) down(node string) { r.routes.Down(node, r.node.sim.now) }

func (r *routed) subscribe(filter string, durable bool) {
	r.plain[filter]++
	if durable {
		r.durable[filter]++
	}
	r.routes.Added(filter, durable)
}

func (r *routed) unsubscribe(filter string) {
	switch durable := r.durable[filter] > 0; {
	case r.plain[filter] == 0:
	default:
		if durable {
			r.durable[filter]--
		}
		r.plain[filter]--
		r.routes.Removed(filter, durable)
	}
}

func (r *routed) group(filter, name string, members, online int) {
	r.groups[[2]string{filter, name}] = [2]int{members, online}
	r.routes.Group(filter, name, members, online)
}

// wants says in words what the node's clients hold.
func (r *routed) wants() map[string]string {
	all := map[string]string{}
	for f, n := range r.plain {
		if n > 0 {
			all[f] = "plain"
		}
		if r.durable[f] > 0 {
			all[f] += " durable"
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(r.groups), func(a, b [2]string) int { return strings.Compare(a[1], b[1]) }) {
		if n := r.groups[key]; n[0] > 0 {
			all[key[0]] += fmt.Sprintf(" %s %d/%d", key[1], n[1], n[0])
		}
	}
	for f, text := range all {
		all[f] = strings.TrimSpace(text)
	}
	return all
}

// knows is what the node's table says of another, in the same words; thin has
// only what is durable.
func (r *routed) knows(id string) map[string]string {
	all := map[string]string{}
	s := r.routes.sources[id]
	if s == nil || s.whole == nil || s.fill != nil {
		return map[string]string{"": "nothing whole"}
	}
	r.routes.table.each(s.whole.at, func(filter string, in Interest) {
		var text []string
		if in.Plain {
			text = append(text, "plain")
		}
		if in.Durable {
			text = append(text, "durable")
		}
		for _, g := range in.Groups {
			text = append(text, fmt.Sprintf("%s %d/%d", g.Name, g.Online, g.Members))
		}
		all[filter] = strings.Join(text, " ")
	})
	return all
}

// agree compares all tables with what is true.
func agree(t *testing.T, nodes map[string]*routed) {
	t.Helper()
	for id, r := range nodes {
		total := map[string]bool{}
		for other, o := range nodes {
			if other == id {
				continue
			}
			want := o.wants()
			for f := range want {
				total[f] = true
			}
			if got := r.knows(other); !maps.Equal(got, want) {
				t.Errorf("node %s thinks of %s: %v; it is %v", id, other, got, want)
			}
			if s := r.routes.sources[other]; s != nil && s.whole != nil && !r.routes.table.view.Load().visible.has(s.whole.at) {
				t.Errorf("node %s does not see %s", id, other)
			}
		}
		if got := r.routes.table.Filters(); got != len(total) {
			t.Errorf("node %s has %d filters of others, want %d", id, got, len(total))
		}
		if got, want := r.routes.table.used.Len(), len(nodes)-1; got != want {
			t.Errorf("node %s uses %d slots, want %d", id, got, want)
		}
	}
}

// randomly changes what a node's clients hold.
func (r *routed) randomly() {
	rng := r.node.sim.rng
	filter := fmt.Sprintf("a/%d", rng.IntN(60))
	if rng.IntN(3) == 0 {
		filter += "/+/#"
	}
	switch rng.IntN(7) {
	case 0, 1, 2:
		r.subscribe(filter, rng.IntN(3) == 0)
	case 3, 4, 5:
		r.unsubscribe(filter)
	default:
		members := rng.IntN(4)
		r.group(filter, string(rune('g'+rng.IntN(3))), members, rng.IntN(members+1))
	}
}

// seesOnce checks that no node would get a message twice.
func (r *routed) seesOnce() {
	view := r.routes.table.view.Load()
	seen := map[string]bool{}
	for at := range view.visible.all() {
		if seen[view.names[at]] {
			r.t.Errorf("node %s sees %s twice", r.node.id, view.names[at])
		}
		seen[view.names[at]] = true
	}
}

// TestRoutesAgreeAtLast: whatever is lost, cut or restarted, a few seconds after
// it has ended all tables are right.
func TestRoutesAgreeAtLast(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSim(seed)
			s.loss = []float64{0, 0.01, 0.2}[seed%3]
			ids := []string{"n1", "n2", "n3", "n4", "n5"}[:2+seed%4]
			nodes := map[string]*routed{}
			for _, id := range ids {
				nodes[id] = startRouted(t, s, id)
			}
			for range 60 {
				for range s.rng.IntN(40) {
					nodes[ids[s.rng.IntN(len(ids))]].randomly()
					s.run(s.rng.Int64N(4))
				}
				for _, r := range nodes {
					r.seesOnce()
				}
				switch id := ids[s.rng.IntN(len(ids))]; s.rng.IntN(12) {
				case 0:
					nodes[id] = startRouted(t, s, id)
				case 1, 2:
					at := s.rng.IntN(len(ids))
					s.split(ids[:at], ids[at:])
				case 3, 4:
					s.split()
				case 5:
					s.run(s.rng.Int64N(2 * keepPlain))
				}
			}
			s.split()
			s.loss = 0
			s.run(10_000)
			agree(t, nodes)
		})
	}
}

// pair is two nodes that have got to know each other.
func pair(t *testing.T, seed uint64) (s *sim, a, b *routed) {
	s = newSim(seed)
	a, b = startRouted(t, s, "a"), startRouted(t, s, "b")
	s.run(5_000)
	return s, a, b
}

func (r *routed) both(other *routed) map[string]*routed {
	return map[string]*routed{r.node.id: r, other.node.id: other}
}

// match is where a message to a topic goes, in words.
func (r *routed) match(topic string) string {
	var m Matches
	r.routes.table.Match(topic, &m)
	view := r.routes.table.view.Load()
	var to []string
	for at := range m.Plain.all() {
		to = append(to, view.names[at])
	}
	if m.Durable {
		to = append(to, "log")
	}
	for _, g := range m.Groups {
		for _, share := range g.Shares {
			to = append(to, fmt.Sprintf("%s(%s) %s %d/%d", share.Name, g.Filter, view.names[share.at], share.Online, share.Members))
		}
	}
	return strings.Join(to, ", ")
}

func TestRoutesMatch(t *testing.T) {
	s, a, b := pair(t, 1)
	matches := func(topic, want string) {
		t.Helper()
		if got := a.match(topic); got != want {
			t.Errorf("%s goes to %q, want %q", topic, got, want)
		}
	}
	b.subscribe("a/+", false)
	b.subscribe("a/b", true)
	b.group("a/#", "g", 3, 2)
	b.group("a/#", "h", 1, 0)
	a.subscribe("x", true)
	matches("a/b", "")
	s.run(20)
	matches("a/b", "b, log, g(a/#) b 2/3, h(a/#) b 0/1")
	matches("a/c", "b, g(a/#) b 2/3, h(a/#) b 0/1")
	matches("x", "")
	b.unsubscribe("a/b")
	b.group("a/#", "g", 0, 0)
	s.run(20)
	matches("a/b", "b, h(a/#) b 0/1")
	agree(t, a.both(b))
}

// TestRoutesOfAnAbsentNode: what a durable session wants is wanted while its
// node is away, also by nodes that have never seen it.
func TestRoutesOfAnAbsentNode(t *testing.T) {
	s, a, b := pair(t, 2)
	matches := func(r *routed, topic, want string) {
		t.Helper()
		if got := r.match(topic); got != want {
			t.Errorf("on %s at %d: %s goes to %q, want %q", r.node.id, s.now, topic, got, want)
		}
	}
	for i := range 100 { // more than one message has room for
		b.subscribe(fmt.Sprintf("d/%d", i), true)
		b.subscribe(fmt.Sprintf("p/%d", i), false)
	}
	s.run(20)
	matches(a, "d/1", "b, log")
	s.stop("b")
	s.run(s.notice)
	matches(a, "d/1", "log")
	matches(a, "p/1", "")

	c := startRouted(t, s, "c")
	c.routes.Down("b", s.now) // the list of members has it
	s.run(5_000)
	matches(c, "d/99", "log")
	matches(c, "p/99", "")
	s.run(2 * keepPlain)
	if got := a.routes.table.Filters(); got != 100 {
		t.Errorf("after a while %d filters are remembered, want the 100 durable ones", got)
	}

	b = startRouted(t, s, "b")
	b.subscribe("d/1", false)
	s.run(10)
	matches(a, "d/2", "log")
	s.run(5_000)
	matches(a, "d/1", "b")
	matches(c, "d/2", "")
	agree(t, map[string]*routed{"a": a, "b": b, "c": c})

	s.stop("b")
	s.run(s.notice)
	a.routes.Forget("b")
	c.routes.Forget("b")
	s.run(5_000)
	agree(t, map[string]*routed{"a": a, "c": c})
}

// TestRoutesThinnedAndBack: a node that was cut off for so long that its routes
// were given up comes back as it was.
func TestRoutesThinnedAndBack(t *testing.T) {
	s, a, b := pair(t, 3)
	b.subscribe("p", false)
	b.subscribe("d", true)
	s.run(20)
	s.split([]string{"a"}, []string{"b"})
	s.run(2 * keepPlain)
	if got := a.knows("b"); !maps.Equal(got, map[string]string{"d": "durable"}) {
		t.Errorf("a remembers %v of b", got)
	}
	s.split()
	s.run(5_000)
	agree(t, a.both(b))
}

// TestRoutesAreComplete when all of a node's have come, as long as it is there.
func TestRoutesAreComplete(t *testing.T) {
	s, a, b := pair(t, 7)
	for i := range 5000 { // more than one message has room for
		b.subscribe(fmt.Sprint("some/longer/filter/", i), false)
	}
	s.run(1000)
	is := func(of string, want bool) {
		t.Helper()
		if got := a.routes.Complete(of); got != want {
			t.Errorf("at %d: %s is complete: %t", s.now, of, got)
		}
	}
	is("b", true)
	is("c", false)
	s.split([]string{"a"}, []string{"b"})
	s.run(10_000)
	is("b", false)
	s.run(2 * keepPlain)
	s.split()
	for ms := 0; !a.routes.Complete("b"); ms++ {
		if s.run(1); ms > 10_000 {
			t.Fatal("b is never complete again")
		}
	}
	agree(t, a.both(b))
}

// TestRoutesHealSilently: a difference that nothing has told of is found by the
// digest.
func TestRoutesHealSilently(t *testing.T) {
	s, a, b := pair(t, 4)
	b.subscribe("p", false)
	b.subscribe("q", false)
	s.run(20)
	at := a.routes.sources["b"].whole.at
	a.routes.table.set("p", at, Interest{})
	a.routes.sources["b"].whole.digest-- // of what is there now
	a.routes.table.set("wrong", at, Interest{Plain: true})
	s.run(2 * summaryTime)
	agree(t, a.both(b))
}

// TestRoutesShortSplit: who was away shortly is told what it missed, not all.
func TestRoutesShortSplit(t *testing.T) {
	s, a, b := pair(t, 5)
	b.routes.sizes.message, b.routes.sizes.ring = maxMessage, maxRing
	for i := range 5000 {
		b.subscribe(fmt.Sprintf("some/longer/filter/%d", i), false)
	}
	s.run(1000)
	s.split([]string{"a"}, []string{"b"})
	s.run(10_000)
	b.subscribe("new", true)
	s.split()
	before := s.bytes
	s.run(5_000)
	agree(t, a.both(b))
	if sent := s.bytes - before; sent > 2000 {
		t.Errorf("%d bytes were sent for one route", sent)
	}
}

// TestRoutesOneWay: a node that hears but is not heard is told nothing wrong.
func TestRoutesOneWay(t *testing.T) {
	s, a, b := pair(t, 6)
	s.cut[[2]string{"a", "b"}] = true // nobody notices
	a.subscribe("x", false)
	b.subscribe("y", false)
	s.run(5_000)
	if a.match("y") != "b" || b.match("x") != "" {
		t.Errorf("a knows %q, b knows %q", a.match("y"), b.match("x"))
	}
	clear(s.cut)
	s.run(5_000)
	agree(t, a.both(b))
}

// TestRoutesSlots: a table without room for one more node says so and works on.
func TestRoutesSlots(t *testing.T) {
	s := newSim(7)
	nodes := map[string]*routed{}
	for i := range maxSlots + 3 {
		id := fmt.Sprintf("n%02d", i)
		nodes[id] = startRouted(t, s, id)
		nodes[id].subscribe(id, false)
	}
	s.run(10_000)
	for id, r := range nodes {
		if got := r.routes.table.used.Len(); got != maxSlots {
			t.Fatalf("%s has %d slots in use", id, got)
		}
		if got := r.routes.table.Filters(); got != maxSlots {
			t.Fatalf("%s knows %d filters", id, got)
		}
	}
}

// TestRoutesRefuse: what isn't a message of routes changes nothing.
func TestRoutesRefuse(t *testing.T) {
	_, a, _ := pair(t, 8)
	refuses := func(data, want string) {
		t.Helper()
		if err := a.routes.Receive("b", []byte(data), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", data, err, want)
		}
	}
	refuses("", "ends too early")
	refuses("\x01", "ends too early")
	refuses("\x02\x01", "version 2, this program knows version 1")
	refuses("\x01\x09", "type 9 is unknown")
	refuses("\x01\x01\x80", "ends too early")
	refuses("\x01\x02\x01\x01\x01\x01\x7f", "ends too early")
	refuses(string(deltaMessage(a.routes.epoch+1e6, 1, []byte{1, 'a', 4, 1})), "ends too early")
	refuses(string(deltaMessage(a.routes.epoch+2e6, 1, []byte{0, 1})), "without a filter")
}

func FuzzRoutes(f *testing.F) {
	groups := Interest{Plain: true, Groups: []GroupCount{{"g", 2, 1}, {"h", 300, 0}}}
	f.Add(deltaMessage(7, 1, appendRoute(appendRoute(nil, "a/+", groups), "b", Interest{})))
	f.Add(appendSummary(nil, &summary{epoch: 7, seq: 3, digest: 1 << 63, routes: 4, absent: []absent{{"c", 1, 2}}}))
	f.Add(appendWant(nil, &want{origin: "a", epoch: 7, seq: 1, whole: true}))
	f.Add(appendPart(nil, &part{origin: "b", epoch: 7, seq: 9, next: 3}, appendRoute(nil, "x", Interest{Durable: true})))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newSim(1)
		a := startRouted(t, s, "a")
		a.subscribe("mine", true)
		a.up("b")
		a.down("c")
		for range 2 {
			if err := a.routes.Receive("b", data, s.now); err != nil && len(err.Error()) < 20 {
				t.Error(err)
			}
			s.run(3_000)
		}
	})
}

func TestRouteEncoding(t *testing.T) {
	same := func(filter string, in Interest) {
		t.Helper()
		r := reader{fields.Reader{Left: appendRoute(nil, filter, in)}}
		if gotFilter, got := r.route(); r.Err != nil || gotFilter != filter || !got.equal(in) || len(r.Left) > 0 {
			t.Errorf("%q %+v became %q %+v, %v", filter, in, gotFilter, got, r.Err)
		}
	}
	same("a", Interest{})
	same("a/+/#", Interest{Plain: true})
	same("a", Interest{Durable: true})
	same("a", Interest{Plain: true, Durable: true, Groups: []GroupCount{{"", 1, 0}, {"g", 1 << 31, 1 << 20}}})
	same(strings.Repeat("x/", 30000), Interest{Plain: true})
}
