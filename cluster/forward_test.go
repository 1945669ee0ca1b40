package cluster

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// messaging is a node with everything that takes messages to others, and with a
// broker as plain as it can be.
type messaging struct {
	*routed
	name    string // of the publisher here: this start of the node
	forward *Forwarder
	inbox   *Inbox
	groups  *Groups
	box     *Outbox

	got     map[string][]uint64 // by publisher, the numbers of messages that plain subscribers got
	members map[[2]string][]*miniMember
	turn    int
	said    map[string]uint64 // by topic, the number of the last message published here

	strategy broker.Strategy
	acks     func(r *messaging, m *miniMember, publisher string, number uint64)
}

// miniMember is a client in a shared group.
type miniMember struct {
	name   string
	online bool
	got    []string
}

func startMessaging(t *testing.T, s *sim, id string) *messaging {
	r := &messaging{
		routed: startRouted(t, s, id), got: map[string][]uint64{}, members: map[[2]string][]*miniMember{}, said: map[string]uint64{},
		strategy: broker.RoundRobin, name: fmt.Sprintf("%s@%d", id, s.now),
	}
	n := r.node
	n.runs = r
	epoch := uint64(s.now)
	r.forward = NewForwarder(ForwardOptions{
		Network: n, Table: r.routes.Table(), Log: quiet, Epoch: epoch,
		Wake: func(node string) { r.soon(0, func() { r.forward.Pump(node) }) },
	})
	r.groups = NewGroups(GroupsOptions{
		Self: id, Routes: r.routes, Forwarder: r.forward, Receiver: r,
		Strategy: func(string) broker.Strategy { return r.strategy },
		Wake:     func() { r.soon(0, func() { r.groups.Redispatch() }) },
	})
	r.inbox = NewInbox(InboxOptions{
		Network: n, Log: quiet, Epoch: epoch, Receiver: func() Receiver { return r }, Stats: &r.forward.Stats,
		Wake: func() { r.soon(confirmTime, r.confirm) },
	})
	r.box = r.forward.NewOutbox()
	var tick func()
	tick = func() {
		r.forward.Tick(s.now)
		r.inbox.Tick(s.now)
		r.soon(500, tick)
	}
	r.soon(1, tick)
	return r
}

// soon does something later, if the node is still there.
func (r *messaging) soon(ms int64, do func()) {
	r.node.sim.after(ms, func() {
		if r.node.alive() {
			do()
		}
	})
}

func (r *messaging) confirm() {
	if next := r.inbox.Tick(r.node.sim.now); next > 0 {
		r.soon(next-r.node.sim.now, r.confirm)
	}
}

func (r *messaging) receive(from, kind string, data []byte) {
	var err error
	switch kind {
	case KindForward:
		err = r.inbox.Receive(from, data, r.node.sim.now)
	case KindConfirm:
		err = r.forward.Receive(from, data)
	default:
		r.routed.receive(from, kind, data)
	}
	if err != nil {
		r.t.Errorf("%s: %v", r.node.id, err)
	}
}

func (r *messaging) up(node string) {
	r.forward.Up(node)
	r.routed.up(node)
}

func (r *messaging) down(node string) {
	r.routed.down(node)
	r.groups.Down(node)
}

// publish sends the next message of this node's publisher.
func (r *messaging) publish(name string, qos mqtt.QoS, size int) {
	r.said[name]++
	m := &mqtt.Message{Topic: name, From: r.name, QoS: qos, Payload: binary.BigEndian.AppendUint64(make([]byte, 0, 8+size), r.said[name])}
	m.Payload = m.Payload[:8+size]
	r.Deliver(m)
	var matches Matches
	r.routes.Table().Match(name, &matches)
	r.box.Add(matches.Plain, m)
	decided := map[[2]string]bool{}
	for key, members := range r.members {
		if topic.Match(key[0], name) && len(members) > 0 {
			decided[key] = true
			if !r.groups.Dispatch(r.box, m, key[0], key[1], len(members), online(members)) {
				r.Dispatch(m, key[0], key[1], func(bool) {})
			}
		}
	}
	for _, g := range matches.Groups {
		if !decided[[2]string{g.Filter, g.Shares[0].Name}] {
			r.groups.Forward(r.box, m, g)
		}
	}
	clear(m.Payload) // it was borrowed
	r.box.Flush()
}

// number is that of a message that publish has sent.
func number(m *mqtt.Message) uint64 {
	if len(m.Payload) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(m.Payload)
}

// End is Receiver's.
func (r *messaging) End() {}

// Deliver is Receiver's.
func (r *messaging) Deliver(m *mqtt.Message) {
	for filter, n := range r.plain {
		if n > 0 && topic.Match(filter, m.Topic) {
			key := m.From + " " + m.Topic
			r.got[key] = append(r.got[key], number(m))
			return
		}
	}
}

func (r *messaging) join(filter, group, name string, isOnline bool) *miniMember {
	m := &miniMember{name: name, online: isOnline}
	key := [2]string{filter, group}
	r.members[key] = append(r.members[key], m)
	r.group(filter, group, len(r.members[key]), online(r.members[key]))
	return m
}

func online(members []*miniMember) (n int) {
	for _, m := range members {
		if m.online {
			n++
		}
	}
	return n
}

// Dispatch is Receiver's: a member acknowledges after a while, if its node still
// stands.
func (r *messaging) Dispatch(m *mqtt.Message, filter, group string, done func(bool)) bool {
	members := r.members[[2]string{filter, group}]
	if len(members) == 0 {
		return false
	}
	r.turn++
	to := members[r.turn%len(members)]
	n, from := number(m), m.From
	r.soon(r.node.sim.rng.Int64N(50), func() {
		to.got = append(to.got, fmt.Sprint(from, " ", n))
		if r.acks != nil {
			r.acks(r, to, from, n)
		}
		done(true)
	})
	return true
}

func (f *ForwardStats) dropped() uint64 { return f.Slow.Value() + f.Gone.Value() + f.TooLarge.Value() }

// TestForward: without faults every node gets every message that it has
// subscribers for once, in order, whatever its size.
func TestForward(t *testing.T) {
	s := newSim(1)
	var nodes []*messaging
	for i := range 4 {
		r := startMessaging(t, s, fmt.Sprint("n", i))
		r.subscribe("a/+", false)
		r.subscribe("a/b", true) // both match, and it comes once
		nodes = append(nodes, r)
	}
	nodes[3].unsubscribe("a/+")
	s.run(3000)
	sizes := []int{0, 100, 5_000, maxBatch - 100, maxBatch, 3 * maxBatch}
	for range 400 {
		r := nodes[s.rng.IntN(len(nodes))]
		r.publish([]string{"a/b", "a/c", "x"}[s.rng.IntN(3)], mqtt.QoS(s.rng.IntN(3)), sizes[s.rng.IntN(len(sizes))])
		s.run(s.rng.Int64N(3))
	}
	s.run(3000)
	for i, r := range nodes {
		for _, from := range nodes {
			for name, last := range from.said {
				want := last
				if name == "x" || i == 3 && name == "a/c" {
					want = 0
				}
				got := r.got[from.name+" "+name]
				if uint64(len(got)) != want || !slices.IsSorted(got) || want > 0 && got[want-1] != want {
					t.Errorf("%s has %d messages of %s to %s in order %v, want %d", r.node.id, len(got), from.node.id, name, slices.IsSorted(got), want)
				}
			}
		}
		if st := r.forward.stream("n0"); i != 0 && (st.sent != st.confirmed || st.sent.messages == 0) {
			t.Errorf("of %+v sent %+v is confirmed", st.sent, st.confirmed)
		}
		if n := r.forward.Stats.dropped() + r.forward.Stats.Lost.Value() + r.forward.Stats.Missed.Value(); n != 0 {
			t.Errorf("%s has dropped or lost %d", r.node.id, n)
		}
	}
}

// TestForwardAccounts: of what is lost nothing is lost without being counted,
// nothing comes twice, and the order stays.
func TestForwardAccounts(t *testing.T) {
	for seed := range uint64(12) {
		s := newSim(seed)
		s.loss = 0.1
		faults := seed%2 == 1
		ids := []string{"n0", "n1", "n2"}
		nodes := map[string]*messaging{}
		var all []*messaging
		start := func(id string) {
			nodes[id] = startMessaging(t, s, id)
			nodes[id].subscribe("#", false)
			all = append(all, nodes[id])
		}
		for _, id := range ids {
			start(id)
		}
		s.run(8000)
		for range 300 {
			id := ids[s.rng.IntN(3)]
			nodes[id].publish("t", 1, []int{10, 1000, 2 * maxBatch}[s.rng.IntN(3)])
			s.run(s.rng.Int64N(10))
			switch {
			case !faults:
			case s.rng.IntN(60) == 0:
				start(id)
			case s.rng.IntN(40) == 0:
				s.split(ids[:1], ids[1:])
			case s.rng.IntN(20) == 0:
				s.split()
			}
		}
		s.split()
		s.loss = 0
		s.run(8000)
		var forwarded, received, missed, lost uint64
		for _, r := range all {
			st := &r.forward.Stats
			forwarded, received, missed, lost = forwarded+st.Forwarded.Value(), received+st.Received.Value(), missed+st.Missed.Value(), lost+st.Lost.Value()
			for from, got := range r.got {
				for i := 1; i < len(got); i++ {
					if got[i] <= got[i-1] {
						t.Errorf("seed %d: %s got %d after %d of %s", seed, r.node.id, got[i], got[i-1], from)
					}
				}
			}
		}
		if !faults && (forwarded != received+missed || lost != 0 || missed == 0) || faults && (received > forwarded || received+missed+lost < forwarded) {
			t.Errorf("seed %d: forwarded %d, received %d, missed %d, lost %d", seed, forwarded, received, missed, lost)
		}
	}
}

// TestForwardBounds: a node that confirms nothing gets no more than there is
// room for, and what was for one that has gone is counted.
func TestForwardBounds(t *testing.T) {
	s := newSim(3)
	a, b := startMessaging(t, s, "a"), startMessaging(t, s, "b")
	a.forward.room = 10_000
	b.subscribe("#", false)
	s.run(3000)
	s.cut[[2]string{"b", "a"}] = true // b's confirmations are lost
	for range 20 {
		a.publish("t", 0, 1000)
		s.run(100)
	}
	if got, slow := len(b.got[a.name+" t"]), a.forward.Stats.Slow.Value(); got != 9 || slow != 11 {
		t.Errorf("b got %d, %d dropped", got, slow)
	}
	clear(s.cut)
	s.run(5_000)
	a.publish("t", 0, 1000)
	a.publish("t", 0, 20_000)
	s.run(100)
	if got, large := len(b.got[a.name+" t"]), a.forward.Stats.TooLarge.Value(); got != 10 || large != 1 {
		t.Errorf("b got %d, %d too large", got, large)
	}
	s.stop("b")
	a.publish("t", 0, 10) // sent, and nobody knows yet
	s.run(100)
	a.publish("t", 0, 10)
	a.down("b")
	if lost, gone := a.forward.Stats.Lost.Value(), a.forward.Stats.Gone.Value(); lost != 1 || gone != 1 {
		t.Errorf("%d lost, %d not sent", lost, gone)
	}
	a.box.Add(^Nodes(0), full()) // of slots without a node
	if gone := a.forward.Stats.Gone.Value(); gone != 1+maxSlots {
		t.Errorf("%d not sent", gone)
	}
}

// TestForwardForgets: who is no member any more is told nothing, though what
// became of its messages has not been seen.
func TestForwardForgets(t *testing.T) {
	s := newSim(1)
	a, b := startMessaging(t, s, "a"), startMessaging(t, s, "b")
	b.join("t", "g", "member", true)
	s.run(3000)
	s.cut[[2]string{"b", "a"}] = true
	a.publish("t", 1, 10)
	s.run(1000)
	if from := b.inbox.senders["a"]; from == nil || len(from.results) != 1 {
		t.Fatalf("b has %+v of a", from)
	}
	s.stop("a")
	b.inbox.Forget("a")
	if next := b.inbox.Tick(s.now); next != 0 {
		t.Errorf("b has something to say at %d, it is %d", next, s.now)
	}
}

// TestForwardRefuse: what is no batch or no confirmation changes nothing.
func TestForwardRefuse(t *testing.T) {
	s := newSim(4)
	a := startMessaging(t, s, "a")
	refused := func(kind string, data string) {
		t.Helper()
		var err error
		if kind == KindForward {
			err = a.inbox.Receive("b", []byte(data), 0)
		} else {
			err = a.forward.Receive("b", []byte(data))
		}
		if err == nil {
			t.Errorf("%s %q is taken", kind, data)
		}
	}
	head := string(appendBatch(nil, &batch{stream: 1}))
	refused(KindForward, "")
	refused(KindForward, "\x02"+head[1:])
	refused(KindForward, "\x01\x07"+head[2:])
	refused(KindForward, head[:4])
	refused(KindForward, head+"\x00\x00\x00\x00\x00")
	refused(KindForward, string(appendBatch(nil, &batch{stream: 2}))+"\xff\xff\xff\xff\x00")
	refused(KindForward, string(appendBatch(nil, &batch{stream: 3}))+"\x00\x00\x00\x02\x01\x00")
	refused(KindForward, string(appendBatch(nil, &batch{stream: 4}))+"\x00\x00\x00\x01\x09")
	refused(KindConfirm, "\x01\x01\x01")
	refused(KindConfirm, "\x01\x02\x01\x01\x01\x01\x01\x00")
	if len(a.got) > 0 {
		t.Error(a.got)
	}
}

func FuzzForward(f *testing.F) {
	record := endRecord(appendMessage(beginRecord(nil, recordPlain), full()), 0)
	guardedRecord := endRecord(appendMessage(fields.AppendText(fields.AppendText(beginRecord(nil, recordGuarded), "g"), "a/+"), full()), 0)
	f.Add(append(appendBatch(nil, &batch{stream: 1}), record...))
	f.Add(append(appendBatch(nil, &batch{stream: 1, position: position{5, 1}, guarded: 1, skip: 3, skipped: true}), guardedRecord...))
	f.Add(appendBatch(nil, &batch{stream: 9, receiver: 3, results: 7}))
	f.Add(appendConfirm(nil, &confirm{stream: 1_000_001, receiver: 4, results: []result{{1, fateKept}, {2, fateLost}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newSim(1)
		a := startMessaging(t, s, "a")
		a.subscribe("#", false)
		a.join("a/+", "g", "m", true)
		a.forward.Up("b")
		a.box.direct("b", "f", "g", full(), &guarded{m: full()})
		a.box.Flush()
		for range 2 {
			if a.inbox.Receive("b", data, s.now) == nil {
				s.run(100)
			}
			if a.forward.Receive("b", data) == nil {
				s.run(100)
			}
		}
	})
}

// sink is a network that takes everything.
type sink struct{ bytes int }

func (s *sink) Send(_, _ string, data []byte) error {
	s.bytes += len(data)
	return nil
}

func BenchmarkForward(b *testing.B) {
	for _, nodes := range []int{1, 4} {
		b.Run(fmt.Sprintf("to %d nodes", nodes), func(b *testing.B) {
			var net sink
			table := newTable()
			f := NewForwarder(ForwardOptions{Network: &net, Table: table, Log: quiet, Epoch: 1, Room: 1 << 62, Wake: func(string) {}})
			var to Nodes
			for i := range nodes {
				at, _ := table.take(fmt.Sprint("n", i))
				to |= at.bit()
				f.Up(fmt.Sprint("n", i))
			}
			m := full()
			m.Props, m.ExpiresAt, m.Payload = nil, 0, make([]byte, 128)
			box := f.NewOutbox()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				box.Add(to, m)
				if n++; n%64 == 0 {
					box.Flush()
					for i := range nodes {
						f.Pump(fmt.Sprint("n", i))
					}
				}
			}
		})
	}
}
