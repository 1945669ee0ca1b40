package broker

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/hook"
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

	claims sync.RWMutex // held by who asks for a session, and alone while a node restores some
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
	id      string
	rig     *rig
	dead    atomic.Bool
	inbox   chan func(*Batch) // what comes from other nodes
	coming  atomic.Int32      // how much of that isn't done
	cut     atomic.Bool
	slow    atomic.Bool     // nothing comes here for the time being
	hung    atomic.Bool     // the others take it for dead, and it knows nothing of that
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
func (c *fakeCluster) start() *fakeNode { return c.startAs(string(rune('a' + len(c.all())))) }

// startAs adds a broker. What a dead one of the same id wanted stays until forget.
func (c *fakeCluster) startAs(id string) *fakeNode {
	n := &fakeNode{fakeLog: c.log, cluster: c, id: id, has: make([]atomic.Uint64, len(c.log.shards)), inbox: make(chan func(*Batch), 1<<16)}
	n.arrive()
	n.rig = newRig(c.TB, func(o *Options) {
		o.Node = n.id
		o.Durable = &Durable{Messages: n, Sessions: newFakeCopy(c.sessions, n), States: newFakeCopy(c.states, n), Members: n.members}
	})
	n.rig.durable.zone = func(string) *Zone { return n.rig.zone }
	n.rig.SetCluster(&Cluster{Routes: n, Peers: n, Claims: n, Zone: func(string) *Zone { return n.rig.zone }})
	c.mu.Lock()
	c.nodes = append(slices.Clone(c.nodes), n)
	c.mu.Unlock()
	c.changed()
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
func (*fakeNode) Claim(string, bool, func(bool)) Claimed                  { return ClaimAlone }
func (*fakeNode) Opened(string)                                           {}
func (*fakeNode) Ended(string)                                            {}
func (*fakeNode) Dispatch(*Batch, *mqtt.Message, GroupKey, int, int) bool { return false }

func (n *fakeNode) Members(g GroupKey) (members, online int) {
	for _, o := range n.cluster.all() {
		if o != n && !o.dead.Load() {
			if there := o.rig.groups.get(g); there != nil {
				members += len(there.all())
			}
		}
	}
	return members, 0 // nobody takes messages of groups in memory
}

// Forward takes m to the others at once, if this node is not cut off.
func (n *fakeNode) Forward(_ *Batch, m *mqtt.Message, _ []GroupKey) (to int) {
	for _, o := range n.cluster.all() {
		if o == n || o.dead.Load() || o.cut.Load() || n.cut.Load() || len(o.rig.index.Match(m.Topic, nil)) == 0 {
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

// members are all nodes of the cluster as this one sees them.
func (n *fakeNode) members() (self string, all []Member) {
	nodes := n.cluster.all()
	for i, o := range nodes {
		if slices.ContainsFunc(nodes[i+1:], func(later *fakeNode) bool { return later.id == o.id }) {
			continue
		}
		all = append(all, Member{o.id, o == n || !o.dead.Load() && !o.cut.Load() && !n.cut.Load() && (!o.hung.Load() || n.hung.Load())})
	}
	return n.id, all
}

// changed tells the nodes that others have come or gone.
func (c *fakeCluster) changed() {
	for _, n := range c.all() {
		if !n.hung.Load() {
			n.rig.MembersChanged()
		}
	}
}

// hang has the others miss a broker, which then goes on without having noticed.
func (c *fakeCluster) hang(n *fakeNode) {
	n.hung.Store(true)
	c.changed()
}

// kill ends a broker, which saves nothing any more.
func (c *fakeCluster) kill(n *fakeNode) {
	n.dead.Store(true)
	n.cut.Store(true)
	c.changed()
}

// forget takes a dead broker out for good.
func (c *fakeCluster) forget(n *fakeNode) {
	c.mu.Lock()
	c.nodes = slices.DeleteFunc(slices.Clone(c.nodes), func(o *fakeNode) bool { return o == n })
	c.mu.Unlock()
	c.changed()
}

// split cuts a node off, or heals that.
func (c *fakeCluster) split(n *fakeNode, off bool) {
	n.cut.Store(off)
	c.changed()
}

// open is rig.connect for a client that may have its session on another node.
// nil: it can't be had now.
func (n *fakeNode) open(id string, with ...how) *peer { return n.openIn(n.rig.batch, id, with...) }

func (n *fakeNode) openIn(b *Batch, id string, with ...how) *peer {
	o := &Opening{Zone: n.rig.zone, Ask: &hook.ConnInfo{Client: &hook.ClientInfo{ClientID: id}}}
	for _, f := range with {
		f(o)
	}
	over := make(chan struct{})
	if n.rig.recall(o, 0, func() { close(over) }) {
		<-over
	}
	if o.Unavailable() != nil {
		return nil
	}
	return n.rig.connectIn(b, id, append(slices.Clone(with), func(as *Opening) { as.epoch = o.epoch })...)
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

// fakeCopy is a map as one broker of the cluster has it: what was kept comes
// there later.
type fakeCopy struct {
	*fakeMap
	node *fakeNode
	mu   sync.Mutex
	has  map[string][]byte
	seen map[string]uint64 // revisions
	next int               // change that comes next
	told int               // changes that this node was told to be kept: it reads nothing older
}

func newFakeCopy(m *fakeMap, n *fakeNode) *fakeCopy {
	c := &fakeCopy{fakeMap: m, node: n, has: make(map[string][]byte), seen: make(map[string]uint64)}
	c.arrive()
	return c
}

func (m *fakeCopy) arrive() {
	if m.node.cut.Load() {
		return
	}
	m.fakeMap.mu.Lock()
	defer m.fakeMap.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.next < len(m.history); m.next++ {
		m.seen[m.history[m.next].key] = uint64(m.next) + 1
		if ch := m.history[m.next]; ch.value == nil {
			delete(m.has, ch.key)
		} else {
			m.has[ch.key] = ch.value
		}
	}
}

func (m *fakeCopy) PutLater(key string, value []byte, done func(error)) {
	if m.node.cut.Load() {
		go done(engine.ErrNoQuorum)
		return
	}
	m.fakeMap.PutLater(key, value, func(err error) { m.kept(err); done(err) })
}

// kept notes that this node knows of all changes until now.
func (m *fakeCopy) kept(err error) {
	if err != nil {
		return
	}
	m.fakeMap.mu.Lock()
	defer m.fakeMap.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = len(m.history)
}

// current has what this node knows of come to its copy.
func (m *fakeCopy) current() {
	m.mu.Lock()
	behind := m.told > m.next
	m.mu.Unlock()
	if behind || rand.IntN(3) == 0 && !m.node.slow.Load() {
		m.arrive()
	}
}

func (m *fakeCopy) DeleteLater(key string, done func(error)) {
	if m.node.cut.Load() {
		go done(engine.ErrNoQuorum)
		return
	}
	m.fakeMap.DeleteLater(key, func(err error) { m.kept(err); done(err) })
}

func (m *fakeCopy) PutAt(key string, value []byte, was uint64, done func(uint64, error)) {
	if m.node.cut.Load() {
		go done(0, engine.ErrNoQuorum)
		return
	}
	m.fakeMap.PutAt(key, value, was, func(at uint64, err error) { m.kept(err); done(at, err) })
}

func (m *fakeCopy) DeleteAt(key string, was uint64, done func(uint64, error)) {
	if m.node.cut.Load() {
		go done(0, engine.ErrNoQuorum)
		return
	}
	m.fakeMap.DeleteAt(key, was, func(at uint64, err error) { m.kept(err); done(at, err) })
}

func (m *fakeCopy) GetAt(key string) (value []byte, revision uint64, ok bool, err error) {
	m.current()
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok = m.has[key]
	return value, m.seen[key], ok, nil
}

func (m *fakeCopy) Each(f func(key string, value []byte) error) error {
	m.current()
	m.mu.Lock()
	all := maps.Clone(m.has)
	m.mu.Unlock()
	for key, value := range all {
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// quiet waits until all brokers have given their sessions what the log has.
func (c *fakeCluster) quiet() {
	c.Helper()
	for range 10_000 {
		rest := true
		for _, n := range c.all() {
			if n.dead.Load() {
				continue
			}
			for _, s := range n.rig.durable.shards {
				n.arrive()
				_, last := n.Bounds(s.number)
				if rest = rest && s.dispatched.Load() >= last; s.dispatched.Load() < last {
					n.tell(s.number)
				}
			}
			rest = rest && n.rig.atRest() && (n.cut.Load() || n.rig.durable.gate.open.Load()) && n.coming.Load() == 0
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
		if !n.dead.Load() {
			n.rig.balances()
		}
	}
}
