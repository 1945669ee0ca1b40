package broker

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// Origin says where a message came from that may have to be kept before it is
// acknowledged. The zero Origin is nobody who waits.
type Origin struct {
	Client *Client
	Conn   Promiser
	ID     uint16 // the packet identifier
}

// Promiser is a Conn that can acknowledge a PUBLISH later than it came, in the
// order in which all came [MQTT-4.6.0-2, MQTT-4.6.0-3].
type Promiser interface {
	Conn
	// Promise is called within PublishFrom, on the goroutine of its caller: the
	// message will be acknowledged by Keep. size is the payload's.
	Promise(qos mqtt.QoS, id uint16, size int)
	// Keep settles a promise: the message was kept and routed, or not kept if
	// the code is a failure. One that wasn't given, or was kept, is ignored.
	Keep(b *Batch, qos mqtt.QoS, id uint16, code mqtt.ReasonCode)
}

// receipt is who waits until a message is kept.
type receipt struct {
	Origin
	over func(mqtt.ReasonCode) // nil: nobody else does
	join *await                // it acknowledges, when other parts have ended too; nil: nobody else has to
	flow uint64                // see session.Session.Await; 0: none
	num  uint64                // of a message without one, that somebody asks for if it is in doubt
	soon bool                  // where it is kept it doesn't stay for long: that it was is saved at once
}

// identified is what has to wait until the identifier of a QoS 2 message is
// saved, before it is kept.
type identified interface {
	from() *receipt
	write()            // it is saved
	unsaved(err error) // it can't be
}

// perAppend is what a message counts for beside its payload, which there are
// two of while it is appended.
const perAppend = 200

// errPending is why an append fails while too much is being appended.
var errPending = errors.New("more is waiting to be written than may")

// appended is a message on its way to the log, and from there to the
// subscribers.
type appended struct {
	d *durability
	m *mqtt.Message // kept; at its place when it has one
	receipt
	size  int64   // that it counts for in durability.pending
	first mqtt.At // it isn't in the log before here
	err   error   // why it wasn't kept
}

// append gives m to the log; it goes to nobody before the log has it.
func (d *durability) append(b *Batch, m *mqtt.Message, r receipt) {
	a := &appended{d: d, m: m.Keep(), receipt: r}
	a.size = int64(perAppend + 2*len(m.Payload))
	d.busy.Add(1)
	d.slot(m.Topic).Add(1)
	if r.Conn != nil && r.join == nil {
		r.Conn.Promise(m.QoS, r.ID, len(m.Payload))
	}
	if r.Conn != nil && m.QoS == 2 {
		a.num, a.first = d.numbers.Add(1), d.end(m.Topic)
	}
	if full := d.pending.Add(a.size) > maxPending; r.Conn != nil && m.QoS == 2 && r.Client.append(b, a, a.first, full) {
		return // until its identifier is saved
	} else if full {
		a.unsaved(errPending)
		return
	}
	a.write()
}

func (a *appended) from() *receipt { return &a.receipt }

// unsaved gives up.
func (a *appended) unsaved(err error) { a.done(engine.At{}, err) }

// write gives the message to the log.
func (a *appended) write() {
	m := durable.Message{Message: a.m, Origin: a.origin()}
	a.d.log.Append(a.m.Topic, durable.AppendMessage(nil, m), a.done)
}

// origin tells the message from every other one of its client; zero: nobody asks.
func (r *receipt) origin() (o durable.Origin) {
	if n := cmp.Or(r.flow, r.num); n != 0 {
		o = durable.Origin{PacketID: r.ID, Flow: n}
	}
	return o
}

// done hands the message to the goroutine of its shard, or to those in doubt.
func (a *appended) done(at engine.At, err error) {
	if err != nil && a.num != 0 && !a.d.anyway && errors.Is(err, engine.ErrDoubt) && a.d.doubts.add(a) {
		return
	}
	a.ended(mqtt.At{Shard: at.Shard, Seq: at.Seq}, err)
}

// ended is done when it is known how it ended.
func (a *appended) ended(at mqtt.At, err error) {
	if a.err = err; err == nil {
		a.m = a.m.Placed(at)
	}
	a.d.shards[at.Shard].add(a)
}

// end is behind the last position of the shard that a topic belongs to, as far as
// this node knows: what is appended now comes to stand there or behind it.
func (d *durability) end(topic string) mqtt.At {
	shard := d.log.Shard(topic)
	_, last := d.log.Bounds(shard)
	return mqtt.At{Shard: shard, Seq: last + 1}
}

// dispatch routes the message, or tells that it isn't kept.
func (a *appended) dispatch(b *Batch, s *shard) {
	br, code, n := a.d.br, mqtt.Success, 0
	if a.err != nil {
		code = br.unkept(b, a.m, a.err)
	}
	if !code.Failed() {
		n = s.route(b, a.m)
	}
	a.d.slot(a.m.Topic).Add(-1)
	a.d.pending.Add(-a.size)
	br.tellRouted(a.m, code, n)
	a.settle(b, a.m.QoS, code)
	a.d.busy.Add(-1)
}

// route gives m to everybody whose filter matches it now, but for durable
// sessions if it isn't the next one of its shard: they get it in its turn.
func (s *shard) route(b *Batch, m *mqtt.Message) int {
	s.turn.Lock()
	defer s.turn.Unlock()
	if seq, next := m.LogSeq, s.dispatched.Load()+1; seq == next {
		s.dispatched.Store(seq)
	} else if seq != 0 {
		s.aside(b, seq)
		defer func() { b.aside = false }()
		if seq > next {
			s.catchUp()
		}
	}
	br := s.d.br
	routes := br.index.Match(m.Topic, b.routes[:0])
	n := br.deliver(b, m, routes)
	b.closeEntry()
	return n
}

// aside keeps durable sessions from getting the message at a position now: they
// get it from the log, in its turn.
func (s *shard) aside(b *Batch, seq uint64) {
	b.aside = true
	for {
		ahead := s.ahead.Load()
		if ahead >= seq || s.ahead.CompareAndSwap(ahead, seq) {
			return
		}
	}
}

// putAside does that for a message that has come from another node. False: this
// one doesn't have the log.
func (d *durability) putAside(b *Batch, at mqtt.At) bool {
	if d == nil || at.Shard >= len(d.shards) {
		return false
	}
	d.shards[at.Shard].aside(b, at.Seq)
	return true
}

// promise has the connection acknowledge m when it is settled.
func (r *receipt) promise(m *mqtt.Message) {
	r.Conn.Promise(m.QoS, r.ID, len(m.Payload))
	if m.QoS == 2 {
		r.Client.mu.Lock()
		defer r.Client.mu.Unlock()
		r.Client.extra().append(r.ID)
	}
}

// settle tells who waits for a message what became of it.
func (r *receipt) settle(b *Batch, qos mqtt.QoS, code mqtt.ReasonCode) {
	if r.join != nil {
		r.join.routed(b, code, r.flow)
		return
	}
	if r.over != nil {
		r.over(code)
	}
	if r.Conn == nil {
		return
	}
	if qos == 2 {
		now, later := r.Client.appended(b, r, code)
		if now != nil && now != r.Conn && !later {
			now.Keep(b, qos, r.ID, code)
		}
		if later && now == r.Conn {
			return
		}
	}
	r.Conn.Keep(b, qos, r.ID, code)
}

// unkept books a message that the log didn't take. The code is for the
// publisher.
func (br *Broker) unkept(b *Batch, m *mqtt.Message, err error) mqtt.ReasonCode {
	if br.durable.anyway {
		br.logs.notKept.warn(br.log, b.Now(), "a message for durable sessions can't be kept, it lives in memory", "topic", m.Topic, "client", m.From, "err", err)
		br.count.unkept.Inc()
		return mqtt.Success
	}
	br.logs.notKept.warn(br.log, b.Now(), "a message for durable sessions can't be kept and is refused", "topic", m.Topic, "client", m.From, "err", err)
	br.count.dropped.Inc()
	br.Refused(NotKept, m.From, m.Topic)
	br.traceRefused(m, NotKept.String(), mqtt.QuotaExceeded)
	return mqtt.QuotaExceeded
}

// append notes that a QoS 2 message of the client, which isn't in the log before
// a position, is on its way to the log, or to another place where it is kept. It reports whether the
// message has to wait: a durable session's identifier has to be saved before, or
// after a crash nobody could tell the message from its repetition. full: it can't
// be kept anyway.
func (c *Client) append(b *Batch, a identified, from mqtt.At, full bool) (wait bool) {
	c.enter(b)
	defer c.leave(b)
	x, r := c.extra(), a.from()
	if x.reader != nil && !c.ended && !full {
		r.flow = c.sess.Await(r.ID, from)
	}
	if r.flow != 0 {
		if x.awaiting == nil {
			x.awaiting = make(map[uint64]identified)
		}
		x.awaiting[r.flow] = a
		return true
	}
	x.append(r.ID)
	return false
}

// appended ends that. The identifier of a message that wasn't kept is free, as
// a failed PUBREC ends the flow [MQTT-4.3.3-9]; later: not before that is saved,
// which is when the client may be told. It returns the connection that the
// client has now, if that is one that waits for acknowledgements.
func (c *Client) appended(b *Batch, r *receipt, code mqtt.ReasonCode) (now Promiser, later bool) {
	c.enter(b)
	defer c.leave(b)
	now, _ = c.conn.(Promiser)
	if delete(c.more.appending, r.ID); len(c.more.appending) == 0 {
		c.more.appending = nil
	}
	switch {
	case r.flow == 0:
		if code.Failed() && !c.ended {
			c.sess.Released(r.ID)
		}
	case code.Failed():
		c.sess.Refuse(r.ID, r.flow, code)
		later = true
	case c.sess.Appended(r.ID, r.flow) && r.soon && c.reader() != nil:
		c.more.reader.due = true
	}
	return now, later
}

// cleared is what follows from a save for the messages of the client: those
// that may be appended, and those that are refused. The client is entered.
func (c *Client) cleared(flows []session.Flow) (write []identified, refuse []session.Flow) {
	for _, f := range flows {
		if f.Refused != mqtt.Success {
			refuse = append(refuse, f)
		} else if a := c.more.awaiting[f.Num]; a != nil {
			delete(c.more.awaiting, f.Num)
			write = append(write, a)
		}
	}
	return write, refuse
}

// forgo takes the messages back that wait for a save, which has failed. The
// client is entered.
func (c *Client) forgo() (all []identified) {
	x := c.more
	for _, flow := range slices.Sorted(maps.Keys(x.awaiting)) {
		a := x.awaiting[flow]
		r := a.from()
		c.sess.Forgo(r.ID, flow)
		r.flow = 0
		x.append(r.ID)
		all = append(all, a)
	}
	x.awaiting = nil
	return all
}

// append notes a message that is on its way to the log.
func (x *more) append(id uint16) {
	if x.appending == nil {
		x.appending = make(map[uint16]struct{})
	}
	x.appending[id] = struct{}{}
}

// writeAwaiting is for the end of the session: nobody will repeat what waits
// for a save. The client is entered.
func (c *Client) writeAwaiting() {
	for _, flow := range slices.Sorted(maps.Keys(c.more.awaiting)) {
		c.more.awaiting[flow].write()
	}
	c.more.awaiting = nil
}

// Appending reports whether the QoS 2 message of this identifier is still on
// its way to the log: then its PUBREC has to wait, on whatever connection.
func (c *Client) Appending(id uint16) (is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.more != nil {
		_, is = c.more.appending[id]
	}
	return is || c.sess.Unresolved(id)
}

// Awaits reports whether the QoS 2 message of this identifier was received and
// not refused, so that PUBREC is right, and is not released.
func (c *Client) Awaits(id uint16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sess.Awaits(id)
}
