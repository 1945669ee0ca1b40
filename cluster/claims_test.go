package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/broker"
)

// claiming is a node with nothing but client ids.
type claiming struct {
	t      *testing.T
	node   *simNode
	claims *Claims
	starts map[string]uint64 // of the others, by node
	had    map[string]*miniSession
	due    int64

	world *world
}

// miniSession remembers all connections that it had.
type miniSession struct {
	tokens []string
	online bool
	since  int64
}

// world is what is true of all nodes together.
type world struct {
	sim    *sim
	nodes  map[string]*claiming
	tokens int
	opened map[string][]string // by client id, the connections that were accepted since the last clean start
	ended  map[string]bool     // connections that have been told to go
	lost   int                 // connections that wanted a session that was somewhere, and found none
	size   int                 // of a session's state, in bytes more
}

func newWorld(seed uint64) *world {
	return &world{sim: newSim(seed), nodes: map[string]*claiming{}, opened: map[string][]string{}, ended: map[string]bool{}}
}

func (w *world) start(t *testing.T, id string) *claiming {
	c := &claiming{t: t, had: map[string]*miniSession{}, world: w}
	w.nodes[id] = c
	s := w.sim
	s.start(id, func(n *simNode) machine {
		c.node = n
		c.claims = NewClaims(ClaimsOptions{
			Self: id, Start: uint64(s.now), Network: n, Log: quiet, Sessions: c, Wake: func() { c.tickIn(0) },
		})
		return c
	})
	return c
}

func (c *claiming) tickIn(ms int64) {
	s := c.node.sim
	at := s.now + max(ms, 0)
	if c.due != 0 && c.due <= at {
		return
	}
	c.due = at
	s.after(at-s.now, func() {
		if c.node.alive() && c.due == at {
			c.due = 0
			if next := c.claims.Tick(s.now); next > 0 {
				c.tickIn(next - s.now)
			}
		}
	})
}

func (c *claiming) receive(from, _ string, data []byte) {
	if err := c.claims.Receive(from, data, c.node.sim.now); err != nil {
		c.t.Errorf("%s: %v", c.node.id, err)
	}
	c.tickIn(1)
}

func (c *claiming) up(node string) {
	c.claims.Up(node, c.world.nodes[node].claims.start, c.node.sim.now)
	c.tickIn(1)
}

func (c *claiming) down(node string) {
	c.claims.Down(node, c.node.sim.now)
	c.tickIn(1)
}

// Has, Take and Adopt are Sessions's, too.
func (c *claiming) Has(id string) bool { return c.had[id] != nil }

func (c *claiming) Take(id string, clean bool) ([]byte, bool) {
	s := c.had[id]
	if s == nil {
		return nil, false
	}
	c.world.ended[s.tokens[len(s.tokens)-1]] = true
	if !clean && c.node.sim.rng.IntN(4) == 0 { // something of it is still to be saved
		return nil, true
	}
	delete(c.had, id)
	c.claims.Ended(id)
	if clean {
		return nil, false
	}
	return append([]byte(strings.Join(s.tokens, " ")+"\n"), make([]byte, c.world.size)...), false
}

func (c *claiming) Adopt(id string, state []byte) error {
	text, _, ok := bytes.Cut(state, []byte("\n"))
	if !ok || len(state) != len(text)+1+c.world.size {
		return errors.New("not what was taken")
	}
	if c.had[id] != nil {
		c.t.Errorf("%s has %s already", c.node.id, id)
	}
	c.had[id] = &miniSession{tokens: strings.Fields(string(text))}
	return nil
}

// Each is Sessions's.
func (c *claiming) Each(f func(id string, since int64)) {
	for id, s := range c.had {
		f(id, s.since)
	}
}

// connect is a CONNECT of a client.
func (c *claiming) connect(id string, clean bool) {
	w := c.world
	w.tokens++
	token := fmt.Sprintf("%s-%d", c.node.id, w.tokens)
	done := func(outbid bool) {
		if outbid {
			w.ended[token] = true
			return
		}
		c.node.sim.after(c.node.sim.rng.Int64N(3), func() {
			if c.node.alive() {
				c.open(id, token, clean)
				c.claims.Opened(id, c.node.sim.now)
				c.tickIn(0)
			}
		})
	}
	if c.claims.Claim(id, clean, c.node.sim.now, done) != broker.ClaimAsked {
		c.open(id, token, clean)
	}
	c.tickIn(1)
}

func (c *claiming) open(id, token string, clean bool) {
	w, s := c.world, c.had[id]
	switch {
	case clean:
		w.opened[id] = nil
		s = nil
	case s == nil && len(w.opened[id]) > 0:
		w.lost++
	}
	if s == nil {
		s = &miniSession{}
		c.had[id] = s
	} else if last := s.tokens[len(s.tokens)-1]; last != token {
		w.ended[last] = true
	}
	s.online, s.since = true, w.sim.now
	s.tokens = append(s.tokens, token)
	w.opened[id] = append(w.opened[id], token)
}

// owners are the nodes that have a session of this id.
func (w *world) owners(id string) (nodes []string) {
	for node, c := range w.nodes {
		if c.node.alive() && c.had[id] != nil {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// settled checks what must hold when everything has come to rest.
func (w *world) settled(t *testing.T, name string) {
	t.Helper()
	for id := range w.opened {
		if owners := w.owners(id); len(owners) > 1 {
			t.Errorf("%s: %s is on %v", name, id, owners)
		}
	}
	for node, c := range w.nodes {
		if n := len(c.claims.open) + len(c.claims.batches) + len(c.claims.held) + len(c.claims.unsettled); n > 0 && c.node.alive() {
			t.Errorf("%s: %s has open %d, batches %d, held %d, unsettled %d", name, node,
				len(c.claims.open), len(c.claims.batches), len(c.claims.held), len(c.claims.unsettled))
		}
	}
}

// TestClaimsMove: without faults every connection finds the session of the one
// before, wherever that was, and exactly one is left.
func TestClaimsMove(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(seed)
		w.size = []int{0, 2 * maxInline, 3 * maxPiece}[seed%3]
		ids := []string{"n1", "n2", "n3", "n4"}
		for _, id := range ids {
			w.start(t, id)
		}
		w.sim.run(3000)
		for range 300 {
			c := w.nodes[ids[w.sim.rng.IntN(4)]]
			c.connect(fmt.Sprint("client", w.sim.rng.IntN(6)), false)
			w.sim.run(w.sim.rng.Int64N(20)) // so that many meet on the way
		}
		w.sim.run(20_000)
		w.settled(t, fmt.Sprint("seed ", seed))
		for id, opened := range w.opened {
			owners := w.owners(id)
			if len(owners) != 1 {
				t.Fatalf("seed %d: %s is on %v", seed, id, owners)
			}
			s := w.nodes[owners[0]].had[id]
			if !slices.Equal(s.tokens, opened) {
				t.Errorf("seed %d: the session of %s had %v, opened were %v", seed, id, s.tokens, opened)
			}
			for _, token := range opened[:len(opened)-1] {
				if !w.ended[token] {
					t.Errorf("seed %d: connection %s was never ended", seed, token)
				}
			}
		}
		if w.lost > 0 {
			t.Errorf("seed %d: %d sessions were not found", seed, w.lost)
		}
	}
}

// TestClaimsAtOnce: of connections at the same moment one remains, with all that
// the session was.
func TestClaimsAtOnce(t *testing.T) {
	for seed := range uint64(400) {
		w := newWorld(seed)
		w.size = []int{0, 2 * maxInline, 3 * maxPiece}[seed%3]
		ids := []string{"n1", "n2", "n3", "n4"}
		for _, id := range ids {
			w.start(t, id)
		}
		w.sim.run(3000)
		w.nodes["n3"].connect("x", false)
		w.sim.run(100)
		apart := []int64{1, 2, 3, 8}[w.sim.rng.IntN(4)]
		for range 2 + w.sim.rng.IntN(4) {
			w.nodes[ids[w.sim.rng.IntN(4)]].connect("x", false)
			w.sim.run(w.sim.rng.Int64N(apart))
		}
		w.sim.run(20_000)
		w.settled(t, fmt.Sprint("seed ", seed))
		owners := w.owners("x")
		if len(owners) != 1 {
			t.Fatalf("seed %d: x is on %v", seed, owners)
		}
		if s := w.nodes[owners[0]].had["x"]; s.tokens[0] != "n3-1" || !slices.Equal(s.tokens, w.opened["x"]) {
			t.Errorf("seed %d: the session had %v, opened were %v", seed, s.tokens, w.opened["x"])
		}
	}
}

// TestClaimsClean: a clean start ends a session anywhere.
func TestClaimsClean(t *testing.T) {
	w := newWorld(1)
	a, b := w.start(t, "a"), w.start(t, "b")
	w.sim.run(3000)
	a.connect("x", false)
	w.sim.run(100)
	b.connect("x", true)
	w.sim.run(100)
	if s := b.had["x"]; a.had["x"] != nil || s == nil || len(s.tokens) != 1 || !w.ended["a-1"] {
		t.Errorf("a has %v, b has %v", a.had["x"], s)
	}
	b.connect("x", false) // is here already: nobody is asked
	if len(b.had["x"].tokens) != 2 || b.claims.Stats.Claimed.Value() != 1 {
		t.Error("what is here already was claimed")
	}
	w.sim.run(100)
	w.settled(t, "clean")
}

// TestClaimsSplit: both sides of a split accept a client; when they meet, the
// connection that came last remains and the other is told.
func TestClaimsSplit(t *testing.T) {
	for _, last := range []string{"a", "b"} {
		w := newWorld(1)
		a, b := w.start(t, "a"), w.start(t, "b")
		w.sim.run(3000)
		a.connect("x", false)
		a.connect("y", false)
		a.connect("stays", false)
		w.sim.run(100)
		w.sim.split([]string{"a"}, []string{"b"})
		w.sim.run(1000)
		b.connect("x", false)
		w.sim.run(100)
		if last == "a" {
			a.connect("x", false)
		}
		b.connect("y", false)
		w.sim.run(100)
		delete(b.had, "y") // it has ended before they meet
		b.claims.Ended("y")
		w.sim.run(5000)
		w.sim.split()
		w.sim.run(5000)
		w.settled(t, last)
		if got := w.owners("x"); !slices.Equal(got, []string{last}) {
			t.Errorf("x is on %v, want %s", got, last)
		}
		if got := w.owners("y"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("y is on %v", got)
		}
		if got := w.owners("stays"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("stays is on %v", got)
		}
		if w.ended["a-3"] || !w.ended["a-1"] {
			t.Errorf("ended: %v", w.ended)
		}
	}
}

// TestClaimsStranger: a node that has never seen another one settles with it all
// the same.
func TestClaimsStranger(t *testing.T) {
	w := newWorld(1)
	a := w.start(t, "a")
	a.connect("x", false)
	w.sim.run(1000)
	w.sim.split([]string{"a"}, []string{"b"})
	b := w.start(t, "b")
	b.down("a") // the list of members has it
	w.sim.run(1000)
	b.connect("x", false)
	w.sim.run(1000)
	w.sim.split()
	w.sim.run(3000)
	w.settled(t, "stranger")
	if got := w.owners("x"); !slices.Equal(got, []string{"b"}) {
		t.Errorf("x is on %v", got)
	}
}

// TestClaimsJoin: two nodes that had clients before they met, ever so many, have
// each of them once.
func TestClaimsJoin(t *testing.T) {
	w := newWorld(1)
	a, b := w.start(t, "a"), w.start(t, "b")
	w.sim.split([]string{"a"}, []string{"b"})
	clear(a.node.sees)
	const clients = 3 * maxSettling * maxClaims
	for i := range clients {
		a.open(fmt.Sprint("client", i), "old", true)
	}
	w.sim.run(100)
	b.open("client7", "new", true)
	w.sim.split()
	w.sim.run(20_000)
	w.settled(t, "join")
	if len(a.had) != clients-1 || len(b.had) != 1 {
		t.Errorf("a has %d, b has %d", len(a.had), len(b.had))
	}
}

// TestClaimsLongIDs: no message is much longer than it may be, whatever clients
// are called.
func TestClaimsLongIDs(t *testing.T) {
	w := newWorld(1)
	w.size = 2 * maxInline
	a, b := w.start(t, "a"), w.start(t, "b")
	w.sim.run(3000)
	longest := 0
	for _, c := range []*claiming{a, b} {
		c.claims.net = sendFunc(func(node, kind string, data []byte) error {
			longest = max(longest, len(data))
			return c.node.Send(node, kind, data)
		})
		for i := range 200 {
			c.connect(fmt.Sprint(strings.Repeat("x", 60_000), i), false)
		}
		w.sim.run(5000)
	}
	w.settled(t, "long ids")
	if len(a.had) > 0 || len(b.had) != 200 || longest > 3*maxAnswer {
		t.Errorf("a has %d, b has %d, the longest message has %d bytes", len(a.had), len(b.had), longest)
	}
}

// TestClaimsDeath: a session that was on its way to a node that has died comes
// back to where it was.
func TestClaimsDeath(t *testing.T) {
	w := newWorld(1)
	w.size = 5 * maxPiece
	a, b := w.start(t, "a"), w.start(t, "b")
	w.sim.run(3000)
	a.connect("x", false)
	w.sim.run(100)
	b.connect("x", false)
	for a.Has("x") {
		w.sim.run(1)
	}
	w.sim.stop("b")
	w.sim.run(3000)
	if s := a.had["x"]; s == nil || s.online || !slices.Equal(s.tokens, []string{"a-1"}) {
		t.Errorf("a has %+v", s)
	}
}

// TestClaimsSlowNode: who doesn't answer is skipped, and what it has ends when it
// answers at last.
func TestClaimsSlowNode(t *testing.T) {
	w := newWorld(1)
	a, b := w.start(t, "a"), w.start(t, "b")
	w.sim.run(3000)
	a.connect("x", false)
	w.sim.run(100)
	w.sim.cut[[2]string{"b", "a"}] = true // nobody notices
	b.connect("x", false)
	w.sim.run(claimTime + 500)
	if got := w.owners("x"); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("x is on %v", got)
	}
	clear(w.sim.cut)
	w.sim.run(3000)
	w.settled(t, "slow")
	if got := w.owners("x"); !slices.Equal(got, []string{"b"}) || !w.ended["a-1"] {
		t.Errorf("x is on %v", got)
	}
}

// TestClaimsWithFaults: whatever happens, in the end an id has one owner at most,
// and one if its last connection was made at peace.
func TestClaimsWithFaults(t *testing.T) {
	for seed := range uint64(60) {
		w := newWorld(seed)
		w.sim.loss = []float64{0, 0.05, 0.3}[seed%3]
		w.size = int(seed%2) * 2 * maxPiece
		ids := []string{"n1", "n2", "n3", "n4"}[:2+seed%3]
		for _, id := range ids {
			w.start(t, id)
		}
		for range 200 {
			c := w.nodes[ids[w.sim.rng.IntN(len(ids))]]
			c.connect(fmt.Sprint("client", w.sim.rng.IntN(5)), w.sim.rng.IntN(5) == 0)
			w.sim.run(w.sim.rng.Int64N(60))
			switch w.sim.rng.IntN(40) {
			case 0:
				at := w.sim.rng.IntN(len(ids))
				w.sim.split(ids[:at], ids[at:])
			case 1, 2, 3:
				w.sim.split()
			case 4:
				w.start(t, ids[w.sim.rng.IntN(len(ids))])
			case 5:
				w.sim.run(w.sim.rng.Int64N(2 * moveTime))
			}
		}
		w.sim.split()
		w.sim.loss = 0
		w.sim.run(60_000)
		for k := range 5 {
			w.nodes[ids[k%len(ids)]].connect(fmt.Sprint("client", k), false)
		}
		w.sim.run(20_000)
		w.settled(t, fmt.Sprint("seed ", seed))
		for k := range 5 {
			id := fmt.Sprint("client", k)
			if got := w.owners(id); !slices.Equal(got, []string{ids[k%len(ids)]}) {
				t.Errorf("seed %d: %s is on %v, want %s", seed, id, got, ids[k%len(ids)])
			}
		}
	}
}

// TestClaimsRefuse: what is no message of claims changes nothing.
func TestClaimsRefuse(t *testing.T) {
	w := newWorld(1)
	a := w.start(t, "a")
	a.claims.Up("b", 1, 0)
	refused := func(data, want string) {
		t.Helper()
		if err := a.claims.Receive("b", []byte(data), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", data, err, want)
		}
	}
	refused("", "ends too early")
	refused("\x02\x01", "version 2")
	refused("\x01\x0a", "type 10 is unknown")
	refused("\x01\x01\x01\x01\x01\x00\x01\x00", "no client id")
	refused("\x01\x01\x01\x01\x7f", "ends too early")
	refused("\x01\x02\x01\x01\x01\x01x", "ends too early")
	refused("\x01\x03\x01x", "ends too early")
	refused("\x01\x05\x01", "ends too early")
	if err := a.claims.Receive("stranger", nil, 0); err != nil {
		t.Error(err)
	}
}

func FuzzClaims(f *testing.F) {
	claims := appendHead(nil, typeClaims, 1, 2, 3)
	for _, a := range []ask{{id: "x", epoch: 9}, {id: "y", epoch: 1 << 60, clean: true}, {id: "z", epoch: 5, late: true}} {
		claims = appendAsk(claims, &a)
	}
	f.Add(claims)
	f.Add(appendAnswer(appendHead(nil, typeOffer), &answer{id: "mine", epoch: 65536000001, kind: answerOffer, rank: 1, total: 3, bytes: []byte("ab")}))
	f.Add(appendAnswer(appendHead(nil, typeAnswer, 1_000_000, 1, 1), &answer{id: "mine", epoch: 1, kind: answerOutbid, node: "c", newer: 1 << 61}))
	f.Add(pieceMessage(typePull, &piece{id: "x", epoch: 9}))
	f.Add(pieceMessage(typePiece, &piece{id: "mine", epoch: 9, offset: 2, total: 3, bytes: []byte("c")}))
	f.Add(takenMessage(typeTaken, "x", 9))
	f.Add(takenMessage(typeAsk, "mine", 9))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWorld(1)
		a := w.start(t, "a")
		a.connect("x", false)
		a.claims.Up("b", 1, w.sim.now)
		a.connect("mine", false)
		w.sim.run(1)
		for range 2 {
			if a.claims.Receive("b", data, w.sim.now) == nil {
				w.sim.run(100)
			}
		}
		a.claims.Down("b", w.sim.now)
		w.sim.run(30_000)
		if n := len(a.claims.open) + len(a.claims.held); n > 0 {
			t.Errorf("%d claims and sessions are left when nobody is there", n)
		}
	})
}

// BenchmarkClaims is what a CONNECT costs the claimer and each other node, with
// a hundred in a pass and a million clients on each.
func BenchmarkClaims(b *testing.B) {
	const clients, pass = 1_000_000, 100
	had := map[string]bool{}
	for i := range clients {
		had[fmt.Sprint("client", i)] = true
	}
	sent := map[string][]byte{}
	network := func(self string) Network {
		return sendFunc(func(node, _ string, data []byte) error {
			sent[self+node] = append(sent[self+node][:0], data...)
			return nil
		})
	}
	make2 := func(self, other string, s Sessions) *Claims {
		c := NewClaims(ClaimsOptions{Self: self, Start: 1, Network: network(self), Log: quiet, Sessions: s, Wake: func() {}})
		c.Up(other, 1, 1)
		return c
	}
	claimer, other := make2("a", "b", fixedSessions(nil)), make2("b", "a", fixedSessions(had))
	opened := 0
	done := func(bool) { opened++ }
	now, k := int64(1), 0
	b.ReportAllocs()
	for b.Loop() {
		claimer.Claim(fmt.Sprint("new", k), false, now, done)
		if k++; k%pass == 0 {
			now++
			claimer.Tick(now)
			if err := errors.Join(other.Receive("a", sent["ab"], now), claimer.Receive("b", sent["ba"], now)); err != nil {
				b.Fatal(err)
			}
			for i := k - pass; i < k; i++ {
				claimer.Opened(fmt.Sprint("new", i), now)
			}
		}
	}
	if opened < k-pass {
		b.Fatalf("%d of %d claims were granted", opened, k)
	}
}

type sendFunc func(node, kind string, data []byte) error

func (f sendFunc) Send(node, kind string, data []byte) error { return f(node, kind, data) }

// fixedSessions are clients that nothing happens to.
type fixedSessions map[string]bool

func (f fixedSessions) Has(id string) bool               { return f[id] }
func (f fixedSessions) Take(string, bool) ([]byte, bool) { return nil, false }
func (f fixedSessions) Adopt(string, []byte) error       { return nil }
func (f fixedSessions) Each(func(string, int64))         {}
