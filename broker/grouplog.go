package broker

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// groupLog is what a shared group has beside as long as its messages of QoS 1 and
// 2 come from the log: since a durable session joined it, and until it has no
// member. The group then reads the log as a durable session does, and gives each
// message to a member that has room, so that what nobody can take waits in the log
// and not in the members' queues. What was taken from the log stays open until a
// client has acknowledged it, whoever that is in the end.
//
// One has a share of the group's messages: those from where it begins to where it
// ends, if it does. A group has several while an earlier one comes to its end.
//
// Who gives messages to members holds turn, and enters one member after the
// other; who acknowledges has its client entered, and takes mu alone.
type groupLog struct {
	g     *group
	d     *durability
	share uint64 // its number
	own   *shareRecord
	begun []uint64 // by shard: older messages were for the group when it lived in memory

	ends  atomic.Bool // nothing more is for this: until says up to where
	again atomic.Bool // somebody has found turn taken, and wants goOn called
	busy  atomic.Bool // messages wait for a member that has room
	turn  sync.Mutex  // guards all up to mu; held while clients are entered

	read    []uint64 // by shard: where the group goes on in the log
	live    bool     // what is dispatched is the next
	chunk   []*mqtt.Message
	shard   int    // of chunk
	after   uint64 // where that goes on when chunk is used up; 0: there is no chunk
	age     int    // of the chunk that is being read
	reading bool   // the feeder has the group
	cut     bool   // retention may have deleted some of what was missed
	missed  int64  // deliveries that were counted as queued and lie in the log
	ended   bool   // there is no member any more

	back   []*mqtt.Message             // taken, and without a member; in the order of the log
	bound  map[*Client][]*mqtt.Message // taken, and waiting for one member, as the strategy has it
	bounds int                         // all in bound

	mu      sync.Mutex // guards what follows; may be taken with a client entered
	next    []uint64   // by shard: the first position that was not taken
	until   []uint64   // by shard: the first one that isn't for this; nil: there is no end. Changed by who holds turn too
	open    map[mqtt.At]standing
	redo    int // of these, those that nobody has
	early   int // and those that are done before their turn
	over    bool
	left    bool // there is no member here any more, but elsewhere: it is to be released. Changed by who holds turn too
	changed bool
	saving  bool
	saveAt  int64         // when the record is saved; 0: no time is set
	waiting []func(error) // for the next save
}

// standing says who has a message that a group has taken from the log.
type standing uint8

const (
	unheld standing = iota // nobody: it has to be read
	taken                  // a member, or one will
	early                  // nobody, and nobody has to; it is behind next, as it was taken before a crash
)

// mostBound is how many messages of a group wait for members that the strategy
// has bound them to. Above it the group reads no further, until one of these has
// room or goes away.
const mostBound = 1000

func newGroupLog(g *group, d *durability, share, revision uint64) *groupLog {
	k := &groupLog{g: g, d: d, share: share, own: d.shareRecord(g.key, share, revision), open: make(map[mqtt.At]standing), bound: make(map[*Client][]*mqtt.Message)}
	next := d.ends()
	k.begun, k.read, k.next = next, slices.Clone(next), slices.Clone(next)
	return k
}

// deliver is for a message that is being dispatched. False: it isn't from the part
// of the log that is the group's. No client is entered.
func (k *groupLog) deliver(b *Batch, m *mqtt.Message) bool {
	at := m.At()
	if at.Seq < k.begun[at.Shard] {
		return false
	}
	k.turn.Lock()
	if k.ended || k.beyond(at) {
		k.turn.Unlock()
		return false
	}
	if !b.aside { // else its turn is still to come
		k.dispatched(b, m, at)
	}
	k.turn.Unlock()
	if k.again.Load() {
		k.pump(b)
	}
	return true
}

// beyond reports whether a position isn't the group's any more. turn is held.
func (k *groupLog) beyond(at mqtt.At) bool { return len(k.until) > 0 && at.Seq >= k.until[at.Shard] }

func (k *groupLog) dispatched(b *Batch, m *mqtt.Message, at mqtt.At) {
	count := &b.broker.count
	switch {
	case at.Seq < k.read[at.Shard]: // the group was faster than the dispatcher
	case k.live && len(k.back) == 0:
		k.read[at.Shard] = at.Seq + 1
		if k.take(at) {
			count.matched.Inc()
			k.giveOrKeep(b, m)
		}
	default:
		k.live = false
		k.busy.Store(true)
		k.missed++
		count.matched.Inc()
		count.queued.Add(1)
	}
}

// take notes that a message is on its way to a member. False: somebody has it
// already, or it is done with.
func (k *groupLog) take(at mqtt.At) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	who, open := k.open[at]
	next := k.next[at.Shard]
	k.next[at.Shard] = max(next, at.Seq+1)
	switch {
	case open && who == early:
		delete(k.open, at)
		k.early--
		return false
	case open && who == taken, !open && at.Seq < next:
		return false
	case open:
		k.redo--
	}
	k.open[at] = taken
	k.change()
	return true
}

// done notes that no member has to get a message any more. False: it isn't one that
// was to come to its end. It may be called with a client entered.
func (k *groupLog) done(at mqtt.At) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	who, open := k.open[at]
	if !open || who == early {
		return false
	}
	if who == unheld {
		k.redo--
	}
	if at.Seq < k.next[at.Shard] {
		delete(k.open, at)
	} else {
		k.open[at] = early
		k.early++
	}
	k.change()
	k.lookAgain()
	return true
}

// has reports whether the group has taken a message and it isn't done with.
func (k *groupLog) has(m *mqtt.Message) bool {
	if m.LogSeq == 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.open[m.At()] == taken
}

// pump has what waits given to members. No client is entered.
func (k *groupLog) pump(b *Batch) {
	k.again.Store(true)
	for k.again.Load() && k.turn.TryLock() {
		k.again.Store(false)
		k.goOn(b)
		k.turn.Unlock()
	}
}

// pump is for groups of which a member may have got room.
func pump(b *Batch, all []share) {
	for i := range all {
		if all[i].log.busy.Load() {
			all[i].log.pump(b)
		}
	}
}

// goOn gives what waits to members until none has room. turn is held.
func (k *groupLog) goOn(b *Batch) {
	k.giveBound(b)
	for !k.ended && k.step(b) {
	}
	k.busy.Store(!k.live || len(k.back)+k.bounds > 0 || k.until != nil)
	if k.drained() {
		k.retire()
	}
}

// step does the next thing; false: there is none to be done now.
func (k *groupLog) step(b *Batch) bool {
	switch {
	case len(k.back) > 0:
		if !k.give(b, k.back[0]) {
			return false
		}
		k.back[0] = nil
		k.back = k.back[1:]
		b.broker.count.queued.Add(-1)
	case k.live:
		return false
	case len(k.chunk) > 0:
		m := k.chunk[0]
		k.chunk[0] = nil
		k.chunk = k.chunk[1:]
		k.giveRead(b, m)
	case k.after != 0:
		k.passed(k.shard, k.after)
		k.after = 0
	default:
		k.readOrLive()
		return false
	}
	return true
}

// giveOrKeep gives a message that was taken to a member, now or when there is one
// with room.
func (k *groupLog) giveOrKeep(b *Batch, m *mqtt.Message) {
	if !k.give(b, m) {
		k.back = append(k.back, m)
		b.broker.count.queued.Add(1)
	}
}

// give has a member take m; false: none has room. Who gets room later finds busy
// set, and calls pump.
func (k *groupLog) give(b *Batch, m *mqtt.Message) bool {
	return k.try(b, m) || !k.busy.Swap(true) && k.try(b, m)
}

// try goes round the members, from the strategy's choice on. A message that is bound
// to one waits for it, if it is connected.
func (k *groupLog) try(b *Batch, m *mqtt.Message) bool {
	members := k.g.all()
	if len(members) == 0 || k.g.online.Load() == 0 {
		return false
	}
	first, bound := k.g.choose(members, m)
	for i := range members {
		to := &members[(first+i)%len(members)]
		if k.offer(b, to, m) {
			return true
		}
		if bound && to.client.Connected() {
			return k.bind(b, to, m)
		}
	}
	return false
}

// offer gives m to a member if that has room and nothing waits for it.
func (k *groupLog) offer(b *Batch, to *member, m *mqtt.Message) bool {
	return len(k.bound[to.client]) == 0 && to.client.offerLogged(b, m, to.route, k)
}

// bind has m wait for a member. False: too many do.
func (k *groupLog) bind(b *Batch, to *member, m *mqtt.Message) bool {
	k.busy.Store(true)
	if k.offer(b, to, m) { // it may have got room before it could know that it has to say so
		return true
	}
	if k.bounds == mostBound {
		return false
	}
	k.bound[to.client] = append(k.bound[to.client], m)
	k.bounds++
	b.broker.count.queued.Add(1)
	return true
}

// giveBound gives what is bound to members that have room now. What was bound to
// one that has gone is for the others.
func (k *groupLog) giveBound(b *Batch) {
	members := k.g.all()
	for c, all := range k.bound {
		i := indexMember(members, c)
		if i < 0 || !c.Connected() {
			k.bounds -= len(all)
			delete(k.bound, c)
			k.putBack(all)
			continue
		}
		for len(all) > 0 && c.offerLogged(b, all[0], members[i].route, k) {
			all[0] = nil
			all = all[1:]
			k.bounds--
			b.broker.count.queued.Add(-1)
		}
		if k.bound[c] = all; len(all) == 0 {
			delete(k.bound, c)
		}
	}
}

// putBack enters messages into back.
func (k *groupLog) putBack(all []*mqtt.Message) {
	k.back = append(all, k.back...)
	slices.SortStableFunc(k.back, func(a, b *mqtt.Message) int {
		return cmp.Or(cmp.Compare(a.LogShard, b.LogShard), cmp.Compare(a.LogSeq, b.LogSeq))
	})
}

// offerLogged gives the client a message of a shared group if it goes straight
// out.
func (c *Client) offerLogged(b *Batch, m *mqtt.Message, r *route, k *groupLog) bool {
	if !c.status.has(isOnline) {
		return false
	}
	c.enter(b)
	defer c.leave(b)
	if c.ended || c.conn == nil {
		return false
	}
	c.noted(r.Filter, k)
	if !c.sess.Room() || c.conn.Full() {
		return false
	}
	c.deliver(b, m, &r.Subscription, m.Retain && r.RetainAsPublished)
	return true
}
