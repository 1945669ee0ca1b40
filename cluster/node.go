package cluster

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
)

// Node drives the machines of one node of a cluster: it has the goroutines and
// the clock that they lack. One goroutine does what is due; one for each other
// node sends to it, so that a slow connection holds up nobody else.
//
// What the network receives goes to Receive, and what the members do to Up, Down
// and Forget; each of these may be called by any goroutine, but what comes from
// one node with one kind must be given in its order.
type Node struct {
	Routes     *Routes
	Forward    *Forwarder
	Groups     *Groups
	Claims     *Claims
	Exclusives *Exclusives

	inbox  *Inbox
	broker *broker.Broker // nil: nobody's, see Serve
	later  func(func())   // has a function called without locks; see Serve
	batch  *broker.Batch  // of the goroutine that does what is due
	log    *slog.Logger
	now    func() int64

	work chan struct{} // something is due
	stop chan struct{}
	done sync.WaitGroup

	members sync.Mutex // held while one comes or goes

	mu    sync.Mutex // guards pumps; taken last of all locks
	pumps map[string]*pump
}

// pump is the goroutine that sends to one node. It outlives the node's being
// away, so that there are never two.
type pump struct {
	work  chan struct{}
	stop  chan struct{}
	ended chan struct{}
}

// NodeOptions are what a Node is made of.
type NodeOptions struct {
	Self     string // this node's id
	Start    uint64 // tells this start from earlier ones of the same id, Unix milliseconds; 0: now
	Network  Network
	Receiver func() Receiver // makes one for each goroutine that delivers
	Sessions Sessions
	Strategy func(group string) broker.Strategy
	Log      *slog.Logger
	Room     uint64       // see ForwardOptions
	Now      func() int64 // Unix milliseconds that never jump back

	broker *broker.Broker // see Serve
}

// NewNode makes a node that knows no other, and starts its goroutine.
func NewNode(o NodeOptions) *Node {
	n := &Node{
		broker: o.broker, log: o.Log, now: o.Now, work: make(chan struct{}, 1), stop: make(chan struct{}), pumps: make(map[string]*pump),
	}
	start := cmp.Or(o.Start, uint64(o.Now()))
	n.Routes = NewRoutes(RoutesOptions{Self: o.Self, Epoch: start, Network: o.Network, Log: o.Log, Wake: n.wake})
	n.Forward = NewForwarder(ForwardOptions{
		Network: o.Network, Table: n.Routes.Table(), Log: o.Log, Epoch: start, Room: o.Room, Wake: n.wakePump,
	})
	n.Groups = NewGroups(GroupsOptions{
		Self: o.Self, Routes: n.Routes, Forwarder: n.Forward, Receiver: o.Receiver(), Strategy: o.Strategy, Wake: n.wake,
	})
	n.Claims = NewClaims(ClaimsOptions{Self: o.Self, Start: start, Network: o.Network, Log: o.Log, Sessions: o.Sessions, Wake: n.wake})
	n.Exclusives = NewExclusives(ExclusivesOptions{Self: o.Self, Network: o.Network, Log: o.Log, Wake: n.wake})
	n.inbox = NewInbox(InboxOptions{
		Network: o.Network, Log: o.Log, Epoch: start, Receiver: o.Receiver, Stats: &n.Forward.Stats, Wake: n.wake,
	})
	n.done.Go(n.run)
	return n
}

// Start is when this node started, as its peers must be told for their Up.
func (n *Node) Start() uint64 { return n.Claims.start }

// wake has the goroutine look what is due.
func (n *Node) wake() {
	select {
	case n.work <- struct{}{}:
	default:
	}
}

// probeTime is between two looks, in milliseconds, whether nodes have confirmed
// what they were sent.
const probeTime = 500

// run does what is due, until Close.
func (n *Node) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	probeAt := int64(0)
	for {
		select {
		case <-n.stop:
			return
		case <-n.work:
		case <-timer.C:
		}
		now := n.now()
		if now >= probeAt {
			n.settle()
			n.Forward.Tick(now)
			probeAt = now + probeTime
		}
		n.Groups.Redispatch()
		next := min(probeAt, n.Routes.Tick(now))
		for _, at := range []int64{n.Claims.Tick(now), n.Exclusives.Tick(now), n.inbox.Tick(now)} {
			if at != 0 {
				next = min(next, at)
			}
		}
		timer.Reset(time.Duration(max(next-now, 1)) * time.Millisecond)
	}
}

// settle has the broker give what waits in a shared group to members of other
// nodes that have come.
func (n *Node) settle() {
	if n.broker == nil {
		return
	}
	if n.batch == nil {
		n.batch = n.broker.NewBatch()
	}
	n.broker.SettleGroups(n.batch)
	n.batch.End()
}

// Up tells that a node is there, with its Start.
func (n *Node) Up(node string, start uint64) {
	n.members.Lock()
	defer n.members.Unlock()
	n.startPump(node)
	now := n.now()
	n.Forward.Up(node)
	n.Routes.Up(node)
	n.Claims.Up(node, start, now)
	n.Exclusives.Up(node)
	n.wake()
}

// Down tells that a node has gone, or can't be reached.
func (n *Node) Down(node string) {
	n.members.Lock()
	defer n.members.Unlock()
	n.down(node)
}

func (n *Node) down(node string) {
	now := n.now()
	n.Routes.Down(node, now)
	n.Groups.Down(node)
	n.Claims.Down(node, now)
	n.Exclusives.Down(node)
	n.wake()
}

// Forget tells that a node is no member any more.
func (n *Node) Forget(node string) {
	n.members.Lock()
	defer n.members.Unlock()
	n.down(node)
	n.Routes.Forget(node)
	n.Claims.Forget(node, n.now())
	n.inbox.Forget(node)
	n.mu.Lock()
	p := n.pumps[node]
	delete(n.pumps, node)
	n.mu.Unlock()
	if p != nil {
		close(p.stop)
		<-p.ended
	}
}

func (n *Node) startPump(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pumps[node] != nil {
		return
	}
	p := &pump{work: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	n.pumps[node] = p
	n.done.Go(func() { n.send(node, p) })
}

// wakePump has what waits for a node sent. It is called with a stream's queue
// filled, by any goroutine.
func (n *Node) wakePump(node string) {
	n.mu.Lock()
	p := n.pumps[node]
	n.mu.Unlock()
	if p == nil {
		return
	}
	select {
	case p.work <- struct{}{}:
	default:
	}
}

// send is the goroutine that sends to one node.
func (n *Node) send(node string, p *pump) {
	defer close(p.ended)
	for {
		select {
		case <-n.stop:
			return
		case <-p.stop:
			return
		case <-p.work:
			n.Forward.Pump(node)
		}
	}
}

// Receive takes what another node has sent. What is wrong with it is logged, and
// changes nothing. data is the caller's again when it returns.
func (n *Node) Receive(from, kind string, data []byte) {
	var err error
	switch kind {
	case KindRoutes:
		err = n.Routes.Receive(from, data, n.now())
	case KindForward:
		err = n.inbox.Receive(from, data, n.now())
	case KindConfirm:
		err = n.Forward.Receive(from, data)
	case KindClaims:
		err = n.Claims.Receive(from, data, n.now())
	case KindExclusive:
		err = n.Exclusives.Receive(from, data)
	}
	if err != nil {
		n.log.Warn("a message from another node can't be read", "node", from, "kind", kind, "err", err)
	}
	if kind == KindRoutes || kind == KindClaims { // it may have asked for something to be done later
		n.wake()
	}
}

// Close stops the goroutines. Nothing is sent any more; other nodes find out
// that this one has gone.
func (n *Node) Close() {
	if n.broker != nil {
		n.broker.SetCluster(nil)
	}
	close(n.stop)
	n.done.Wait()
	n.Exclusives.Close()
}
