package broker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// others is a cluster as a broker under test sees it: it counts what it is told,
// and remembers what it is given.
type others struct {
	testing.TB
	mu     sync.Mutex
	plain  map[string]int
	log    map[string]int
	groups map[GroupKey][2]int

	wanted  []string              // filters that other nodes have
	members map[GroupKey][2]int   // of other nodes
	takes   func(g GroupKey) bool // what Dispatch says; nil: false
	got     []string
	asked   []string
	flushed int

	zone   *Zone
	says   Claimed           // to a claim
	claim  func(outbid bool) // the answer to the last one
	opened []string
	ended  []string
}

func newOthers(t testing.TB) *others {
	return &others{TB: t, zone: new(Zone), plain: map[string]int{}, log: map[string]int{}, groups: map[GroupKey][2]int{}, members: map[GroupKey][2]int{}}
}

func (o *others) cluster() *Cluster {
	return &Cluster{Routes: o, Peers: o, Claims: o, Zone: func(string) *Zone { return o.zone }}
}

func (o *others) add(filter string, durable bool, by int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.plain
	if durable {
		all = o.log
	}
	all[filter] += by
	if all[filter] < 0 {
		o.Errorf("%s (durable: %v) is removed more often than it was added", filter, durable)
	}
	if all[filter] == 0 {
		delete(all, filter)
	}
}

func (o *others) Added(filter string, durable bool)   { o.add(filter, durable, 1) }
func (o *others) Removed(filter string, durable bool) { o.add(filter, durable, -1) }

func (o *others) Group(filter, group string, members, online int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := GroupKey{group, filter}
	if o.groups[key] = [2]int{members, online}; members == 0 {
		delete(o.groups, key)
		if online != 0 {
			o.Errorf("%v has ended with %d members connected", key, online)
		}
	}
}

func (o *others) Forward(b *Batch, m *mqtt.Message, decided []GroupKey) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.Outbox = o
	for _, filter := range o.wanted {
		if topic.Match(filter, m.Topic) {
			n = 1
		}
	}
	if n > 0 {
		o.got = append(o.got, m.Topic+"="+string(m.Payload))
	}
	for key := range o.members {
		if topic.Match(key.Filter, m.Topic) && !slices.Contains(decided, key) {
			n++
			o.got = append(o.got, key.Name+" "+string(m.Payload))
		}
	}
	return n
}

func (o *others) Dispatch(_ *Batch, m *mqtt.Message, g GroupKey, members, online int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, fmt.Sprintf("%s %d/%d", g.Name, online, members))
	if o.takes == nil || !o.takes(g) {
		return false
	}
	o.got = append(o.got, g.Name+" "+string(m.Payload))
	return true
}

func (o *others) Wanted(_ *Batch, name string) (anybody, inLog bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.wanted, func(filter string) bool { return topic.Match(filter, name) }), false
}

func (o *others) Members(g GroupKey) (members, online int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.members[g][0], o.members[g][1]
}

func (o *others) Claim(_ string, _ bool, done func(outbid bool)) Claimed {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claim = done
	return o.says
}

func (o *others) Opened(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened = append(o.opened, id)
}

func (o *others) Ended(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, id)
}

func (o *others) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushed++
}

// hears checks what the others know now.
func (o *others) hears(want ...string) {
	o.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	var got []string
	for filter, n := range o.plain {
		got = append(got, fmt.Sprint(filter, " ", n))
	}
	for filter, n := range o.log {
		got = append(got, fmt.Sprint(filter, " durable ", n))
	}
	for key, n := range o.groups {
		got = append(got, fmt.Sprintf("%s:%s %d/%d", key.Name, key.Filter, n[1], n[0]))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		o.Errorf("the others know %q, want %q", got, want)
	}
}

// gets checks what has been given to the others since it was asked last.
func (o *others) gets(want ...string) {
	o.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.got, want) {
		o.Errorf("the others got %q, want %q", o.got, want)
	}
	o.got = nil
}

func TestRoutesTold(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	early := r.connect("early", expiry(100)).subscribe("a/+", 1)
	early.subscribe("$share/g/a/b", 1)
	r.connect("alone") // nothing to tell
	o.hears()
	r.SetCluster(o.cluster())
	o.hears("a/+ 1", "g:a/b 1/1")

	late := r.connect("late", expiry(100)).subscribe("a/+", 0)
	o.hears("a/+ 2", "g:a/b 1/1")
	late.subscribe("a/+", 2) // replaced
	late.subscribe("$exclusive/x", 1).subscribe("$queue/q", 1).subscribe("$share/g/a/b", 1).subscribe("$share/g/a/b", 0)
	o.hears("$queue:q 1/1", "a/+ 2", "g:a/b 2/2", "x 1")
	early.close("closed")
	o.hears("$queue:q 1/1", "a/+ 2", "g:a/b 1/2", "x 1")
	again := r.connect("early", expiry(100))
	o.hears("$queue:q 1/1", "a/+ 2", "g:a/b 2/2", "x 1")
	r.connect("early", expiry(100)) // a takeover
	o.hears("$queue:q 1/1", "a/+ 2", "g:a/b 2/2", "x 1")
	again.close("closed") // is not its connection any more
	late.unsubscribe("$share/g/a/b")
	late.unsubscribe("a/+")
	late.unsubscribe("a/+")
	o.hears("$queue:q 1/1", "a/+ 1", "g:a/b 1/1", "x 1")
	late.close("closed")
	o.hears("$queue:q 0/1", "a/+ 1", "g:a/b 1/1", "x 1")
	r.Kick(r.batch, "late")
	o.hears("a/+ 1", "g:a/b 1/1")
	r.connect("early", clean)
	o.hears()
}

func TestRoutesToldAgain(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	p := r.connect("c").subscribe("a", 0)
	r.SetCluster(o.cluster())
	r.SetCluster(nil)
	p.subscribe("b", 0).subscribe("$share/g/x", 0)
	o.hears("a 1")
	next := newOthers(t)
	r.SetCluster(next.cluster())
	next.hears("a 1", "b 1", "g:x 1/1")
	last := newOthers(t)
	r.SetCluster(last.cluster()) // without leaving the one before
	p.unsubscribe("a")
	p.unsubscribe("$share/g/x")
	next.hears("a 1", "b 1", "g:x 1/1")
	last.hears("b 1")
}

// TestRoutesToldMeanwhile joins and leaves while clients subscribe and go.
func TestRoutesToldMeanwhile(t *testing.T) {
	r := newRig(t)
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			b := r.NewBatch()
			for n := range 200 {
				p := r.connectIn(b, fmt.Sprint("c", i, n%3), expiry(uint32(n%2*100)))
				for _, filter := range []string{"a", "b/+", "$share/g/a", "$queue/" + fmt.Sprint(n%5)} {
					p.subscribeIn(b, filter, mqtt.SubscribeOptions{QoS: mqtt.QoS(n % 3)}, 0)
				}
				r.Unsubscribe(b, p.client, p.fakeConn, "a")
				if n%4 == 0 {
					p.client.Close(b, p.fakeConn, "closed", nil, true)
				}
				b.End()
			}
		})
	}
	var o *others
	for range 30 {
		o = newOthers(t)
		r.SetCluster(o.cluster())
	}
	clients.Wait()
	want := newOthers(t)
	r.SetCluster(nil)
	r.SetCluster(want.cluster())
	if !maps.Equal(o.plain, want.plain) || !maps.Equal(o.groups, want.groups) {
		t.Errorf("the others know %v %v, want %v %v", o.plain, o.groups, want.plain, want.groups)
	}
	for _, c := range r.clients.all() {
		r.Kick(r.batch, c.Info().ClientID)
	}
	want.hears()
}

func TestForward(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	o.wanted = []string{"far/#", "both"}
	p, s := r.connect("p"), r.connect("s").subscribe("both", 1)
	if code := p.publish("far/x", "0", 0); code != mqtt.NoMatchingSubscribers {
		t.Error(code)
	}
	r.SetCluster(o.cluster())
	if code := p.publish("far/x", "1", 0); code != mqtt.Success {
		t.Error(code)
	}
	if code := p.publish("nobody", "2", 0); code != mqtt.NoMatchingSubscribers {
		t.Error(code)
	}
	p.publish("both", "3", 1)
	o.gets("far/x=1", "both=3")
	s.wants("both=3")
	if o.flushed != 3 {
		t.Errorf("%d passes were flushed, want 3", o.flushed)
	}
	if got := r.metric("messages.forward"); got != 2 {
		t.Errorf("messages.forward is %d, want 2", got)
	}
	if got := r.metric("messages.dropped.no_subscribers"); got != 2 {
		t.Errorf("%d messages were for nobody, want 2", got)
	}
	r.SetCluster(nil)
	p.publish("far/x", "4", 0)
	o.gets()
	r.balances()
}

func TestDeliverRemote(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	o.wanted = []string{"#"}
	r.SetCluster(o.cluster())
	f := func(m *mqtt.Message, n int) {
		t.Helper()
		if got := r.DeliverRemote(r.batch, m); got != n {
			t.Errorf("%s: %d subscriptions, want %d", m.Topic, got, n)
		}
		r.batch.End()
	}
	s := r.connect("s", v5).subscribe("a", 1)
	s.subscribeIn(r.batch, "own", mqtt.SubscribeOptions{NoLocal: true}, 0)
	s.subscribeIn(r.batch, "kept", mqtt.SubscribeOptions{RetainAsPublished: true}, 7)
	member := r.connect("m").subscribe("$share/g/a", 0)
	f(&mqtt.Message{Topic: "a", Payload: []byte("1"), QoS: 1, From: "x", Retain: true}, 1)
	f(&mqtt.Message{Topic: "own", Payload: []byte("2"), From: "s"}, 1)
	f(&mqtt.Message{Topic: "kept", Payload: []byte("3"), From: "x", Retain: true}, 1)
	f(&mqtt.Message{Topic: "b", Payload: []byte("4"), From: "x"}, 0)
	s.wants("a=1", "kept=3 retain")
	member.wants()
	o.gets()
	if n := r.Retained.Len(); n != 0 {
		t.Errorf("%d messages are retained: that is the publisher's node's business", n)
	}
	if n := r.metric("messages.publish"); n != 0 {
		t.Errorf("%d messages were published", n)
	}
	r.balances()
}

// TestSysElsewhere has $SYS messages go where they are wanted, under their old
// names too.
func TestSysElsewhere(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	o.wanted = []string{"$SYS/#"}
	r.SetCluster(o.cluster())
	s := r.connect("s").subscribe("$SYS/+/n/#", 0)
	alias := r.connect("alias").subscribe("$SYS/broker/+/x", 0)
	if len(o.got) != 4 || !strings.HasPrefix(o.got[0], "$SYS/brokers/dunlin@host/clients/s/connected=") {
		t.Errorf("the others got %q, want to hear that two clients have come", o.got)
	}
	o.got = nil
	r.publishSys(r.batch, "$SYS/brokers/n/x", []byte("1"), 0, false)
	r.batch.End()
	o.gets("$SYS/brokers/n/x=1", "$SYS/broker/n/x=1")
	s.wants("$SYS/brokers/n/x=1")
	alias.wants("$SYS/broker/n/x=1")
	for _, name := range []string{"$SYS/brokers/n/x", "$SYS/broker/n/x"} {
		r.DeliverRemote(r.batch, &mqtt.Message{Topic: name, Payload: []byte("2"), Sys: true, From: "dunlin@other"})
	}
	r.batch.End()
	s.wants("$SYS/brokers/n/x=2")
	alias.wants("$SYS/broker/n/x=2")
	r.balances()
}

func TestGroupsElsewhere(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	r.SetCluster(o.cluster())
	far, near := GroupKey{"far", "t"}, GroupKey{"near", "t"}
	o.members[far], o.members[near] = [2]int{1, 1}, [2]int{2, 1}
	p := r.connect("p")
	m := r.connect("m", expiry(100)).subscribe("$share/near/t", 1)
	p.publish("t", "1", 1) // Dispatch for the one, Forward for the other
	o.gets("far 1")
	m.wants("t=1")
	o.takes = func(GroupKey) bool { return true }
	p.publish("t", "2", 1)
	m.wants()
	o.gets("near 2", "far 2")
	o.takes = nil
	p.publish("t", "3", 1)
	m.wants("t=3")
	o.gets("far 3")
	r.balances()

	// What it has not acknowledged goes elsewhere when it goes.
	o.takes = func(GroupKey) bool { return true }
	m.close("closed")
	o.gets("near 1", "near 3")
	r.balances()
	o.takes = nil
	p.publish("t", "4", 1) // nobody else would take it: it waits
	o.gets("far 4")
	o.takes = func(GroupKey) bool { return true }
	r.Kick(r.batch, "m")
	o.gets("near 4")
	o.takes, o.members = nil, nil
	r.connect("m", expiry(100)).subscribe("$share/near/t", 1).close("closed")
	p.publish("t", "5", 1)
	r.Kick(r.batch, "m") // and there is nobody elsewhere
	o.gets()
	r.balances()
	if got := r.Ledger(); got.MovedOut != 3 || got.Dropped["session_ended"] != 1 {
		t.Errorf("%+v", got)
	}
	if want := "near 1/1"; !strings.Contains(strings.Join(o.asked, ","), want) {
		t.Errorf("asked %q, want %q among them", o.asked, want)
	}
}

func TestDispatchRemote(t *testing.T) {
	r := newRig(t)
	m := r.connect("m", expiry(100)).subscribe("$share/g/t", 1)
	key := GroupKey{"g", "t"}
	f := func(payload string, want bool) {
		t.Helper()
		if got := r.DispatchRemote(r.batch, &mqtt.Message{Topic: "t", Payload: []byte(payload), QoS: 1, From: "x"}, key, nil); got != want {
			t.Errorf("%s: %v, want %v", payload, got, want)
		}
		r.batch.End()
	}
	f("1", true)
	m.wants("t=1")
	m.close("closed")
	f("2", true) // waits
	m = r.connect("m", expiry(100))
	m.wants("t=1 dup", "t=2")
	r.Kick(r.batch, "m")
	f("3", false)
	r.balances()
}

// TestGuards: another node keeps what it gave to a member here until the client
// has it.
func TestGuards(t *testing.T) {
	r, o := newRig(t), newOthers(t)
	o.zone = r.zone
	r.SetCluster(o.cluster())
	key := GroupKey{"g", "t"}
	settled := map[string]bool{}
	give := func(payload string, qos mqtt.QoS) {
		t.Helper()
		m := &mqtt.Message{Topic: "t", Payload: []byte(payload), QoS: qos, From: "x"}
		if !r.DispatchRemote(r.batch, m, key, func(kept bool) {
			if settled[payload] || !kept {
				t.Errorf("%s was settled before, or not kept", payload)
			}
			settled[payload] = true
		}) {
			t.Errorf("%s: nobody is there", payload)
		}
		r.batch.End()
	}
	wants := func(want ...string) {
		t.Helper()
		got := slices.Sorted(maps.Keys(settled))
		if !slices.Equal(got, want) || int(r.guards.n.Load()) != len(r.guards.all) {
			t.Errorf("settled are %q, want %q", got, want)
		}
	}
	first := r.connect("first", expiry(100)).subscribe("$share/g/t", 1)
	give("0", 0)
	give("2", 2)
	wants("0", "2")
	give("a", 1)
	give("b", 1)
	wants("0", "2")
	first.take()
	first.client.Puback(r.batch, first.fakeConn, 2, mqtt.Success)
	wants("0", "2", "a") // the message of QoS 2 was granted QoS 1, and has the first identifier
	second := r.connect("second", expiry(100)).subscribe("$share/g/t", 1)
	first.close("closed") // the other one gets them
	second.wants("t=2", "t=b")
	wants("0", "2", "a")
	second.ack(r.batch, sent{qos: 1, id: 2})
	wants("0", "2", "a", "b")
	r.Kick(r.batch, "first")
	give("c", 1)
	o.takes, o.members[key] = func(GroupKey) bool { return true }, [2]int{1, 1}
	r.Kick(r.batch, "second") // a member elsewhere gets it
	wants("0", "2", "a", "b", "c")
	third := r.connect("third", expiry(100)).subscribe("$share/g/t", 0)
	give("d", 1) // nobody acknowledges it
	wants("0", "2", "a", "b", "c", "d")
	third.subscribe("$share/g/t", 1)
	give("e", 1)
	if _, wait, then := r.Detach("third"); wait || then == nil {
		t.Error("it has not moved")
	} else {
		then()
	}
	wants("0", "2", "a", "b", "c", "d", "e")
	if r.DispatchRemote(r.batch, &mqtt.Message{Topic: "t", QoS: 1}, key, nil) {
		t.Error("nobody is there")
	}
	r.connect("fourth", expiry(100)).subscribe("$share/g/t", 1)
	give("f", 1)
	last := (&mqtt.Message{}).Own()
	r.guards.add(last, Now()+guardTime, func(bool) {}) // the one before is kept no longer
	wants("0", "2", "a", "b", "c", "d", "e", "f")
	r.guards.settle(last)
	delete(o.members, key)
	o.takes = nil
	give("g", 1)
	r.Kick(r.batch, "fourth") // nobody is left to get it
	wants("0", "2", "a", "b", "c", "d", "e", "f", "g")
	if len(r.guards.all) > 0 || r.guards.n.Load() != 0 {
		t.Errorf("%d are still guarded", len(r.guards.all))
	}
	r.balances()
}

// TestGuardsForget: messages that are settled aren't kept in memory behind one
// that takes long.
func TestGuardsForget(t *testing.T) {
	var gs guards
	add := func() *mqtt.Message {
		m := (&mqtt.Message{}).Own()
		gs.add(m, 1, func(bool) {})
		return m
	}
	slow := add()
	for range 10 * spareGuards {
		gs.settle(add())
	}
	if len(gs.all) != 1 || gs.all[slow] == nil || len(gs.order) > 2*spareGuards || gs.order[0].m != slow {
		t.Errorf("%d are guarded, %d remembered", len(gs.all), len(gs.order))
	}
}
