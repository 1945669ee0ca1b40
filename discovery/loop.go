package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Loop has a node look for its cluster and join it, as EMQ X does: lock,
// register, discover, join, unlock, and again after five seconds until
// everybody found is a member. Then, unlike EMQ X, it goes on at a slower pace,
// so that nodes which couldn't see each other find together later.
//
// Only a node that is alone joins: a join gives up what the node has kept, so
// it is never done to a cluster. Of those found it takes the oldest that isn't
// alone, so that newcomers gather where others are already; if all are alone,
// the oldest of all, which itself waits to be joined. Without a lock it waits
// until two rounds have found the same nodes alive: of nodes that start at
// once and see each other one by one, some would gather here and some there.
// Two clusters that find each other stay apart, and say so in the log: one was
// named wrongly, or an operator has to decide whose data counts. The two sides
// of one cluster that was split are members of each other all the time, and no
// matter of a Loop.
type Loop struct {
	Self       string    // the name of this node
	Since      time.Time // when it was started, as its own answer to a Probe says
	Discoverer Discoverer

	// Members returns the names of all members that the cluster has now, this
	// node among them, reachable or not.
	Members func() []string
	// Probe asks a node about itself; an error means that nobody can join it
	// now. It is called for several nodes at once.
	Probe func(ctx context.Context, node string) (Peer, error)
	// Join makes this node, which is alone, a member of the cluster of
	// another. It blocks until that is done or has failed. The other may be
	// joining somebody itself: that is a failure as well, and tried again.
	Join func(ctx context.Context, node string) error
	// Found is nil, or called with what each round has found, before Join: the
	// cluster may connect again to members it has lost.
	Found func(nodes []string)
	// Decided is nil, or called once: when this node has become a member of a
	// cluster, or stays alone for the time being.
	Decided func()

	Log *slog.Logger
}

// Peer is what a node says of itself.
type Peer struct {
	Name    string    // differs from the name it was found by if one of both is wrong
	Since   time.Time // when it was started; the clocks of nodes have to agree
	Members int       // of its cluster, itself counted
}

const (
	pace      = 5 * time.Second  // between rounds until all found are members
	eager     = time.Minute      // and for as long at first: nodes are often started together
	later     = 30 * time.Second // between rounds then
	stagger   = 3 * time.Second  // the longest wait at random where there is no lock
	patience  = 10 * time.Second // for a lock, an answer, a registration
	atOnce    = 16               // nodes that are probed at the same time
	decisive  = 2                // rounds that have to see the same nodes before it is decided whom to join first
	undecided = 5                // rounds after which a node that sees others come and go stays alone for the time being
)

// Run looks for the cluster until ctx ends, then takes the registration back
// and returns.
func (l *Loop) Run(ctx context.Context) {
	began := time.Now()
	s := &search{Loop: l, said: make(saidOnce)}
	for rounds := 1; ; rounds++ {
		before := s.seen
		settled, err := s.round(ctx)
		if ctx.Err() != nil {
			break
		}
		certain := rounds >= decisive && slices.Equal(before, s.seen) || rounds == undecided
		if decide := l.Decided; decide != nil && (certain || len(l.Members()) > 1) {
			l.Decided = nil
			decide()
		}
		switch changed := s.said.change("error", text(err)); {
		case changed && err != nil:
			l.Log.Warn("discovery failed; it is tried again every "+pace.String(), "error", err)
		case changed:
			l.Log.Info("discovery works again")
		}
		wait := pace
		if settled && time.Since(began) > eager {
			wait = later
		}
		if !sleep(ctx, wait) {
			break
		}
	}
	if r, ok := l.Discoverer.(Registrar); ok {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if err := r.Unregister(ctx); err != nil {
			l.Log.Warn("others may find this node for a while after its end", "error", err)
		}
	}
}

// search is what a Loop remembers from round to round.
type search struct {
	*Loop
	said saidOnce
	seen []string // the strangers who were alive in the round before, sorted
}

// round looks once. It is settled when everybody found is a member, and
// somebody was found.
func (s *search) round(ctx context.Context) (settled bool, err error) {
	unlock, locked, err := s.lock(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	// Others may find this node whatever it finds itself.
	registered := s.register(ctx)
	found, err := s.discover(ctx)
	if err == nil {
		settled, err = s.meet(ctx, found, locked)
	}
	err = errors.Join(registered, err)
	return settled && err == nil, err
}

// lock makes sure that nodes started at the same moment don't look at the same
// moment.
func (s *search) lock(ctx context.Context) (unlock func() error, locked bool, err error) {
	locker, ok := s.Discoverer.(Locker)
	if !ok {
		sleep(ctx, rand.N(stagger))
		return func() error { return nil }, false, ctx.Err()
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	release, err := locker.Lock(bounded)
	if err != nil {
		return nil, false, err
	}
	return func() error {
		// Also when ctx has ended: others wait for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return release(ctx)
	}, true, nil
}

func (s *search) discover(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := s.Discoverer.Discover(ctx)
	if err != nil {
		return nil, err
	}
	nodes, wrong := Clean(found)
	slices.Sort(nodes)
	if err := errors.Join(wrong...); s.said.change("wrong", text(err)) && err != nil {
		s.Log.Warn("names that are none are left out", "error", err)
	}
	if s.Found != nil {
		s.Found(slices.Clone(nodes))
	}
	return nodes, nil
}

// meet joins one of the nodes found if that is called for.
func (s *search) meet(ctx context.Context, found []string, locked bool) (settled bool, err error) {
	members := s.Members()
	strangers := slices.DeleteFunc(slices.Clone(found), func(node string) bool {
		return node == s.Self || slices.Contains(members, node)
	})
	if len(strangers) == 0 {
		s.seen = nil
		s.said.change("apart", "")
		return len(found) > 0, nil
	}
	peers := s.probe(ctx, strangers)
	before := s.seen
	s.seen = names(peers)
	if len(members) > 1 {
		s.sayApart(peers)
		return false, nil
	}
	if !locked && !slices.Equal(before, s.seen) {
		return false, nil
	}
	target, ok := s.target(peers)
	if !ok {
		return false, nil // the others are dead, or come to this node
	}
	s.Log.Info("joining the cluster of a node that discovery has found", "node", target)
	if err := s.Join(ctx, target); err != nil {
		return false, fmt.Errorf("join %s: %w", target, err)
	}
	return false, nil // the next round shows whether all are in now
}

// probe asks nodes and returns those that are alive and somebody else.
func (s *search) probe(ctx context.Context, nodes []string) (alive []Peer) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answers := make([]*Peer, len(nodes))
	var group sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	for i, node := range nodes {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			if peer, err := s.Probe(ctx, node); err == nil {
				answers[i] = &peer
			} else {
				s.Log.Debug("a node that discovery has found doesn't answer", "node", node, "error", err)
			}
		})
	}
	group.Wait()
	for i, peer := range answers {
		switch {
		case peer == nil:
		case peer.Name == nodes[i]:
			alive = append(alive, *peer)
		case s.said.change("name of "+nodes[i], peer.Name):
			s.Log.Warn("a node calls itself otherwise than discovery does, and is left out: its node.name has to be what it is found by",
				"found", nodes[i], "name", peer.Name)
		}
	}
	return alive
}

// target is the node to join: of those in company, else of all, the oldest; ok
// is false if that is this node or nobody.
func (s *search) target(peers []Peer) (node string, ok bool) {
	if others := accompanied(peers); len(others) > 0 {
		return slices.MinFunc(others, older).Name, true
	}
	self := Peer{Name: s.Self, Since: s.Since, Members: 1}
	oldest := slices.MinFunc(append(peers, self), older)
	return oldest.Name, oldest.Name != s.Self
}

func accompanied(peers []Peer) []Peer {
	return slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return p.Members < 2 })
}

// names are sorted.
func names(peers []Peer) []string {
	var all []string
	for _, p := range peers {
		all = append(all, p.Name)
	}
	return all
}

// older orders by age, at the same age by name.
func older(a, b Peer) int {
	return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Name, b.Name))
}

// sayApart warns of nodes that are in a cluster of their own. Those that are
// alone come by themselves.
func (s *search) sayApart(peers []Peer) {
	apart := strings.Join(names(accompanied(peers)), ", ")
	if s.said.change("apart", apart) && apart != "" {
		s.Log.Warn("discovery has found nodes of another cluster; clusters don't join by themselves, as one of them would lose its data", "nodes", apart)
	}
}

func (s *search) register(ctx context.Context) error {
	r, ok := s.Discoverer.(Registrar)
	if !ok || ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.Register(ctx)
}

// saidOnce is what the log says already, by subject: what holds on for hours
// is said once.
type saidOnce map[string]string

// change reports whether there is something new to say of a subject; "" is
// that all is well, as it is at first.
func (s saidOnce) change(subject, text string) bool {
	if s[subject] == text {
		return false
	}
	s[subject] = text
	return true
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sleep returns false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
