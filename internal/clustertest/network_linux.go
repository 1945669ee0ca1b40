package clustertest

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Network connects nodes in namespaces of their own. Its packets go through the
// test, which does to them what Link says. Clients do not use it: they reach a
// node inside its namespace, whatever happens between the nodes.
type Network struct {
	t      testing.TB
	prefix netip.Prefix
	wg     sync.WaitGroup

	mu     sync.RWMutex
	spaces map[netip.Addr]*space
	links  map[direction]*link
	last   netip.Addr
}

type direction struct{ from, to netip.Addr }

// Link is what becomes of packets from one node to another. The zero value
// passes them on at once.
type Link struct {
	Down  bool
	Loss  float64       // of all packets, 0 to 1
	Delay time.Duration // of each, order kept
}

// link is a direction that has had a fault; packets that are under way wait in
// late.
type link struct {
	Link
	late chan latePacket
}

type latePacket struct {
	due time.Time
	ip  []byte
}

// maxLate bounds the packets that are under way on one slow link; what is more
// is lost, as at a router whose queue is full.
const maxLate = 4096

// NewNetwork makes a network without nodes. It skips the test where namespaces
// cannot be made, and fails it there if DUNLIN_REQUIRE_PEERS=1.
func NewNetwork(t testing.TB) *Network {
	t.Helper()
	n := &Network{
		t: t, prefix: netip.MustParsePrefix("10.77.0.0/16"), last: netip.MustParseAddr("10.77.0.0"),
		spaces: make(map[netip.Addr]*space), links: make(map[direction]*link),
	}
	probe, err := newSpace(n.last.Next(), n.prefix)
	need(t, err == nil, "the right to make network namespaces, and the program ip", err)
	probe.close()
	t.Cleanup(n.close)
	return n
}

// add makes a namespace with the next address.
func (n *Network) add() *space {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = n.last.Next()
	s, err := newSpace(n.last, n.prefix)
	if err != nil {
		n.t.Fatal(err)
	}
	n.spaces[s.addr] = s
	n.wg.Go(func() { n.forward(s) })
	return s
}

// close ends the network after its nodes.
func (n *Network) close() {
	n.mu.Lock()
	for _, s := range n.spaces {
		s.close()
	}
	for _, l := range n.links {
		close(l.late)
	}
	n.spaces, n.links = nil, nil
	n.mu.Unlock()
	n.wg.Wait()
}

// forward passes on what comes from one namespace until that is closed.
func (n *Network) forward(from *space) {
	buf := make([]byte, 1<<16)
	for {
		size, err := from.wire.Read(buf)
		if err != nil {
			return
		}
		if to, ok := destination(buf[:size]); ok {
			n.pass(from.addr, to, buf[:size])
		}
	}
}

// destination reads the header of IPv4, RFC 791; the network carries nothing
// else.
func destination(ip []byte) (netip.Addr, bool) {
	if len(ip) < 20 || ip[0]>>4 != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(ip[16:20])), true
}

func (n *Network) pass(from, to netip.Addr, ip []byte) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if !to.IsMulticast() {
		n.passTo(from, to, ip)
		return
	}
	for each := range n.spaces {
		if each != from {
			n.passTo(from, each, ip)
		}
	}
}

// passTo does with the packet what its link says; the caller holds mu.
func (n *Network) passTo(from, to netip.Addr, ip []byte) {
	s, l := n.spaces[to], n.links[direction{from, to}]
	switch {
	case s == nil || l != nil && (l.Down || rand.Float64() < l.Loss):
	case l == nil || l.Delay == 0 && len(l.late) == 0:
		s.receive(ip)
	default:
		select {
		case l.late <- latePacket{time.Now().Add(l.Delay), append([]byte(nil), ip...)}:
		default:
		}
	}
}

// receive hands a packet to the namespace. An error says that its device has no
// room, or is gone: either way the packet is lost, as packets may be.
func (s *space) receive(ip []byte) {
	s.wire.Write(ip) //nolint:errcheck // as said
}

// Set changes the link from one node to another, in that direction only.
func (n *Network) Set(from, to *Node, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := direction{from.Addr(), to.Addr()}
	at := n.links[key]
	if at == nil {
		target := n.spaces[key.to]
		if target == nil {
			n.t.Errorf("%s is no node of this network", to.Name)
			return
		}
		at = &link{late: make(chan latePacket, maxLate)}
		n.links[key] = at
		n.wg.Go(func() {
			for p := range at.late {
				time.Sleep(time.Until(p.due))
				target.receive(p.ip)
			}
		})
	}
	at.Link = l
}

// Between changes both directions of every pair of a node of one side with a
// node of the other.
func (n *Network) Between(one, other []*Node, l Link) {
	for _, a := range one {
		for _, b := range other {
			n.Set(a, b, l)
			n.Set(b, a, l)
		}
	}
}

// Split cuts the network: nodes of different sides do not reach each other.
func (n *Network) Split(sides ...[]*Node) {
	for i := range sides {
		for j := range i {
			n.Between(sides[j], sides[i], Link{Down: true})
		}
	}
}

// Heal undoes every fault.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		l.Link = Link{}
	}
}

// Flap cuts and heals the link between two sides by turns, each time for a
// random while of up to twice the given ones, until the returned func is
// called, which leaves it healed.
func (n *Network) Flap(one, other []*Node, down, up time.Duration) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	stop = sync.OnceFunc(func() { close(end); <-ended })
	n.t.Cleanup(stop)
	go func() {
		defer close(ended)
		for cut := true; ; cut = !cut {
			n.Between(one, other, Link{Down: cut})
			mean := up
			if cut {
				mean = down
			}
			select {
			case <-time.After(time.Duration(2 * rand.Float64() * float64(mean))):
			case <-end:
				n.Between(one, other, Link{})
				return
			}
		}
	}()
	return stop
}
