package broker

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// pair is two brokers that are nodes of one cluster, of which a test itself is
// the network.
func pair(t *testing.T, set ...func(*Options)) (a, b *rig) {
	a, b = newRig(t, set...), newRig(t, set...)
	for _, r := range []*rig{a, b} {
		o := newOthers(t)
		o.zone = r.zone
		r.SetCluster(o.cluster())
	}
	return a, b
}

// move moves a session and tells on its old node what follows from that.
func move(from, to *rig, id string) {
	from.Helper()
	state, wait, then := from.Detach(id)
	if then != nil {
		then()
	}
	if wait || state == nil {
		from.Fatalf("%s can't be moved: %v", id, wait)
	}
	if err := to.Adopt(id, state); err != nil {
		from.Fatal(err)
	}
}

func TestMove(t *testing.T) {
	a, b := pair(t)
	events := a.listen()
	p := a.connect("p")
	s := a.connect("s", v5, expiry(100), window(2), will("gone", 0), mounted("m/"))
	s.subscribe("m/t", 1).subscribe("$share/g/m/x", 2)
	s.subscribeIn(a.batch, "m/own/#", mqtt.SubscribeOptions{QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}, 9)
	for i := range 5 {
		p.publish("m/t", fmt.Sprint(i), 1)
	}
	if _, err := s.client.Received(a.batch, s.fakeConn, 17); err != nil {
		t.Fatal(err)
	}
	events.all = nil
	queued := s.client.Status()
	move(a, b, "s")
	if end := s.ending(); end != endTakenOver {
		t.Errorf("the connection ended with %v", end)
	}
	events.want(t, "session taken over s takeovered")
	a.balances()
	if a.Client("s") != nil || a.metric("subscriptions.count") != 0 || a.metric("connections.count") != 1 || a.Ledger().Queued != 0 {
		t.Errorf("something of s is left: %+v", a.Ledger())
	}
	p.publish("m/t", "to nobody", 1) // its routes are still there
	c := b.Client("s")
	if c.Connected() || !reflect.DeepEqual(filtersOf(c), []string{"$share/g/m/x", "m/own/#", "m/t"}) {
		t.Errorf("the session has %v", filtersOf(c))
	}
	now := c.Status()
	if now.Created != queued.Created || now.Inflight != queued.Inflight || now.Queued != queued.Queued || now.AwaitingRel != 1 || now.ExpiryInterval != 100 {
		t.Errorf("it was %+v and is %+v", queued, now)
	}
	b.balances()
	back := b.connect("s", v5, expiry(100), mounted("m/"))
	if !back.present {
		t.Error("the session is not present")
	}
	back.wants("t=0 dup", "t=1 dup", "t=2", "t=3", "t=4")
	b.DeliverRemote(b.batch, &mqtt.Message{Topic: "m/own/1", From: "s"})
	b.DeliverRemote(b.batch, &mqtt.Message{Topic: "m/own/2", From: "q", Retain: true, Payload: []byte("x")})
	back.wants("own/2=x retain")
	if dup, err := back.client.Received(b.batch, back.fakeConn, 17); !dup || err != nil {
		t.Errorf("a QoS 2 message that was received already: %v %v", dup, err)
	}
	b.Kick(b.batch, "s") // its will has gone with the old connection
	b.balances()
	a.balances()
	if l := b.Ledger(); l.MovedIn != 3 || a.Ledger().MovedOut != 3 {
		t.Errorf("%+v", l)
	}
}

func filtersOf(c *Client) (all []string) {
	for sub := range c.Subscriptions() {
		all = append(all, sub.Filter)
	}
	slices.Sort(all)
	return all
}

// TestMoveAway moves sessions without a connection: nothing is told, and a will
// that waits for its delay goes along.
func TestMoveAway(t *testing.T) {
	a, b := pair(t)
	watcher := b.connect("watcher").subscribe("gone", 0)
	s := a.connect("s", v5, expiry(100), will("gone", 50)).subscribe("t", 1)
	s.close("closed")
	events := a.listen()
	move(a, b, "s")
	events.want(t)
	if w := b.Client("s").sess.Will(); w == nil || w.Delay != 50 || w.Msg.Topic != "gone" {
		t.Errorf("the will is %+v", w)
	}
	b.Kick(b.batch, "s")
	watcher.wants("gone=will of s")
	if state, wait, _ := b.Detach("s"); state != nil || wait {
		t.Error("there is nothing any more")
	}
	if err := b.Adopt("x", nil); err == nil {
		t.Error("nothing is no session")
	}
	b.connect("there")
	state, _, _ := b.Detach("there")
	b.connect("there")
	if err := b.Adopt("there", state); err == nil {
		t.Error("there is one already")
	}
	b.balances()
}

func TestDiscardForOthers(t *testing.T) {
	a, _ := pair(t)
	events := a.listen()
	watcher := a.connect("watcher").subscribe("gone", 0)
	s := a.connect("s", expiry(100), will("gone", 0)).subscribe("t", 1)
	a.publishSys(a.batch, "t", nil, 1, false)
	events.all = nil
	wait, then := a.Discard("s")
	then()
	if wait || s.ending() != endDiscarded || a.Client("s") != nil {
		t.Errorf("%v %v", wait, s.ending())
	}
	events.want(t, "session discarded s discarded")
	watcher.wants() // as when it is discarded here
	if wait, then := a.Discard("s"); wait || then != nil {
		t.Error("it is gone")
	}
	a.balances()
}

func TestClaim(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	opening := func(id string, with ...how) (*Opening, *peer) {
		p := &peer{rig: r, fakeConn: new(fakeConn)}
		op := &Opening{Conn: p.fakeConn, Zone: r.zone, Ask: &hook.ConnInfo{Client: &hook.ClientInfo{ClientID: id, Listener: new(hook.ListenerInfo)}, ReceiveMaximum: 65535}}
		for _, f := range with {
			f(op)
		}
		op.Accept = func(c *Client, present bool) { p.client, p.present = c, present }
		return op, p
	}
	answered := 0
	done := func() { answered++ }
	opened := func(want ...string) {
		t.Helper()
		o.mu.Lock()
		defer o.mu.Unlock()
		if !slices.Equal(o.opened, want) {
			t.Errorf("opened were %v, want %v", o.opened, want)
		}
		o.opened = nil
	}
	op, _ := opening("c")
	if r.Claim(op, done) || r.Clustered() {
		t.Error("there is nobody to ask")
	}
	r.SetCluster(o.cluster())
	if o.says = ClaimAlone; r.Claim(op, done) || r.Open(r.batch, op) == nil {
		t.Error("there is still nobody to ask")
	}
	opened()

	// The session is here: it may be resumed, not made.
	o.says = ClaimHere
	op, p := opening("c", expiry(10))
	if r.Claim(op, done) || r.Open(r.batch, op) == nil || !p.present {
		t.Error("the session is here")
	}
	op, _ = opening("other")
	if r.Claim(op, done) || r.Open(r.batch, op) != nil || r.Client("other") != nil {
		t.Error("the session is not here, whatever was said before")
	}
	opened()

	o.says = ClaimAsked
	op, _ = opening("d")
	if !r.Claim(op, done) || answered > 0 || op.Outbid() {
		t.Error("the others are asked")
	}
	o.claim(false)
	if answered != 1 || op.Outbid() || r.Open(r.batch, op) == nil {
		t.Error("it was granted")
	}
	op.Release() // too late
	opened("d")

	op, _ = opening("e")
	r.Claim(op, done)
	o.claim(true)
	if answered != 2 || !op.Outbid() {
		t.Error("it was not granted")
	}
	op.Release()
	opened()

	op, _ = opening("f")
	r.Claim(op, done)
	o.claim(false)
	op.Release() // before Open
	op.Release()
	opened("f")

	op, _ = opening("g")
	r.Claim(op, done)
	op.Release() // before the answer
	o.claim(false)
	if answered != 3 {
		t.Error("nobody wants to know that")
	}
	eventually(t, "the claim is given up", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.opened) == 1
	})
	opened("g")
	r.Kick(r.batch, "d")
	if !slices.Contains(o.ended, "d") {
		t.Errorf("the ends of %v were told", o.ended)
	}
}

// randomMoved is a session with something of everything, at random.
func randomMoved(rnd *rand.Rand) *movedSession {
	text := func(what string) string { return fmt.Sprint(what, rnd.IntN(5)) }
	m := &movedSession{session: durable.Session{ClientID: "c", Created: rnd.Int64N(1e13), OfflineAt: rnd.Int64N(1e13), ExpiryInterval: rnd.Uint32(), Node: "n", Username: text("u")}}
	m.state = &session.State{LastID: uint16(rnd.IntN(65536))}
	sub := func(i int) session.Subscription {
		return session.Subscription{Filter: fmt.Sprint("f/", i), ID: rnd.Uint32() >> 4, SubscribeOptions: mqtt.SubscribeOptions{QoS: mqtt.QoS(i % 3), NoLocal: i%2 == 0}}
	}
	var subs []session.Subscription
	for i := range rnd.IntN(4) {
		s := sub(i)
		subs = append(subs, s)
		m.session.Subscriptions = append(m.session.Subscriptions, durable.Subscription{Filter: s.Filter, SubscribeOptions: s.SubscribeOptions, ID: s.ID})
		m.state.Subscriptions = append(m.state.Subscriptions, &s)
	}
	subs = append(subs, sub(10), sub(11)) // which are gone
	delivery := func(bare bool) session.Delivery {
		d := session.Delivery{QoS: mqtt.QoS(rnd.IntN(3)), Retain: rnd.IntN(2) == 0}
		if n := rnd.IntN(len(subs) + 1); n < len(subs) {
			d.Sub = &subs[n]
		}
		if !bare {
			d.Msg = (&mqtt.Message{Topic: text("t/"), Payload: []byte(text("p")), From: text("x"), QoS: 1, Timestamp: rnd.Int64N(1e12), Retain: rnd.IntN(2) == 0}).Own()
			if rnd.IntN(2) == 0 {
				d.Msg = d.Msg.Placed(mqtt.At{Shard: rnd.IntN(9), Seq: rnd.Uint64N(1e9) + 1})
			}
		}
		return d
	}
	for range rnd.IntN(4) {
		m.state.Inflight = append(m.state.Inflight, session.InflightState{ID: uint16(rnd.IntN(65536)), SentAt: rnd.Int64N(1e13), Delivery: delivery(rnd.IntN(3) == 0)})
		m.state.Queue = append(m.state.Queue, delivery(false))
		m.state.AwaitingRel = append(m.state.AwaitingRel, session.AwaitingState{ID: uint16(rnd.IntN(65536)), Since: rnd.Int64N(1e13)})
	}
	m.state.Tally.Delivered, m.state.Tally.Dropped[2] = rnd.Uint64(), rnd.Uint64()
	if rnd.IntN(2) == 0 {
		m.place = &movedPlace{epoch: rnd.Uint64(), chunks: rnd.IntN(9), layout: rnd.Uint32(), missed: rnd.Int64N(100), cut: rnd.IntN(2) == 0}
		m.state.Durable = &session.DurableState{Read: []uint64{rnd.Uint64(), 3}, LastFlow: rnd.Uint64()}
		m.state.Durable.Flows = append(m.state.Durable.Flows, session.FlowState{ID: 3, Num: rnd.Uint64(), From: mqtt.At{Shard: 2, Seq: 9}, Logged: true})
	}
	return m
}

func gobOf(t testing.TB, m *movedSession) []byte {
	t.Helper()
	m.state.Created, m.state.OfflineAt, m.state.ExpiryInterval = m.session.Created, m.session.OfflineAt, m.session.ExpiryInterval
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(m.state); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMovedEncoding(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		m := randomMoved(rnd)
		record := encodeMoved(m)
		back, err := parseMoved("c", record)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(gobOf(t, m), gobOf(t, back)) || !reflect.DeepEqual(m.place, back.place) || back.session.Username != m.session.Username {
			t.Fatalf("got %+v of %+v, want %+v of %+v", back.state, back.session, m.state, m.session)
		}
		for n := range record {
			if _, err := parseMoved("c", record[:n]); err == nil {
				t.Fatalf("%d of %d bytes are no session", n, len(record))
			}
		}
		if _, err := parseMoved("c", append(record, 0)); err == nil {
			t.Fatal("there is something behind it")
		}
	}
}

func FuzzMoved(f *testing.F) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		f.Add(encodeMoved(randomMoved(rnd)))
	}
	f.Add([]byte{})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, record []byte) {
		m, err := parseMoved("c", record)
		if err != nil {
			return
		}
		again, err := parseMoved("c", encodeMoved(m))
		if err != nil || !bytes.Equal(gobOf(t, m), gobOf(t, again)) {
			t.Errorf("%v: got %+v, want %+v", err, again, m)
		}
	})
}

// roam has the client connect to one of its brokers from now on, with its session.
func (k *keeper) roam() {
	if k.roams == nil {
		return
	}
	to := k.roams[k.rnd.IntN(len(k.roams))]
	if to == k.rig {
		return
	}
	for wait := k.now != nil; wait; {
		var state []byte
		var then func()
		if state, wait, then = k.Detach(k.id); then != nil {
			then()
		}
		if wait {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		if err := to.Adopt(k.id, state); err != nil {
			k.Errorf("%s can't be moved: %v", k.id, err)
		}
	}
	k.rig, k.batch = to, to.NewBatch()
}

// TestRoamingCrowd: durable sessions move between brokers at any moment, and each
// gets each message once, in order, whoever has published it.
func TestRoamingCrowd(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			t.Parallel()
			c := newFakeCluster(t, 3, shards)
			var rigs []*rig
			for _, n := range c.nodes {
				rigs = append(rigs, n.rig)
			}
			var keepers []*keeper
			for i, subs := range []map[string]mqtt.QoS{{"t/#": 1}, {"t/#": 2}, {"t/1": 2}, {"t/1": 1, "#": 2}} {
				k := rigs[i%3].keeper(fmt.Sprint("keeper", i), uint64(i), subs)
				k.connect()
				k.roams = rigs
				keepers = append(keepers, k)
			}
			c.quiet()
			var publishing sync.WaitGroup
			var mu sync.Mutex
			var all []*mqtt.Message
			for i, r := range rigs {
				publishing.Go(func() {
					mine := keepers
					if i > 0 {
						mine = nil
					}
					some := r.liveOn(mine, 400, fmt.Sprint("p", i))
					mu.Lock()
					defer mu.Unlock()
					all = append(all, some...)
				})
			}
			publishing.Wait()
			c.quiet()
			moved := uint64(0)
			for _, k := range keepers {
				k.finish()
				k.check(all)
			}
			c.quiet()
			c.balance()
			for _, r := range rigs {
				moved += r.Ledger().MovedIn - r.Ledger().MovedOut
			}
			if moved != 0 {
				t.Errorf("%d deliveries were lost between two brokers", -int64(moved))
			}
		})
	}
}
