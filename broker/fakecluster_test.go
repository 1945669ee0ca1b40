package broker

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// fakeCluster is several brokers on one log and one set of maps. What one has
// appended comes to the others a moment later; a broker that is cut off can
// keep nothing and has what it had.
type fakeCluster struct {
	testing.TB
	log              *fakeLog
	sessions, states *fakeMap

	mu    sync.Mutex
	nodes []*fakeNode
}

func (c *fakeCluster) all() []*fakeNode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes
}

// fakeNode is the log as one broker of the cluster has it.
type fakeNode struct {
	*fakeLog
	cluster *fakeCluster
	rig     *rig
	inbox   chan func(*Batch) // what comes from other nodes
	coming  atomic.Int32      // how much of that isn't done
	cut     atomic.Bool
	slow    atomic.Bool     // nothing comes here for the time being
	has     []atomic.Uint64 // by shard, up to where its copy has come

	mu    sync.Mutex
	grown func(shard int)
}

func newFakeCluster(t testing.TB, nodes, shards int) *fakeCluster {
	c := &fakeCluster{TB: t, log: newFakeLog(t, shards)}
	c.log.late = true
	c.sessions, c.states = newFakeMap(c.log), newFakeMap(c.log)
	for range nodes {
		c.start()
	}
	return c
}

// start adds a broker.
func (c *fakeCluster) start(set ...func(*Options)) *fakeNode {
	n := &fakeNode{fakeLog: c.log, cluster: c, has: make([]atomic.Uint64, len(c.log.shards)), inbox: make(chan func(*Batch), 1<<16)}
	n.arrive()
	n.rig = newRig(c.TB, append(set, func(o *Options) {
		o.Node = string(rune('a' + len(c.all())))
		o.Durable = &Durable{Messages: n, Sessions: fakeCopy{c.sessions, n}, States: fakeCopy{c.states, n}}
	})...)
	n.rig.durable.zone = func(string) *Zone { return n.rig.zone }
	n.rig.SetCluster(&Cluster{Routes: n, Peers: n, Claims: n, Zone: func(string) *Zone { return n.rig.zone }})
	c.mu.Lock()
	c.nodes = append(slices.Clone(c.nodes), n)
	c.mu.Unlock()
	stop := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		b := n.rig.NewBatch()
		for {
			select {
			case f := <-n.inbox:
				for n.slow.Load() {
					time.Sleep(time.Millisecond)
				}
				f(b)
				b.End()
				n.coming.Add(-1)
			case <-stop:
				return
			}
		}
	})
	c.Cleanup(func() {
		close(stop)
		over.Wait()
	})
	return n
}

// fakeNode is the other brokers, too: it asks their indexes.

func (*fakeNode) Added(string, bool)                                      {}
func (*fakeNode) Removed(string, bool)                                    {}
func (*fakeNode) Group(string, string, int, int)                          {}
func (*fakeNode) Members(GroupKey) (members, online int)                  { return 0, 0 }
func (*fakeNode) Claim(string, bool, func(bool)) Claimed                  { return ClaimAlone }
func (*fakeNode) Opened(string)                                           {}
func (*fakeNode) Ended(string)                                            {}
func (*fakeNode) Dispatch(*Batch, *mqtt.Message, GroupKey, int, int) bool { return false }

// Forward takes m to the others at once, if this node is not cut off.
func (n *fakeNode) Forward(_ *Batch, m *mqtt.Message, _ []GroupKey) (to int) {
	for _, o := range n.cluster.all() {
		if o == n || o.cut.Load() || n.cut.Load() || len(o.rig.index.Match(m.Topic, nil)) == 0 {
			continue
		}
		to++
		kept := m.Keep()
		o.coming.Add(1)
		o.inbox <- func(b *Batch) { o.rig.DeliverRemote(b, kept) }
	}
	return to
}

func (n *fakeNode) Wanted(_ *Batch, name string) (anybody, inLog bool) {
	for _, o := range n.cluster.all() {
		if o == n {
			continue
		}
		for _, r := range o.rig.index.Match(name, nil) {
			c, ok := r.to.Subscriber.(*Client)
			anybody, inLog = true, inLog || ok && r.QoS > 0 && c.Durable()
		}
	}
	return anybody, inLog
}

func (n *fakeNode) OnGrowth(f func(shard int)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.grown = f
}

func (n *fakeNode) tell(shard int) {
	n.mu.Lock()
	f := n.grown
	n.mu.Unlock()
	if f != nil && !n.cut.Load() {
		f(shard)
	}
}

// arrive brings the node's copy up to date.
func (n *fakeNode) arrive() {
	for i := range n.has {
		if _, last := n.fakeLog.Bounds(i); !n.cut.Load() && !n.slow.Load() {
			n.has[i].Store(max(n.has[i].Load(), last))
		}
	}
}

func (n *fakeNode) Append(name string, record []byte, done func(engine.At, error)) {
	shard := n.Shard(name)
	if n.cut.Load() {
		go done(engine.At{Shard: shard}, engine.ErrNoQuorum)
		return
	}
	n.fakeLog.Append(name, record, func(at engine.At, err error) {
		done(at, err)
		for _, o := range n.cluster.all() {
			if rand.IntN(2) == 0 {
				o.tell(shard)
			} else {
				time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, func() { o.tell(shard) })
			}
		}
	})
}

// Read knows only what has come to this node, which is more each time.
func (n *fakeNode) Read(ctx context.Context, shard int, from uint64, filters []string, most int) (entries []engine.Entry, next uint64, err error) {
	if rand.IntN(4) > 0 {
		n.arrive()
	}
	has := n.has[shard].Load()
	if from > has {
		return nil, from, ctx.Err()
	}
	entries, next, err = n.fakeLog.Read(ctx, shard, from, filters, most)
	for len(entries) > 0 && entries[len(entries)-1].Seq > has {
		entries = entries[:len(entries)-1]
	}
	return entries, min(next, has+1), err
}

func (n *fakeNode) Bounds(shard int) (first, last uint64) {
	first, last = n.fakeLog.Bounds(shard)
	if n.cut.Load() {
		last = n.has[shard].Load()
	}
	return first, last
}

// fakeCopy is a map as one broker of the cluster has it.
type fakeCopy struct {
	*fakeMap
	node *fakeNode
}

func (m fakeCopy) PutLater(key string, value []byte, done func(error)) {
	if m.node.cut.Load() {
		go done(engine.ErrNoQuorum)
		return
	}
	m.fakeMap.PutLater(key, value, done)
}

func (m fakeCopy) DeleteLater(key string, done func(error)) {
	if m.node.cut.Load() {
		go done(engine.ErrNoQuorum)
		return
	}
	m.fakeMap.DeleteLater(key, done)
}

// quiet waits until all brokers have given their sessions what the log has.
func (c *fakeCluster) quiet() {
	c.Helper()
	for range 10_000 {
		rest := true
		for _, n := range c.all() {
			for _, s := range n.rig.durable.shards {
				n.arrive()
				_, last := n.Bounds(s.number)
				if rest = rest && s.dispatched.Load() >= last; s.dispatched.Load() < last {
					n.tell(s.number)
				}
			}
			rest = rest && n.rig.atRest() && n.coming.Load() == 0
		}
		if rest {
			return
		}
		time.Sleep(time.Millisecond)
	}
	c.Fatal("the brokers don't come to rest")
}

func (c *fakeCluster) balance() {
	c.Helper()
	for _, n := range c.all() {
		n.rig.balances()
	}
}
