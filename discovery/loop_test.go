package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is where nodes of tests live: who finds whom, who is alive, and who
// is in whose cluster.
type world struct {
	t  *testing.T
	mu sync.Mutex

	running sync.WaitGroup

	nodes      map[string]*testNode
	registered map[string]bool
	locked     chan struct{}
	fails      error
	extra      []string               // found besides those registered
	blind      func(a, b string) bool // a doesn't find b
}

type testNode struct {
	world   *world
	name    string
	calls   string // what it calls itself
	since   time.Time
	cluster *[]string
	joins   []string // whom it has joined
	rounds  []time.Time
	dead    bool
	refuses error // what its Join ends with
	log     bytes.Buffer
	end     context.CancelFunc
	loop    Loop
}

func newWorld(t *testing.T) *world {
	return &world{t: t, nodes: map[string]*testNode{}, registered: map[string]bool{}, locked: make(chan struct{}, 1),
		blind: func(string, string) bool { return false }}
}

// add makes a node; start has it look.
func (w *world) add(name string) *testNode {
	n := &testNode{world: w, name: name, calls: name, since: time.Now(), cluster: &[]string{name}, end: func() {}}
	n.loop = Loop{
		Self: name, Since: n.since, Discoverer: fakeDiscoverer{n}, Members: n.members, Probe: n.probe, Join: n.join,
		Log: slog.New(slog.NewTextHandler(&n.log, nil)),
	}
	w.set(func() { w.nodes[name] = n })
	return n
}

func (n *testNode) start() *testNode {
	ctx, end := context.WithCancel(n.world.t.Context())
	n.end = end
	n.world.running.Go(func() { n.loop.Run(ctx) })
	return n
}

func (w *world) start(names ...string) {
	for _, name := range names {
		w.add(name).start()
	}
}

func (w *world) stop() {
	for _, n := range w.nodes {
		n.end()
	}
	w.running.Wait()
}

// set changes the world while nodes live in it.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (n *testNode) members() []string {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	return slices.Clone(*n.cluster)
}

func (n *testNode) probe(_ context.Context, name string) (Peer, error) {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	other := n.world.nodes[name]
	if other == nil || other.dead {
		return Peer{}, errors.New("no answer")
	}
	return Peer{other.calls, other.since, len(*other.cluster)}, nil
}

func (n *testNode) join(ctx context.Context, name string) error {
	sleep(ctx, 200*time.Millisecond) // others act meanwhile
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	if n.refuses != nil {
		return n.refuses
	}
	if len(*n.cluster) != 1 {
		n.world.t.Errorf("%s joins %s though it is in company: %v", n.name, name, *n.cluster)
	}
	other := n.world.nodes[name]
	*other.cluster = append(*other.cluster, n.name)
	n.cluster = other.cluster
	n.joins = append(n.joins, name)
	return ctx.Err()
}

// clusters are the members of each cluster, sorted.
func (w *world) clusters() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, n := range w.nodes {
		members := slices.Sorted(slices.Values(*n.cluster))
		all = append(all, strings.Join(members, " "))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " | ")
}

func (w *world) expect(want string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.clusters(); got != want {
		w.t.Errorf("the clusters are %s, want %s", got, want)
	}
}

func (n *testNode) logged(want string, times int) {
	n.world.t.Helper()
	synctest.Wait()
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	if got := strings.Count(n.log.String(), want); got != times {
		n.world.t.Errorf("%s has logged %q %d times, want %d:\n%s", n.name, want, got, times, &n.log)
	}
}

// fakeDiscoverer finds who is registered.
type fakeDiscoverer struct{ n *testNode }

func (d fakeDiscoverer) Discover(context.Context) ([]string, error) {
	w := d.n.world
	w.mu.Lock()
	defer w.mu.Unlock()
	d.n.rounds = append(d.n.rounds, time.Now())
	if w.fails != nil {
		return nil, w.fails
	}
	found := slices.Clone(w.extra)
	for name := range w.registered {
		if !w.blind(d.n.name, name) {
			found = append(found, name)
		}
	}
	return found, nil
}

func (d fakeDiscoverer) Register(context.Context) error   { return d.set(true) }
func (d fakeDiscoverer) Unregister(context.Context) error { return d.set(false) }

func (d fakeDiscoverer) set(registered bool) error {
	d.n.world.mu.Lock()
	defer d.n.world.mu.Unlock()
	d.n.world.registered[d.n.name] = registered
	if !registered {
		delete(d.n.world.registered, d.n.name)
	}
	return nil
}

// lockingDiscoverer has a lock besides.
type lockingDiscoverer struct{ fakeDiscoverer }

func (d lockingDiscoverer) Lock(ctx context.Context) (func(context.Context) error, error) {
	select {
	case d.n.world.locked <- struct{}{}:
		return func(context.Context) error { <-d.n.world.locked; return nil }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the lock is taken: %w", ctx.Err())
	}
}

func simulate(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f(w)
		w.stop()
	})
}

// TestStartTogether: nodes that start within some seconds are one cluster soon, whatever
// the order in which chance wakes them.
func TestStartTogether(t *testing.T) {
	for i := range 60 {
		simulate(t, func(w *world) {
			for _, name := range []string{"a@h", "b@h", "c@h", "d@h", "e@h"} {
				w.start(name)
				time.Sleep(rand.N(time.Duration(i+1) * 100 * time.Millisecond))
			}
			time.Sleep(time.Minute)
			w.expect("a@h b@h c@h d@h e@h")
			joins := 0
			for _, n := range w.nodes {
				joins += len(n.joins)
			}
			if joins != 4 {
				t.Errorf("%d joins made a cluster of five", joins)
			}
		})
	}
}

func TestLateNodesJoinOnce(t *testing.T) {
	simulate(t, func(w *world) {
		for _, name := range []string{"c@h", "b@h", "a@h"} {
			w.start(name)
			time.Sleep(time.Minute)
		}
		w.expect("a@h b@h c@h")
		if got := fmt.Sprint(w.nodes["c@h"].joins, w.nodes["b@h"].joins, w.nodes["a@h"].joins); got != "[] [c@h] [c@h]" {
			t.Errorf("joined: %s, want the oldest each", got)
		}
	})
}

// TestCompanyBeforeAge: a node that nobody saw when the others gathered comes
// to them, though it is the oldest.
func TestCompanyBeforeAge(t *testing.T) {
	simulate(t, func(w *world) {
		w.blind = func(a, b string) bool { return a != b && (a == "old@h" || b == "old@h") }
		w.start("old@h")
		time.Sleep(time.Minute)
		w.start("b@h", "c@h")
		time.Sleep(time.Minute)
		w.expect("b@h c@h | old@h")
		w.set(func() { w.blind = func(string, string) bool { return false } })
		time.Sleep(later + pace + stagger)
		w.expect("b@h c@h old@h")
		w.nodes["b@h"].logged("another cluster", 0)
	})
}

// TestPace: a node that is settled looks at the slower pace, any other at the
// faster one.
func TestPace(t *testing.T) {
	simulate(t, func(w *world) {
		a := w.add("a@h")
		a.loop.Discoverer = lockingDiscoverer{fakeDiscoverer{a}} // no waiting by chance
		a.start()
		f := func(what string, rounds int, d time.Duration) {
			t.Helper()
			w.set(func() { a.rounds = nil })
			time.Sleep(d)
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(a.rounds) != rounds {
				t.Errorf("%s: %d rounds in %v, want %d", what, len(a.rounds), d, rounds)
			}
		}
		time.Sleep(time.Second) // counts begin and end between rounds
		f("at first", 12, time.Minute)
		time.Sleep(later)
		f("alone", 2, 2*later)
		w.set(func() { w.extra = []string{"gone@h"} })
		time.Sleep(later)
		f("somebody dead is found", 12, time.Minute)
		w.set(func() { w.extra = nil })
		time.Sleep(later)
		f("alone again", 2, 2*later)
		w.set(func() { w.fails = errors.New("the server is down") })
		time.Sleep(later)
		f("nothing works", 12, time.Minute)
	})
}

func TestErrorsAreSaidOnce(t *testing.T) {
	simulate(t, func(w *world) {
		w.set(func() { w.fails = errors.New("the server is down") })
		a := w.add("a@h").start()
		time.Sleep(time.Hour)
		a.logged("the server is down", 1)
		a.logged("works again", 0)
		w.set(func() { w.fails = nil })
		time.Sleep(time.Minute)
		a.logged("discovery works again", 1)
		w.set(func() { w.fails = errors.New("the server is down") })
		time.Sleep(time.Minute)
		a.logged("the server is down", 2)
	})
}

func TestFailedJoinIsTriedAgain(t *testing.T) {
	simulate(t, func(w *world) {
		w.start("a@h")
		time.Sleep(time.Minute)
		b := w.add("b@h")
		b.refuses = errors.New("versions differ")
		b.start()
		time.Sleep(time.Minute)
		w.expect("a@h | b@h")
		b.logged("join a@h: versions differ", 1)
		w.set(func() { b.refuses = nil })
		time.Sleep(time.Minute)
		w.expect("a@h b@h")
	})
}

// TestClustersStayApart: of two clusters none is given up.
func TestClustersStayApart(t *testing.T) {
	simulate(t, func(w *world) {
		left := func(name string) bool { return name < "c" }
		w.blind = func(a, b string) bool { return left(a) != left(b) }
		w.start("a@h", "b@h", "c@h", "d@h")
		time.Sleep(time.Minute)
		w.expect("a@h b@h | c@h d@h")
		w.set(func() { w.blind = func(string, string) bool { return false } })
		time.Sleep(time.Hour)
		w.expect("a@h b@h | c@h d@h")
		w.nodes["a@h"].logged(`another cluster; clusters don't join by themselves, as one of them would lose its data" nodes="c@h, d@h"`, 1)
		w.nodes["d@h"].logged(`nodes="a@h, b@h"`, 1)
		w.start("e@h") // has the choice, and takes the oldest of both
		time.Sleep(time.Minute)
		w.expect("a@h b@h e@h | c@h d@h")
	})
}

func TestDeadAndMisnamedNodes(t *testing.T) {
	simulate(t, func(w *world) {
		w.add("dead@h").dead = true
		w.add("other@h").calls = "b@h" // b@h itself, by a wrong name
		w.extra = []string{"dead@h", "other@h", "unheard@h", "no name", "a@h", "a@h"}
		w.start("a@h")
		time.Sleep(time.Second)
		b := w.add("b@h").start()
		time.Sleep(time.Minute)
		w.expect("a@h b@h | dead@h | other@h")
		b.logged("found=other@h name=b@h", 1)
		b.logged("no name", 1)
		b.logged("level=WARN", 2)
	})
}

// TestLock: nobody looks while another does, and an interrupted node lets go.
func TestLock(t *testing.T) {
	simulate(t, func(w *world) {
		for _, name := range []string{"a@h", "b@h", "c@h"} {
			n := w.add(name)
			n.loop.Discoverer = lockingDiscoverer{fakeDiscoverer{n}}
			probe := n.loop.Probe
			n.loop.Probe = func(ctx context.Context, node string) (Peer, error) {
				if len(w.locked) != 1 {
					t.Errorf("%s probes without the lock", name)
				}
				return probe(ctx, node)
			}
			n.start()
		}
		time.Sleep(10 * time.Second)
		w.expect("a@h b@h c@h")

		w.locked <- struct{}{} // somebody else has it
		time.Sleep(time.Minute)
		w.nodes["a@h"].logged("the lock is taken", 1)
		<-w.locked
		time.Sleep(time.Minute)
		w.nodes["a@h"].logged("discovery works again", 1)

		joining := w.add("d@h")
		joining.loop.Discoverer = lockingDiscoverer{fakeDiscoverer{joining}}
		joining.loop.Join = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		joining.start()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.locked) != 1 {
			t.Error("d@h joins without the lock")
		}
		joining.end()
		synctest.Wait()
		if len(w.locked) != 0 {
			t.Error("d@h has ended and keeps the lock")
		}
	})
}

func TestEndTakesRegistrationBack(t *testing.T) {
	simulate(t, func(w *world) {
		w.start("a@h", "b@h")
		time.Sleep(time.Minute)
		synctest.Wait()
		if !w.registered["a@h"] || !w.registered["b@h"] {
			t.Errorf("registered: %v", w.registered)
		}
		w.nodes["a@h"].end()
		synctest.Wait()
		if w.registered["a@h"] || !w.registered["b@h"] {
			t.Errorf("after the end of a@h registered: %v", w.registered)
		}
	})
}

// TestFound: the cluster hears what was found before anybody is joined.
func TestFound(t *testing.T) {
	simulate(t, func(w *world) {
		w.start("a@h")
		time.Sleep(time.Minute)
		b := w.add("b@h")
		var heard []string
		b.loop.Found = func(nodes []string) { heard = append(heard, fmt.Sprint(nodes, len(b.joins))) }
		b.start()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if len(heard) < 3 || heard[0] != "[a@h b@h] 0" || heard[1] != "[a@h b@h] 0" || heard[2] != "[a@h b@h] 1" {
			t.Errorf("heard %q", heard)
		}
	})
}

// TestDecided: who starts a node hears once that it has joined, or that it stays
// alone.
func TestDecided(t *testing.T) {
	simulate(t, func(w *world) {
		add := func(name string) *int {
			n, times := w.add(name), 0
			n.loop.Decided = func() {
				if times++; len(n.joins) == 0 && name != "a@h" {
					t.Errorf("%s is told before it has joined", name)
				}
			}
			n.start()
			return &times
		}
		a := add("a@h")
		time.Sleep(time.Second)
		b := add("b@h")
		time.Sleep(time.Hour)
		synctest.Wait()
		if *a != 1 || *b != 1 {
			t.Errorf("told %d and %d times", *a, *b)
		}
	})
}

// TestStatic: a list needs neither lock nor registration, and is not the
// callers' to change.
func TestStatic(t *testing.T) {
	c := Static{Seeds: []string{"a@h", "b@h"}}
	d := NewStatic(c)
	for range 2 {
		nodes, err := d.Discover(t.Context())
		if err != nil || fmt.Sprint(nodes) != "[a@h b@h]" {
			t.Fatal(nodes, err)
		}
		nodes[0], c.Seeds[1] = "x", "y"
	}
	simulate(t, func(w *world) {
		for _, name := range []string{"a@h", "b@h", "c@h"} {
			n := w.add(name)
			n.loop.Discoverer = d
			n.start()
		}
		time.Sleep(time.Minute)
		w.expect("a@h b@h c@h")
	})
}
