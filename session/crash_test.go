package session

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// universe is a durable session with all that is around it: a log of messages
// in two shards and a place for its record, both of which answer late, fail,
// or fail without saying what became of the change; a broker, which is as
// small as one can be that uses a session rightly; a network that loses
// connections; and a client as the standard wants it, which outlives all. Time
// and chance decide in which order things happen, and when the process ends
// without warning.
type universe struct {
	t   *testing.T
	r   *rand.Rand
	cfg *Config
	now int64

	trouble bool // changes fail, not only crashes cut them off

	disk    []byte       // the record, as it survives
	log     [2][]item    // by position - 1
	pending []*adding    // appends without an answer
	made    int          // messages that were published, which are numbered
	deleted [2]int       // how many of the log, by shard
	lost    map[int]bool // those that the log had no more

	b *process
	c *peer
}

// item is a message of the log.
type item struct {
	n     int
	topic string
	qos   mqtt.QoS
	id    uint16 // its origin, 0: none
	num   uint64
}

func (i item) shard() int { return int(i.topic[0]) % 2 }

// adding is an append that has no answer yet.
type adding struct {
	item
	by   *process
	done func(at uint64, err appendError)
}

type appendError uint8

const (
	appended appendError = iota
	failed               // it isn't in the log
	unknown              // nobody knows
)

// which is one delivery to the client: a message and the filter of the
// subscription.
type which struct {
	n      int
	filter string
}

// process is the broker from one start to its end.
type process struct {
	u      *universe
	s      *Session
	subs   []*Subscription
	online bool
	full   bool

	toClient, toServer []packet
	acks               []*slot // of the present connection, in order
	wanting            map[uint64]item
	saving             bool
	record             []byte
	mark               uint32

	given, delivered, dropped int
	restored                  int // deliveries in the queue at the start
	window                    int
	inWindow                  map[uint16]bool
}

// slot is an acknowledgement that keeps its place.
type slot struct {
	packet
	ready bool
}

type packet struct {
	kind  mqtt.Type
	id    uint16
	code  mqtt.ReasonCode
	qos   mqtt.QoS
	dup   bool
	n     int
	topic string
	what  which
	at    mqtt.At
}

func (u *universe) boot() {
	b := &process{u: u, wanting: map[uint64]item{}, inWindow: map[uint16]bool{}}
	u.b = b
	b.s = New(u.cfg, epoch)
	b.subs = []*Subscription{
		{Filter: "#", SubscribeOptions: mqtt.SubscribeOptions{QoS: 2}},
		{Filter: "a", SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}},
		{Filter: "+", SubscribeOptions: mqtt.SubscribeOptions{QoS: 2}},
	}
	for _, sub := range b.subs {
		if _, err := b.s.Subscribe(sub); err != nil {
			u.t.Fatal(err)
		}
	}
	b.s.SetDurable(true)
	if u.disk == nil {
		return
	}
	if err := b.s.Load(u.disk); err != nil {
		u.t.Fatal(err)
	}
	b.restored = b.s.Queued()
	for _, f := range b.s.Doubtful() {
		b.resolve(f)
	}
	b.s.Disconnected(u.now)
}

// resolve finds out whether a message is in the log, and reports whether.
func (b *process) resolve(f Flow) bool {
	for seq := int(f.From.Seq); seq <= len(b.u.log[f.From.Shard]); seq++ {
		if i := b.u.log[f.From.Shard][max(seq, 1)-1]; i.id == f.ID && i.num == f.Num {
			return b.s.Appended(f.ID, f.Num)
		}
	}
	b.s.Missing(f.ID, f.Num)
	return false
}

// crash ends the process. What was on its way to the disks may have arrived.
func (u *universe) crash() {
	if u.b.saving && u.r.IntN(2) == 0 {
		u.disk = u.b.record
	}
	for _, p := range u.pending {
		if u.r.IntN(2) == 0 {
			break // the later ones went the same way behind it
		}
		u.put(p.item)
	}
	u.pending = nil
	u.boot()
}

func (u *universe) put(i item) { u.log[i.shard()] = append(u.log[i.shard()], i) }

// append sends a message to the log.
func (b *process) append(i item, done func(uint64, appendError)) {
	b.u.pending = append(b.u.pending, &adding{i, b, done})
}

// logAnswers ends the append that has waited longest.
func (u *universe) logAnswers(how appendError) {
	if len(u.pending) == 0 {
		return
	}
	p := u.pending[0]
	u.pending = u.pending[1:]
	if how == appended || how == unknown && u.r.IntN(2) == 0 {
		u.put(p.item)
	}
	p.done(uint64(len(u.log[p.shard()])), how)
}

// save begins a save, if there is none and one is wanted or lazily due.
func (b *process) save(lazily bool) {
	if !b.saving && (b.s.Unsaved() || lazily && b.s.Changed()) {
		b.saving = true
		b.record, b.mark = b.s.Save(nil)
	}
}

func (b *process) saveAnswers(how appendError) {
	if !b.saving {
		return
	}
	b.saving = false
	if how == appended || how == unknown && b.u.r.IntN(2) == 0 {
		b.u.disk = b.record
	}
	if how != appended {
		b.s.NotSaved(b.mark)
		return
	}
	for _, f := range b.s.Saved(b.mark, b, b.u.now) {
		i, waits := b.wanting[f.Num]
		if f.Refused != mqtt.Success {
			b.answer(f.ID, f.Refused)
			continue
		}
		if !waits || i.id != f.ID {
			b.u.t.Fatalf("message %d may be appended, and nobody waits for that", f.ID)
		}
		delete(b.wanting, f.Num)
		b.append(i, func(_ uint64, err appendError) { b.flowAppended(f.ID, f.Num, err) })
	}
	b.sendAcks()
}

func (b *process) flowAppended(id uint16, num uint64, err appendError) {
	switch err {
	case appended:
		if b.s.Appended(id, num) {
			b.answer(id, mqtt.Success)
		}
	case failed:
		b.s.Refuse(id, num, mqtt.QuotaExceeded)
	case unknown:
		b.hangUp()
	}
}

// answer makes the PUBREC for an identifier ready to go.
func (b *process) answer(id uint16, code mqtt.ReasonCode) {
	for _, k := range b.acks {
		if k.kind == mqtt.TypePubrec && k.id == id && !k.ready {
			k.ready, k.code = true, code
		}
	}
	b.sendAcks()
}

func (b *process) sendAcks() {
	for len(b.acks) > 0 && b.acks[0].ready && b.online {
		b.toClient = append(b.toClient, b.acks[0].packet)
		b.acks = b.acks[1:]
	}
}

func (b *process) ack(kind mqtt.Type, id uint16, ready bool) *slot {
	k := &slot{packet{kind: kind, id: id}, ready}
	b.acks = append(b.acks, k)
	b.sendAcks()
	return k
}

func (b *process) hangUp() {
	if b.online {
		b.online = false
		b.s.Disconnected(b.u.now)
	}
	b.toClient, b.toServer, b.acks = nil, nil, nil
	clear(b.inWindow)
}

func (b *process) connect() {
	b.hangUp()
	if b.u.trouble && b.u.r.IntN(10) == 0 {
		b.u.retention(b.u.r.IntN(2))
	}
	b.s.Fill(b.u.message, b)
	b.window, b.full, b.online = 1+b.u.r.IntN(6), false, true
	b.s.Connected(uint16(b.window), b, b.u.now)
	b.u.c.connected()
}

// retention deletes the oldest messages of a shard.
func (u *universe) retention(shard int) {
	for range min(u.r.IntN(10), len(u.log[shard])-u.deleted[shard]) {
		u.lost[u.log[shard][u.deleted[shard]].n] = true
		u.deleted[shard]++
	}
}

// message reads one from the log; nil: it isn't there any more.
func (u *universe) message(at mqtt.At) *mqtt.Message {
	if int(at.Seq) <= u.deleted[at.Shard] {
		return nil
	}
	i := u.log[at.Shard][at.Seq-1]
	return (&mqtt.Message{Topic: i.topic, Payload: fmt.Append(nil, i.n), QoS: i.qos, LogShard: uint16(at.Shard), LogSeq: at.Seq}).Own()
}

// feed gives the session the next entry of a shard, to each subscription that
// matches.
func (b *process) feed(shard int) {
	next := max(b.s.Read(shard), uint64(b.u.deleted[shard])+1)
	if b.s.Pending() != nil || b.s.Queued() > 5 || int(next) > len(b.u.log[shard]) {
		return
	}
	m := b.u.message(mqtt.At{Shard: shard, Seq: next})
	for _, sub := range b.subs {
		if sub.Filter != "a" || m.Topic == "a" {
			b.given++
			b.s.Deliver(Delivery{Msg: m, Sub: sub, QoS: b.s.Grant(m, sub)}, b, b.u.now)
		}
	}
	b.s.SetRead(shard, next+1)
}

// replay delivers a message that isn't in the log.
func (b *process) replay() {
	if b.s.Pending() != nil || b.s.Queued() > 5 {
		return
	}
	b.u.made++
	m := &mqtt.Message{Topic: "r", Payload: fmt.Append(nil, b.u.made), QoS: mqtt.QoS(1 + b.u.r.IntN(2)), Retain: true}
	b.given++
	b.s.Deliver(Delivery{Msg: m, Sub: b.subs[0], QoS: m.QoS, Retain: true}, b, b.u.now)
}

// serverReads handles the oldest packet from the client.
func (b *process) serverReads() {
	if len(b.toServer) == 0 {
		return
	}
	p := b.toServer[0]
	b.toServer = b.toServer[1:]
	now := b.u.now
	switch p.kind {
	case mqtt.TypePublish:
		b.published(p)
	case mqtt.TypePubrel:
		if _, later := b.s.Released(p.id); !later {
			b.toClient = append(b.toClient, packet{kind: mqtt.TypePubcomp, id: p.id})
		}
	case mqtt.TypePuback:
		delete(b.inWindow, p.id)
		b.s.Puback(p.id, p.code, b, now)
	case mqtt.TypePubrec:
		if p.code.Failed() {
			delete(b.inWindow, p.id)
		}
		b.s.Pubrec(p.id, p.code, b, now)
	case mqtt.TypePubcomp:
		delete(b.inWindow, p.id)
		b.s.Pubcomp(p.id, p.code, b, now)
	}
}

func (b *process) published(p packet) {
	i := item{n: p.n, topic: p.topic, qos: p.qos}
	if p.qos == 1 {
		k := b.ack(mqtt.TypePuback, p.id, false)
		b.append(i, func(_ uint64, err appendError) {
			if err != appended {
				b.hangUp()
			}
			k.ready = true
			b.sendAcks()
		})
		return
	}
	dup, err := b.s.Received(p.id, b.u.now)
	if err != nil && !dup {
		b.u.t.Fatal(err)
	}
	if dup && b.s.Unresolved(p.id) {
		for _, f := range b.s.Doubtful() {
			if f.ID == p.id && !b.u.underWay(f.Num) && !b.resolve(f) {
				dup = false
			}
		}
		if dup && b.s.Unresolved(p.id) {
			b.ack(mqtt.TypePubrec, p.id, false)
			return
		}
		if !dup {
			b.s.Received(p.id, b.u.now)
		}
	}
	if dup || p.topic == "x" { // nobody durable has subscribed to x
		b.ack(mqtt.TypePubrec, p.id, true)
		return
	}
	last := len(b.u.log[i.shard()]) + 1
	from := mqtt.At{Shard: i.shard(), Seq: uint64(max(last-b.u.r.IntN(50), 1))} // known late
	i.id, i.num = p.id, b.s.Await(p.id, from)
	b.wanting[i.num] = i
	b.ack(mqtt.TypePubrec, p.id, false)
}

func (u *universe) underWay(num uint64) bool {
	for _, p := range u.pending {
		if p.num == num {
			return true
		}
	}
	return false
}

// The process is the session's Sender.

func (b *process) Publish(d Delivery, id uint16, dup bool) bool {
	n := payloadNumber(d)
	if !dup {
		b.delivered++
	}
	if d.QoS > 0 {
		if b.inWindow[id] && !dup {
			b.u.t.Fatalf("packet identifier %d is used twice", id)
		}
		if b.inWindow[id] = true; len(b.inWindow) > b.window {
			b.u.t.Fatalf("%d packets in flight, the window is %d", len(b.inWindow), b.window)
		}
	}
	b.toClient = append(b.toClient, packet{kind: mqtt.TypePublish, id: id, qos: d.QoS, dup: dup, what: which{n, d.Sub.Filter}, topic: d.Msg.Topic, at: d.Msg.At()})
	return true
}

func (b *process) Ack(kind mqtt.Type, id uint16, code mqtt.ReasonCode) {
	if kind == mqtt.TypePubrel && code == mqtt.Success {
		b.inWindow[id] = true
	}
	b.toClient = append(b.toClient, packet{kind: kind, id: id, code: code})
}

func (b *process) Full() bool { return b.full }

func (b *process) Dropped(d Delivery, why Drop) {
	if why != LogRetention {
		b.u.t.Fatalf("message %d is dropped: %v", payloadNumber(d), why)
	}
	b.dropped++
}

func (b *process) balance() {
	if q, h := b.s.Queued(), b.s.Held(); b.given+b.restored != b.delivered+q+h+b.dropped {
		b.u.t.Fatalf("%d given and %d restored, but %d delivered + %d queued + %d held + %d dropped", b.given, b.restored, b.delivered, q, h, b.dropped)
	}
}

// step lets something happen.
func (u *universe) step() {
	b, r := u.b, u.r
	switch r.IntN(24) {
	case 0, 1:
		u.worldPublishes()
	case 2, 3:
		u.c.publish()
	case 4, 5, 6, 7:
		u.c.reads()
	case 8, 9, 10, 11:
		b.serverReads()
	case 12, 13, 14:
		b.saveAnswers(u.luck())
	case 15, 16:
		u.logAnswers(u.luck())
	case 17, 18, 19:
		if r.IntN(8) == 0 {
			b.replay()
		}
		b.feed(r.IntN(2))
	case 20:
		u.now += int64(r.IntN(2000))
		b.s.Tick(b, u.now)
	case 21:
		if b.full = !b.full; !b.full {
			b.s.Drain(b, u.now)
		}
	case 22:
		b.save(true)
		u.reuse()
	case 23:
		switch k := r.IntN(20); {
		case k == 0:
			u.crash()
		case k == 1:
			b.hangUp()
		case !b.online || k == 2:
			b.connect()
		}
	}
	if r.IntN(3) > 0 { // else somebody else was faster
		u.b.save(false)
	}
	u.b.balance()
}

// reuse makes the session use identifiers again that have just become free,
// as it otherwise would after 65,535 others. That would be wrong where packets
// are repeated on a living connection: an acknowledgement of the second copy
// would be taken for one of the next message.
func (u *universe) reuse() {
	if u.cfg.RetryInterval > 0 {
		return
	}
	f := &u.b.s.flights
	f.lastID = uint16(u.r.IntN(4))
	f.mixed = f.slots.n > 0
}

func (u *universe) luck() appendError {
	switch n := u.r.IntN(20); {
	case u.trouble && n == 0:
		return failed
	case u.trouble && n == 1:
		return unknown
	}
	return appended
}

func (u *universe) worldPublishes() {
	u.made++
	u.put(item{n: u.made, topic: string("abc"[u.r.IntN(3)]), qos: mqtt.QoS(1 + u.r.IntN(2))})
}

// settle lets everything come to its end, without further accidents.
func (u *universe) settle() {
	for range 20_000 {
		if !u.b.online {
			u.b.connect()
		}
		u.b.full = false
		u.b.s.Drain(u.b, u.now)
		u.logAnswers(appended)
		u.b.feed(0)
		u.b.feed(1)
		u.b.serverReads()
		u.c.reads()
		u.b.save(false)
		u.b.saveAnswers(appended)
		u.b.balance()
		if u.quiet() {
			return
		}
	}
	u.t.Fatalf("%d in flight, %d queued, %d held, %d to send, %d awaiting release: nothing comes to its end", u.b.s.Inflight(),
		u.b.s.Queued(), u.b.s.Held(), len(u.c.sending), u.b.s.AwaitingRel())
}

func (u *universe) quiet() bool {
	b := u.b
	return len(u.pending)+len(b.toClient)+len(b.toServer)+len(u.c.sending)+len(b.acks)+b.s.Inflight()+b.s.Queued()+b.s.AwaitingRel() == 0 &&
		int(b.s.Read(0)) > len(u.log[0]) && int(b.s.Read(1)) > len(u.log[1]) && !b.s.Unsaved() && !b.saving
}

// judge compares what was published with what arrived.
func (u *universe) judge() {
	inLog := map[int]int{}
	for _, shard := range u.log {
		for _, i := range shard {
			inLog[i.n]++
			for _, sub := range u.b.subs {
				if sub.Filter == "a" && i.topic != "a" {
					continue
				}
				w := which{i.n, sub.Filter}
				switch got, exactly := u.c.got[w], i.qos == 2 && sub.QoS == 2; {
				case got == 0 && u.lost[i.n]:
				case got == 0:
					u.t.Errorf("message %d never arrived for %s", i.n, sub.Filter)
				case exactly && got != 1:
					u.t.Errorf("message %d at QoS 2 arrived %d times for %s", i.n, got, sub.Filter)
				}
			}
		}
	}
	for _, s := range u.c.sent {
		switch n := inLog[s.n]; {
		case s.topic == "x":
		case s.refused && n > 0:
			u.t.Errorf("message %d was refused and is in the log", s.n)
		case !s.refused && n == 0:
			u.t.Errorf("message %d from the client is lost", s.n)
		case s.qos == 2 && n > 1:
			u.t.Errorf("message %d from the client at QoS 2 is in the log %d times", s.n, n)
		}
	}
	if !u.trouble { // behind an append that fails, others succeed
		u.inOrder()
	}
}

// inOrder checks that the client's messages came into the log in their order,
// by topic and QoS, at QoS 1 as far as they came there first.
func (u *universe) inOrder() {
	mine, last := map[int]bool{}, map[string]int{}
	for _, s := range u.c.sent {
		mine[s.n] = true
	}
	for _, shard := range u.log {
		for _, i := range shard {
			if key := fmt.Sprint(i.topic, i.qos); mine[i.n] && i.n > last[key] {
				last[key] = i.n
			} else if mine[i.n] && i.qos == 2 {
				u.t.Errorf("message %d from the client came into the log after %d", i.n, last[key])
			}
		}
	}
}

// peer is the client. It keeps its session whatever happens.
type peer struct {
	u       *universe
	table   map[uint16]which // QoS 2 messages that came and aren't released
	got     map[which]int
	latest  map[string]uint64 // by topic, filter and QoS the position of the newest message
	sending []*sending        // not yet acknowledged, in order
	sent    []*sending
}

// sending is a message from the client.
type sending struct {
	packet
	rel     bool // PUBREC has come
	refused bool
}

func (c *peer) send(p packet) {
	if c.u.b.online {
		c.u.b.toServer = append(c.u.b.toServer, p)
	}
}

func (c *peer) publish() {
	used := map[uint16]bool{}
	for _, s := range c.sending {
		used[s.id] = true
	}
	id := uint16(1)
	for used[id] {
		id++
	}
	if id > 5 {
		return
	}
	c.u.made++
	s := &sending{packet: packet{
		kind: mqtt.TypePublish, id: id, qos: mqtt.QoS(1 + c.u.r.IntN(2)), n: c.u.made, topic: string("abcx"[c.u.r.IntN(4)]),
	}}
	c.sending, c.sent = append(c.sending, s), append(c.sent, s)
	c.send(s.packet)
}

// connected repeats what has no acknowledgement.
func (c *peer) connected() {
	for _, s := range c.sending {
		p := s.packet
		if p.dup = true; s.rel {
			p = packet{kind: mqtt.TypePubrel, id: s.id}
		}
		c.send(p)
	}
}

// reads handles the oldest packet from the broker.
func (c *peer) reads() {
	b := c.u.b
	if len(b.toClient) == 0 {
		return
	}
	p := b.toClient[0]
	b.toClient = b.toClient[1:]
	switch p.kind {
	case mqtt.TypePublish:
		c.receive(p)
	case mqtt.TypePubrel:
		delete(c.table, p.id)
		c.send(packet{kind: mqtt.TypePubcomp, id: p.id})
	default:
		c.acknowledged(p)
	}
}

func (c *peer) receive(p packet) {
	answer := mqtt.TypePuback
	if p.qos == 2 {
		answer = mqtt.TypePubrec
		if known, dup := c.table[p.id]; dup {
			if known != p.what {
				c.u.t.Fatalf("%v comes under packet identifier %d, which %v still has: it is lost", p.what, p.id, known)
			}
			c.send(packet{kind: answer, id: p.id})
			return
		}
		c.table[p.id] = p.what
	}
	if c.got[p.what]++; c.got[p.what] == 1 {
		c.first(p)
	} else if p.qos == 2 {
		c.u.t.Fatalf("%v arrives again", p.what)
	}
	c.send(packet{kind: answer, id: p.id})
}

// first checks the order of messages that arrive for the first time.
func (c *peer) first(p packet) {
	if p.at.Zero() {
		return
	}
	key := fmt.Sprint(p.topic, p.what.filter, p.qos)
	if p.at.Seq <= c.latest[key] {
		c.u.t.Fatalf("%v, which is at %d in the log, came after the one at %d", p.what, p.at.Seq, c.latest[key])
	}
	c.latest[key] = p.at.Seq
}

func (c *peer) acknowledged(p packet) {
	for at, s := range c.sending {
		if s.id != p.id {
			continue
		}
		ends := false
		switch {
		case p.kind == mqtt.TypePuback && s.qos == 1:
			ends = true
		case p.kind == mqtt.TypePubrec && s.qos == 2 && p.code.Failed() && !s.rel:
			ends, s.refused = true, true
		case p.kind == mqtt.TypePubrec && s.qos == 2 && !p.code.Failed():
			s.rel = true
			c.send(packet{kind: mqtt.TypePubrel, id: p.id})
		case p.kind == mqtt.TypePubcomp && s.rel:
			ends = true
		default:
			c.u.t.Fatalf("%v %v comes for message %d, which doesn't wait for it: %+v", p.kind, p.code, s.n, *s)
		}
		if ends {
			c.sending = append(c.sending[:at], c.sending[at+1:]...)
		}
		return
	}
	if p.kind == mqtt.TypePubrec {
		c.send(packet{kind: mqtt.TypePubrel, id: p.id, code: mqtt.PacketIdentifierNotFound})
	}
}

func TestCrashes(t *testing.T) {
	lives := 400
	if testing.Short() {
		lives = 50
	}
	for _, cfg := range []Config{
		{MaxInflight: 4, RetryInterval: 3 * time.Second},
		{MaxInflight: 32, AwaitRelTimeout: time.Hour},
		{MqueuePriorities: map[string]int{"a": 2}, MqueueDefaultPriority: "lowest"},
	} {
		r := newRand(t)
		for i := range lives {
			u := &universe{t: t, r: r, cfg: &cfg, now: epoch, trouble: i%2 == 1, lost: map[int]bool{}}
			u.c = &peer{u: u, table: map[uint16]which{}, got: map[which]int{}, latest: map[string]uint64{}}
			u.boot()
			for range 1500 {
				u.step()
			}
			u.settle()
			u.judge()
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}
