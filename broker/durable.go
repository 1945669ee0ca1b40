package broker

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Log keeps messages beyond the end of the process, in shards, each in an order
// of its own: what the broker needs of an engine.Log, which says more.
type Log interface {
	Shards() int
	Shard(topic string) int // that an Append goes to
	Append(topic string, record []byte, done func(at engine.At, err error))
	Read(ctx context.Context, shard int, from uint64, filters []string, most int) (entries []engine.Entry, next uint64, err error)
	Bounds(shard int) (first, last uint64)
	// OnGrowth has f called, without delay, when other nodes have appended to a
	// shard; nil: nobody wants to know any more.
	OnGrowth(f func(shard int))
}

// Map keeps a record for each key beyond the end of the process: what the broker
// needs of an engine.Map, which says more.
type Map interface {
	PutLater(key string, value []byte, done func(error))
	DeleteLater(key string, done func(error))
	Each(f func(key string, value []byte) error) error
	GetAt(key string) (value []byte, revision uint64, ok bool, err error)
	// PutAt and DeleteAt change what has not changed since a revision, and fail with
	// engine.ErrChanged else.
	PutAt(key string, value []byte, was uint64, done func(revision uint64, err error))
	DeleteAt(key string, was uint64, done func(revision uint64, err error))
}

// Durable is where durable sessions are kept.
type Durable struct {
	Messages Log // what they have still to get
	Sessions Map // who they are and what they subscribe to, see package durable
	States   Map // how far they have come, see session.Session.Save
	// Delayed are what KeepDelayed is given, as it was at the end of the last run;
	// nil: none are kept. Only Each is called.
	Delayed DelayedKeeper
	// Zone is the zone of a name, or what holds without one: for clients that
	// have no connection yet.
	Zone func(name string) *Zone
	// Members are the nodes that share all this, by age, and which of them this is;
	// nil: there are no others. It is asked again after MembersChanged.
	Members func() (self string, all []Member)
}

// durability is what the broker has beside its sessions in memory: the log of
// messages that durable sessions read.
type durability struct {
	br        *Broker
	log       Log
	states    Map
	anyway    bool // what can't be kept goes on in memory
	zone      func(name string) *Zone
	sessions  Map
	records   *durable.Keeper // of sessions
	delayed   DelayedKeeper
	remains   remains      // of these
	failedAt  atomic.Int64 // when a record could not be written, Unix milliseconds; 0: the last one was
	busy      atomic.Int64 // appends, saves and changes of records that are under way
	shards    []*shard
	feeder    feeder
	doubts    doubts
	numbers   atomic.Uint64 // of QoS 2 messages that are appended
	restoring bool          // sessions are, and their groups are not yet

	members   func() (self string, all []Member)
	looking   sync.Mutex // held while nodes changes
	nodes     atomic.Pointer[membership]
	wentAt    atomic.Int64 // when another node was last missed, nanoseconds
	settledAt atomic.Int64 // when a mark was written last that came back
	settling  settling
	gate      gate
	taker     taker
	recalls   chan struct{} // has as many as are under way
	contests  chan struct{} // likewise
	removed   chan struct{} // has an element when a node is no member any more
	orphans   atomic.Bool   // it may have left sessions that no node has yet

	durables atomic.Int64             // who reads the log: durable sessions, shared groups
	pending  atomic.Int64             // bytes that are being appended or wait for their turn
	inflight [topicSlots]atomic.Int32 // of these, messages by the hash of their topic
	seed     maphash.Seed             //
	stop     context.CancelFunc       // ends reads
	ctx      context.Context          //
	ending   sync.Mutex               // held while goroutines begin, and while their end begins
	done     sync.WaitGroup           // all goroutines
}

const (
	closeTime  = 5 * time.Second
	topicSlots = 1024
	maxPending = 64 << 20 // bytes being appended for all publishers together; above, messages are refused
)

// openDurability begins to serve durable sessions; nil: there are none.
func (br *Broker) openDurability(o *Durable, cfg *DurabilityConfig) *durability {
	if o == nil {
		return nil
	}
	log := o.Messages
	d := &durability{br: br, log: log, states: o.States, sessions: o.Sessions, zone: o.Zone, delayed: o.Delayed, anyway: cfg.Unavailable == "memory", records: durable.NewKeeper(o.Sessions, maxPending), seed: maphash.MakeSeed()}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.members, d.recalls, d.contests = o.Members, make(chan struct{}, recallers), make(chan struct{}, contests)
	d.gate.wake, d.removed = make(chan struct{}, 1), make(chan struct{}, 1)
	d.taker.d, d.taker.wake = d, make(chan struct{}, 1)
	d.gate.open.Store(true)
	d.look()
	d.feeder.d, d.remains.d, d.doubts.d = d, d, d
	d.numbers.Store(uint64(Now()) << 20) // where no earlier one of any process is
	d.feeder.ready = make(chan struct{}, 1)
	for n := range log.Shards() {
		s := &shard{number: n, d: d, wake: make(chan struct{}, 1)}
		_, last := log.Bounds(n)
		s.dispatched.Store(last)
		d.shards = append(d.shards, s)
		d.done.Go(s.run)
	}
	for range feeders {
		d.done.Go(d.feeder.run)
	}
	d.done.Go(d.inherit)
	d.done.Go(d.taker.run)
	log.OnGrowth(func(shard int) { d.shards[shard].catchUp() })
	return d
}

// close ends the work on the log, when all that is under way is kept, or can't
// be in reasonable time.
func (d *durability) close() {
	if d == nil {
		return
	}
	for _, k := range d.br.groups.withLog() {
		k.keep(func(error) {}) // what went wrong was said
	}
	d.settle()
	d.log.OnGrowth(nil)
	d.ending.Lock()
	d.stop()
	d.ending.Unlock()
	d.done.Wait()
}

// settle waits until all that is under way is kept, or can't be in reasonable
// time.
func (d *durability) settle() {
	for end := time.Now().Add(closeTime); d.busy.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// begin starts a goroutine that close waits for. False: it is too late for that.
func (d *durability) begin(f func()) bool {
	d.ending.Lock()
	defer d.ending.Unlock()
	if d.ctx.Err() != nil {
		return false
	}
	d.done.Go(f)
	return true
}

// LogBusy reports whether so much is on its way to the log that publishers
// should wait: with twice as much, messages are refused.
func (br *Broker) LogBusy() bool {
	return br.durable != nil && br.durable.pending.Load() > maxPending/2
}

// reads reports whether the log is where a durable session gets a message for
// a subscription from. Messages of QoS 0 promise nothing.
func reads(m *mqtt.Message, granted mqtt.QoS) bool { return m.QoS > 0 && granted > 0 }

// wants reports whether m has to be appended: a durable session of some node
// subscribes to it, or one that no node has may do, or an earlier message to its topic is still on the way to the
// log and must not be overtaken [MQTT-4.6.0-5].
func (d *durability) wants(b *Batch, m *mqtt.Message, routes []*route) bool {
	if m.QoS == 0 {
		return false
	}
	if d.orphans.Load() {
		return true
	}
	if d.pending.Load() > 0 && d.slot(m.Topic).Load() > 0 {
		return true
	}
	if c := d.br.cluster.Load(); c != nil {
		if _, inLog := c.Peers.Wanted(b, m.Topic); inLog {
			return true
		}
	}
	if d.durables.Load() == 0 {
		return false
	}
	for _, r := range routes {
		switch to := r.to.Subscriber.(type) {
		case *Client:
			if reads(m, r.QoS) && to.status.has(isDurable) {
				return true
			}
		case *group:
			if to.current() != nil {
				return true
			}
		}
	}
	return false
}

// slot counts the messages on their way to the log whose topics have the same
// hash.
func (d *durability) slot(topic string) *atomic.Int32 {
	return &d.inflight[maphash.String(d.seed, topic)%topicSlots]
}

// rest waits until no message is being dispatched, and keeps it so until the
// function that it returns is called. No client is entered.
func (d *durability) rest() (goOn func()) {
	for _, s := range d.shards {
		s.turn.Lock()
	}
	return func() {
		for _, s := range d.shards {
			s.turn.Unlock()
		}
	}
}
