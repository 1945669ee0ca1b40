package cluster

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// What holds of forwarding, in bytes and milliseconds.
const (
	maxBatch    = 1 << 18 // of a stream in one message
	earlyFlush  = 1 << 16 // gathered for one node before the end of a pass
	probeAfter  = 1_000   // without an answer to what was sent last
	maxGuarded  = 10_000  // unconfirmed messages of shared groups to one node
	defaultRoom = 1 << 26 // unconfirmed for one node, see ForwardOptions
)

// Forwarder takes messages to other nodes, each once to each node, in the order
// of their publishers. What a node has not confirmed is bounded; beyond that
// messages for it are dropped and counted.
type Forwarder struct {
	Stats ForwardStats

	net     Network
	table   *Table
	log     *slog.Logger
	wake    func(node string)
	room    uint64
	epoch   uint64
	refused func(k *guarded) // what another member must take now; set by NewGroups

	mu      sync.Mutex // held to change streams
	streams atomic.Pointer[map[string]*stream]
	last    uint64 // stream
}

// ForwardOptions are what a Forwarder is made of.
type ForwardOptions struct {
	Network Network
	Table   *Table
	Log     *slog.Logger
	Epoch   uint64 // of this start, as for Routes
	// Room is how many bytes may be on their way to one node, sent or waiting,
	// before it has confirmed them; 0 is 64 MB.
	Room uint64
	// Wake is called by any goroutine when there is something for Pump to send
	// to node; it must not block or call back.
	Wake func(node string)
}

// ForwardStats count messages, each once for each node that it was for.
type ForwardStats struct {
	Forwarded metrics.Counter // handed to the network
	Slow      metrics.Counter // dropped: the node has too much that it hasn't confirmed
	Gone      metrics.Counter // dropped: the node has gone, and they had not been sent
	TooLarge  metrics.Counter // dropped: one message exceeds Room
	Lost      metrics.Counter // sent, and not confirmed when the node went; some of them may have arrived
	Missed    metrics.Counter // of other nodes': sent to this node and lost on the way
	Received  metrics.Counter // of other nodes': arrived
	Unguarded metrics.Counter // of a shared group, sent without being kept until they are confirmed, for want of room
}

// NewForwarder makes a Forwarder that knows no node yet.
func NewForwarder(o ForwardOptions) *Forwarder {
	f := &Forwarder{net: o.Network, table: o.Table, log: o.Log, wake: o.Wake, room: o.Room, epoch: o.Epoch}
	f.refused = func(*guarded) {}
	if f.room == 0 {
		f.room = defaultRoom
	}
	f.streams.Store(&map[string]*stream{})
	return f
}

// Up tells that a node is there.
func (f *Forwarder) Up(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	s := &stream{f: f, node: node, id: f.epoch + f.last, keptFrom: 1}
	f.change(func(all map[string]*stream) { all[node] = s })
}

// down tells that a node has gone, and returns what it had not confirmed of
// shared groups, in order: another member must take it.
func (f *Forwarder) down(node string) []*guarded {
	s := f.stream(node)
	if s == nil {
		return nil
	}
	f.mu.Lock()
	f.change(func(all map[string]*stream) { delete(all, node) })
	f.mu.Unlock()
	return s.end()
}

func (f *Forwarder) change(change func(map[string]*stream)) {
	all := make(map[string]*stream)
	for node, s := range *f.streams.Load() {
		all[node] = s
	}
	change(all)
	f.streams.Store(&all)
}

func (f *Forwarder) stream(node string) *stream { return (*f.streams.Load())[node] }

// Pump sends what waits for a node. One goroutine at a time calls it for a node.
func (f *Forwarder) Pump(node string) {
	if s := f.stream(node); s != nil {
		s.pump()
	}
}

func (f *Forwarder) send(node string, data []byte) {
	if err := f.net.Send(node, KindForward, data); err != nil { // the receiver sees the gap with the next batch
		f.log.Debug("messages are not sent", "node", node, "err", err)
	}
}

// Receive takes a message of KindConfirm. The error says what is wrong with it.
func (f *Forwarder) Receive(from string, data []byte) error {
	in := reader{fields.Reader{Left: data}}
	kind := in.head()
	c := in.confirm()
	if in.Err == nil && kind != typeConfirm {
		in.Err = fmt.Errorf("type %d is unknown", kind)
	}
	if in.Err != nil {
		return fmt.Errorf("confirmation from node %s: %w", from, in.Err)
	}
	s := f.stream(from)
	if s == nil {
		return nil
	}
	again, restarted := s.confirm(&c)
	if restarted { // before anybody has noticed that it was gone
		again = f.down(from)
		f.Up(from)
	}
	for _, k := range again {
		f.refused(k)
	}
	return nil
}

// Tick asks nodes that have not confirmed anything for a while whether all has
// arrived. It is to be called about every second, by who calls Pump.
func (f *Forwarder) Tick(now int64) {
	for _, s := range *f.streams.Load() {
		s.probe(now)
	}
}

// Outbox gathers what one goroutine sends to other nodes in one pass.
type Outbox struct {
	f    *Forwarder
	bins []bin
}

// bin is what has been gathered for one node.
type bin struct {
	to       *stream
	data     []byte
	messages int
	guarded  []*guarded
}

// NewOutbox makes an Outbox for one goroutine to use again and again.
func (f *Forwarder) NewOutbox() *Outbox { return &Outbox{f: f} }

// Add gathers m for nodes, which are of the Forwarder's table. m may be borrowed:
// it is encoded at once, and once for all.
func (o *Outbox) Add(nodes Nodes, m *mqtt.Message) {
	names := &o.f.table.view.Load().names
	var first []byte
	for at := range nodes.all() {
		b := o.bin(names[at])
		if b == nil {
			continue
		}
		from := len(b.data)
		if first == nil {
			b.data = endRecord(appendMessage(beginRecord(b.data, recordPlain), m), from)
			first = b.data[from:]
		} else {
			b.data = append(b.data, first...)
		}
		b.added()
	}
}

// direct gathers m for one member of a shared group on one node; k, if not nil,
// is kept until the node has confirmed it. false: the node has gone.
func (o *Outbox) direct(node, filter, group string, m *mqtt.Message, k *guarded) bool {
	b := o.bin(node)
	if b == nil {
		return false
	}
	from := len(b.data)
	kind := byte(recordDirected)
	switch {
	case k == nil:
	case b.to.mayKeep():
		kind = recordGuarded
		b.guarded = append(b.guarded, k)
	default:
		o.f.Stats.Unguarded.Inc()
	}
	b.data = fields.AppendText(fields.AppendText(beginRecord(b.data, kind), group), filter)
	b.data = endRecord(appendMessage(b.data, m), from)
	b.added()
	return true
}

// bin is where to gather for a node; nil: it has gone, which is counted.
func (o *Outbox) bin(node string) *bin {
	to := o.f.stream(node)
	if to == nil {
		o.f.Stats.Gone.Inc()
		return nil
	}
	for i := range o.bins {
		if o.bins[i].to == to {
			return &o.bins[i]
		}
	}
	for i := range o.bins {
		if b := &o.bins[i]; b.messages == 0 { // of a stream that has ended, or not in use
			b.to = to
			return b
		}
	}
	o.bins = append(o.bins, bin{to: to})
	return &o.bins[len(o.bins)-1]
}

func (b *bin) added() {
	b.messages++
	if len(b.data) >= earlyFlush {
		b.flush()
	}
}

func (b *bin) flush() {
	b.to.put(b)
	clear(b.guarded)
	b.data, b.messages, b.guarded = b.data[:0], 0, b.guarded[:0]
	if cap(b.data) > 2*earlyFlush { // a large message has passed
		b.data = nil
	}
}

// Flush hands over what has been gathered: the end of a pass.
func (o *Outbox) Flush() {
	for i := range o.bins {
		if o.bins[i].messages > 0 {
			o.bins[i].flush()
		}
	}
}
