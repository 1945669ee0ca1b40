package cluster

import (
	"container/heap"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
)

// sim is a cluster in simulated time: a network that delays and loses what is
// sent, and nodes that come, go and are cut off from each other. What happens
// follows from the seed alone.
type sim struct {
	seed   uint64
	rng    *rand.Rand
	links  map[wire]*rand.Rand // of its own for each wire, so that the order in which a node sends to others doesn't matter
	now    int64
	count  int
	queue  events
	arrive map[wire]int64 // when the last message of a wire arrives: the next does not overtake it
	cut    map[[2]string]bool
	nodes  map[string]*simNode

	loss   float64 // of all messages
	delay  int64   // ms at most
	notice int64   // ms until a node sees that another has come or gone

	sent, bytes int
}

// wire has an order of its own.
type wire struct{ from, to, kind string }

type event struct {
	at    int64
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = slices.Delete(*e, last, last+1)
	return x
}

// machine is what a node of the simulation runs.
type machine interface {
	receive(from, kind string, data []byte)
	up(node string)
	down(node string)
}

// simNode is one start of a node.
type simNode struct {
	sim  *sim
	id   string
	runs machine
	sees map[string]*simNode // the nodes that it has been told of, in the start that it knows
}

func newSim(seed uint64) *sim {
	return &sim{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), links: map[wire]*rand.Rand{}, now: 1_000_000, arrive: map[wire]int64{}, cut: map[[2]string]bool{}, nodes: map[string]*simNode{},
		delay: 3, notice: 500,
	}
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// after has do done so many milliseconds from now.
func (s *sim) after(ms int64, do func()) {
	s.count++
	heap.Push(&s.queue, event{s.now + ms, s.count, do})
}

// run lets so many milliseconds pass.
func (s *sim) run(ms int64) {
	until := s.now + ms
	for len(s.queue) > 0 && s.queue[0].at <= until {
		e := heap.Pop(&s.queue).(event)
		s.now = max(s.now, e.at)
		e.do()
	}
	s.now = until
}

// start starts a node, which may have run before.
func (s *sim) start(id string, create func(*simNode) machine) *simNode {
	s.stop(id)
	n := &simNode{sim: s, id: id, sees: map[string]*simNode{}}
	s.nodes[id] = n
	n.runs = create(n)
	s.noticeSoon()
	return n
}

// stop kills a node.
func (s *sim) stop(id string) {
	delete(s.nodes, id)
	s.noticeSoon()
}

// alive reports whether the node is this start of it.
func (n *simNode) alive() bool { return n.sim.nodes[n.id] == n }

// split cuts all wires between the nodes of different sides; none heals.
func (s *sim) split(sides ...[]string) {
	clear(s.cut)
	for i, side := range sides {
		for _, other := range sides[i+1:] {
			for _, a := range side {
				for _, b := range other {
					s.cut[[2]string{a, b}], s.cut[[2]string{b, a}] = true, true
				}
			}
		}
	}
	s.noticeSoon()
}

// noticeSoon has each node told, each at its own time, who is there.
func (s *sim) noticeSoon() {
	for _, id := range s.ids() {
		n := s.nodes[id]
		for _, other := range s.everybody(n) {
			if other != id {
				s.after(s.rng.Int64N(s.notice)+1, func() { n.look(other) })
			}
		}
	}
}

func (s *sim) ids() (ids []string) {
	for id := range s.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (s *sim) everybody(n *simNode) []string {
	all := s.ids()
	for id := range n.sees {
		all = append(all, id)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// look tells a node what has become of another.
func (n *simNode) look(id string) {
	if !n.alive() {
		return
	}
	now := n.sim.nodes[id]
	if now != nil && n.sim.cut[[2]string{n.id, id}] {
		now = nil
	}
	before := n.sees[id]
	if before == now {
		return
	}
	n.sees[id] = now
	if before != nil {
		n.runs.down(id)
	}
	if now != nil {
		n.runs.up(id)
	}
}

// Send is Network's.
func (n *simNode) Send(node, kind string, data []byte) error {
	s := n.sim
	if !n.alive() {
		return errors.New("this node has ended")
	}
	w := wire{n.id, node, kind}
	s.sent++
	s.bytes += len(data)
	to := s.nodes[node]
	rng := s.links[w]
	if rng == nil {
		rng = rand.New(rand.NewPCG(s.seed, hashText(n.id+" "+node+" "+kind)))
		s.links[w] = rng
	}
	if to == nil || s.cut[[2]string{n.id, node}] || rng.Float64() < s.loss {
		return nil // nobody hears of it
	}
	data = slices.Clone(data)
	at := max(s.arrive[w], s.now+rng.Int64N(s.delay)+1)
	s.arrive[w] = at
	s.after(at-s.now, func() {
		if to.alive() && !s.cut[[2]string{n.id, node}] {
			to.runs.receive(n.id, kind, data)
		}
	})
	return nil
}
