package cluster

import (
	"log/slog"
	"sync"

	"github.com/dunlin-mq/dunlin/broker"
)

// ServeOptions are what a broker becomes one of several by.
type ServeOptions struct {
	Self    string // this node's id
	Start   uint64 // see NodeOptions
	Network Network
	Log     *slog.Logger
	Room    uint64                         // see ForwardOptions
	Zone    func(name string) *broker.Zone // of a name, or what holds without one
}

// Serve makes br one with the brokers of other nodes, of which none is known yet:
// from now on br tells of its subscriptions, takes messages to other nodes, and
// asks them for the client ids of those who connect. Until Close.
func Serve(br *broker.Broker, o ServeOptions) *Node {
	s := &sessions{broker: br, wake: make(chan struct{}, 1)}
	n := NewNode(NodeOptions{
		Self: o.Self, Start: o.Start, Network: o.Network, Log: o.Log, Room: o.Room, Now: broker.Now,
		Receiver: NewReceiver(br), Sessions: s, Strategy: br.Strategy, broker: br,
	})
	n.Exclusives.lost = func(name, client string) { s.later(func() { s.lose(n, name, client) }) }
	n.later = s.later
	n.done.Go(func() { s.tell(n.stop) })
	br.SetCluster(&broker.Cluster{Routes: n.Routes, Peers: n.Peers(), Claims: claims{n}, Exclusives: exclusives{n}, Zone: o.Zone})
	return n
}

// Fetch brings the sessions of clients here that other nodes have, as if they had
// connected here. It returns at once; a client that connects anywhere meanwhile
// has its session there.
func (n *Node) Fetch(clients []string) {
	for _, id := range clients {
		n.Claims.Claim(id, false, n.now(), func(outbid bool) {
			if !outbid {
				n.later(func() { n.Claims.Opened(id, n.now()) })
			}
		})
	}
}

// claims are a Node's for the broker.
type claims struct{ *Node }

func (c claims) Claim(id string, clean bool, done func(outbid bool)) broker.Claimed {
	return c.Claims.Claim(id, clean, c.now(), done)
}

func (c claims) Opened(id string) { c.Claims.Opened(id, c.now()) }

func (c claims) Ended(id string) { c.Claims.Ended(id) }

// exclusives are a Node's for the broker.
type exclusives struct{ *Node }

func (x exclusives) Ask(name, client string, done func(ok bool)) (over func()) {
	return x.Exclusives.Ask(name, client, x.now(), done)
}

func (x exclusives) Held(name, client string) { x.Exclusives.Held(name, client, x.now()) }

func (x exclusives) Released(name, client string, away bool) {
	x.Exclusives.Released(name, client, away, x.now())
}

// sessions are a broker's for Claims.
type sessions struct {
	broker *broker.Broker
	wake   chan struct{}

	mu    sync.Mutex
	tales []func() // what has to be told of sessions that have gone, in its order
}

// tell does so, on a goroutine of its own: hooks and wills may need their time,
// and are no business of those who wait for the claims.
func (s *sessions) tell(stop <-chan struct{}) {
	for over := false; !over; {
		select {
		case <-s.wake:
		case <-stop:
			over = true
		}
		s.mu.Lock()
		tales := s.tales
		s.tales = nil
		s.mu.Unlock()
		for _, tale := range tales {
			tale()
		}
	}
}

func (s *sessions) Has(id string) bool { return s.broker.Client(id) != nil }

func (s *sessions) Take(id string, clean bool) (state []byte, wait bool) {
	var then func()
	if clean {
		wait, then = s.broker.Discard(id)
	} else {
		state, wait, then = s.broker.Detach(id)
	}
	if then != nil {
		s.later(then)
	}
	return state, wait
}

// later has tell call a function.
func (s *sessions) later(then func()) {
	s.mu.Lock()
	s.tales = append(s.tales, then)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// lose takes an exclusive topic away from a client, unless it has got it again.
func (s *sessions) lose(n *Node, name, client string) {
	if !n.Exclusives.Has(name, client) && s.broker.LoseExclusive(name, client) {
		n.log.Warn("an exclusive topic has been taken away, as a client of another node has had it for longer", "topic", name, "client", client)
	}
}

func (s *sessions) Adopt(id string, state []byte) error { return s.broker.Adopt(id, state) }

func (s *sessions) Each(f func(id string, since int64)) {
	for c := range s.broker.Clients() {
		f(c.Info().ClientID, c.Status().ConnectedAt)
	}
}
