package broker

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

const inGroup = "$share/g/t/#"

// sharers connects clients d0, d1 … with durable sessions that share t/#.
func (r *rig) sharers(n int, qos mqtt.QoS, with ...how) (all []*peer) {
	for i := range n {
		all = append(all, r.connect(fmt.Sprint("d", i), append([]how{durably}, with...)...).subscribe(inGroup, qos))
	}
	r.quiet()
	return all
}

// drained is what peers get and acknowledge together, sorted, until nothing more
// comes.
func (r *rig) drained(all ...*peer) (payloads []string) {
	for {
		r.quiet()
		before := len(payloads)
		for _, p := range all {
			for _, s := range p.take() {
				payloads = append(payloads, s.payload)
				if s.qos == 2 {
					p.client.Pubrec(p.batch, p.fakeConn, s.id, mqtt.Success)
					r.quiet() // the PUBREL waits for a save
				}
				p.ack(p.batch, s)
			}
		}
		if len(payloads) == before {
			slices.Sort(payloads)
			return payloads
		}
	}
}

// groupRecords are those of the group's shares, by their keys.
func (r *rig) groupRecords() map[string]*durable.Group {
	r.Helper()
	all := make(map[string]*durable.Group)
	states, alone := r.durable.states.(*fakeMap)
	if !alone {
		states = r.durable.states.(*fakeCopy).fakeMap
	}
	for key, record := range states.copy() {
		if s, is := durable.ParseGroupKey(key); !is {
			continue
		} else if s.Name != "g" || s.Filter != "t/#" {
			r.Errorf("there is a record of group %q of %q", s.Name, s.Filter)
		}
		g, err := durable.ParseGroup(record)
		if err != nil {
			r.Fatal(err)
		}
		all[key] = g
	}
	return all
}

// groupRecord is the one that there is, or nil.
func (r *rig) groupRecord() *durable.Group {
	r.Helper()
	all := r.groupRecords()
	if len(all) > 1 {
		r.Fatalf("the group has %d records", len(all))
	}
	for _, g := range all {
		return g
	}
	return nil
}

// groupKey is the key of the one record that the group has.
func (r *rig) groupKey() (key string) {
	r.Helper()
	all := r.groupRecords()
	if len(all) != 1 {
		r.Fatalf("the group has %d records, want one", len(all))
	}
	for key = range all {
	}
	return key
}

// A group has its messages from the log for the sake of a durable session that
// wants them at QoS 1 or 2, and for nobody else.
func TestGroupInLog(t *testing.T) {
	f := func(want int, sub, pub mqtt.QoS, with ...how) {
		t.Helper()
		r, log := newDurableRig(t, 1)
		r.connect("memory", expiry(100)).subscribe(inGroup, 2)
		r.connect("c", with...).subscribe(inGroup, sub)
		r.connect("pub").publish("t/1", "x", pub)
		r.quiet()
		if log.len() != want || (r.groupRecord() != nil) != (want == 1 || pub == 0 && sub > 0 && len(with) == 1) {
			t.Errorf("subscribed at QoS %d, published at %d: the log has %d entries, want %d; the record is %v", sub, pub, log.len(), want, r.groupRecord())
		}
		if l := r.Ledger(); l.Matched != 1 || l.Delivered != 1 {
			t.Errorf("the ledger says %+v", l)
		}
		r.balances()
	}
	f(1, 1, 1, durably)
	f(1, 2, 1, durably)
	f(1, 1, 2, durably)
	f(0, 0, 1, durably)
	f(0, 1, 0, durably)
	f(0, 1, 1, expiry(100))
	f(0, 1, 1, durably, expiry(0))
}

// The publisher is told when the log has the message, and then somebody gets it.
func TestGroupLoggedFirst(t *testing.T) {
	r, log := newDurableRig(t, 2)
	all := r.sharers(2, 1)
	goOn := log.hold()
	r.connect("pub").publish("t/1", "1", 1)
	time.Sleep(time.Millisecond)
	if got, _ := payloads(all); len(got) != 0 {
		t.Errorf("before the log had it, somebody got %v", got)
	}
	goOn()
	if got := r.drained(all...); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the members got %v", got)
	}
	r.balances()
}

// A session that becomes durable takes its group along.
func TestGroupBecomesDurable(t *testing.T) {
	r, log := newDurableRig(t, 1)
	m := r.connect("m", expiry(100)).subscribe(inGroup, 1)
	pub := r.connect("pub")
	pub.publish("t/1", "1", 1)
	m.wants("t/1=1")
	m = r.connect("m", durably)
	pub.publish("t/1", "2", 1)
	m.gets("t/1=1 dup", "t/1=2")
	if log.len() != 1 {
		t.Errorf("the log has %d entries, want 1", log.len())
	}
	again, _ := r.crashed()
	if got := again.drained(again.connect("m", durably)); !slices.Equal(got, []string{"2"}) {
		t.Errorf("after the crash it got %v", got)
	}
	r.balances()
}

// What nobody can take waits in the log, not in anybody's queue.
func TestGroupWaits(t *testing.T) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			l := newFakeLog(t, 2)
			l.chunk = 7
			r := newRig(t, withStrategy(s), withLog(l))
			r.zone.Session.MaxMqueueLen = 3
			all := r.sharers(3, 1, window(2))
			pub := r.connect("pub")
			pub.publishNumbers("t/1", 50, 1)
			r.quiet()
			for _, m := range all {
				if n := m.client.sess.Queued(); n != 0 {
					t.Errorf("%d wait in the queue of %s", n, m.info.ClientID)
				}
				m.close("closed")
			}
			for i := 50; i < 100; i++ {
				pub.publish("t/2", fmt.Sprintf("%03d", i), 1)
			}
			r.quiet()
			if q := r.Ledger().Queued; q < 90 {
				t.Errorf("%d are queued, want nearly 100", q)
			}
			r.balances()
			r.Kick(r.batch, "d0")
			got := r.drained(r.connect("d2", durably, window(4)))
			if !slices.Equal(slices.Compact(got), numbers(100)) {
				t.Errorf("who came back got %d: %v", len(got), got)
			}
			r.quiet()
			if l := r.Ledger(); l.Queued != 0 || l.Dropped["session_ended"]+l.Dropped["queue_full"] != 0 {
				t.Errorf("at last the ledger says %+v", l)
			}
			r.balances()
		})
	}
}

// Strategies that bind keep the order of each publisher and topic, whatever rooms
// the members have, and a member without room doesn't keep the others from theirs.
func TestGroupKeepsOrder(t *testing.T) {
	for _, s := range []Strategy{Sticky, HashClientID, HashTopic} {
		t.Run(string(s), func(t *testing.T) {
			l := newFakeLog(t, 1)
			l.late, l.chunk = true, 3
			r := newRig(t, withStrategy(s), withLog(l))
			all := r.sharers(4, 1, window(3))
			var pubs []*peer
			for i := range 8 {
				pubs = append(pubs, r.connect(fmt.Sprint("p", i)))
			}
			for i := range 100 {
				for j, p := range pubs {
					p.publish(fmt.Sprint("t/", j), fmt.Sprintf("%d %03d", j, i), 1)
				}
			}
			last, who, n := make(map[byte]string), make(map[byte]int), 0
			for more := true; more; {
				r.quiet()
				more = false
				for i, m := range all {
					for _, s := range m.take() {
						by := s.payload[0]
						if w, known := who[by]; known && w != i || s.payload <= last[by] {
							t.Fatalf("member %d got %q; member %d had got %q", i, s.payload, w, last[by])
						}
						who[by], last[by], more = i, s.payload, true
						n++
						m.ack(r.batch, s)
					}
				}
			}
			if n != 800 {
				t.Errorf("%d came, want 800", n)
			}
			r.balances()
		})
	}
}

// A member that is bound and never has room holds up those that follow, in the log;
// as soon as it goes, others get them.
func TestGroupBound(t *testing.T) {
	l := newFakeLog(t, 1)
	r := newRig(t, withStrategy(Sticky), withLog(l))
	all := r.sharers(2, 1, window(1))
	pub := r.connect("pub")
	pub.publishNumbers("t/1", mostBound+100, 1)
	r.quiet()
	k := r.groups.get(GroupKey{"g", "t/#"}).current()
	if k.bounds != mostBound || k.missed == 0 {
		t.Errorf("%d are bound and %d missed, want %d and some", k.bounds, k.missed, mostBound)
	}
	stuck := slices.IndexFunc(all, func(p *peer) bool { return len(p.take()) > 0 })
	all[stuck].close("closed")
	if got := r.drained(all[1-stuck]); len(got) != mostBound+100 || len(slices.Compact(got)) != len(got) {
		t.Errorf("the other member got %d", len(got))
	}
	r.balances()
}

// What was not acknowledged at QoS 1 goes, after a crash, to whoever comes.
func TestGroupRestored(t *testing.T) {
	r, _ := newDurableRig(t, 3)
	all := r.sharers(3, 1, window(3))
	memory := r.connect("memory").subscribe(inGroup, 1)
	pub := r.connect("pub")
	for i, payload := range numbers(30) {
		pub.publish(fmt.Sprint("t/", i), payload, 1)
	}
	r.quiet()
	var acked []string
	for _, m := range append(all, memory) {
		for i, s := range m.take() {
			if i%2 == 0 {
				m.ack(r.batch, s)
				acked = append(acked, s.payload)
			}
		}
	}
	r.quiet()
	k := r.groups.withLog()[0]
	kept := make(chan error)
	k.keep(func(err error) { kept <- err })
	if err := <-kept; err != nil {
		t.Fatal(err)
	}
	for range 2 { // with nobody there in between, and nothing lost by that
		r, _ = r.crashed()
		r.quiet()
	}
	if q := r.Ledger().Queued; q != 0 {
		t.Errorf("%d are counted as queued after the start", q)
	}
	got := r.drained(r.connect("d1", durably, window(5)))
	for _, payload := range numbers(30) {
		if slices.Contains(got, payload) == slices.Contains(acked, payload) {
			t.Errorf("%s was acknowledged before: %v; after the crash the member got %v", payload, slices.Contains(acked, payload), got)
			break
		}
	}
	r.balances()
	if rec := r.groupRecord(); rec == nil || rec.Node != "dunlin@host" {
		t.Errorf("the record is %+v", rec)
	}
}

// At QoS 2 nothing comes twice, to whomever: what is in flight stays with its
// member, and what its member has done with is never given again.
func TestGroupOnceRestored(t *testing.T) {
	r, _ := newDurableRig(t, 2)
	a := r.sharers(1, 2, window(8))[0]
	pub := r.connect("pub")
	for _, payload := range numbers(8) {
		pub.publish("t/1", payload, 2)
	}
	r.quiet()
	got := a.take()
	if len(got) != 8 {
		t.Fatalf("%d came", len(got))
	}
	b := r.connect("b", durably).subscribe(inGroup, 2)
	for i, s := range got {
		if i < 5 {
			a.client.Pubrec(r.batch, a.fakeConn, s.id, mqtt.Success)
		}
	}
	r.quiet()
	for i, s := range got {
		if i < 3 {
			a.client.Pubcomp(r.batch, a.fakeConn, s.id, mqtt.Success)
		}
	}
	a.close("closed")
	r.quiet()
	b.wants()
	r, _ = r.crashed()
	b = r.connect("b", durably)
	b.gets()
	a = r.connect("d0", durably, window(8))
	a.gets("t/1=005 dup", "t/1=006 dup", "t/1=007 dup")
	r.connect("pub").publish("t/1", "new", 2)
	r.quiet()
	if n := len(a.take()) + len(b.take()); n != 1 {
		t.Errorf("a new message came %d times", n)
	}
	r.balances()
}

// The session of a member ends with something in flight: at QoS 1 the others get
// it, at QoS 2 nobody.
func TestGroupMemberEnds(t *testing.T) {
	for _, qos := range []mqtt.QoS{1, 2} {
		r, _ := newDurableRig(t, 1)
		a := r.sharers(1, qos, window(1))[0]
		pub := r.connect("pub")
		pub.publishNumbers("t/1", 3, qos)
		r.quiet()
		a.wants("t/1=000")
		b := r.connect("b", durably, window(1)).subscribe(inGroup, qos)
		r.quiet()
		r.Kick(r.batch, "d0")
		r.quiet()
		again, _ := r.crashed()
		want := numbers(3)
		if qos == 2 {
			want = want[1:]
		}
		if got := r.drained(b); !slices.Equal(got, want) {
			t.Errorf("QoS %d: the other member got %v, want %v", qos, got, want)
		}
		got := again.drained(again.connect("b", durably, window(1)))
		if !slices.Equal(got, want) {
			t.Errorf("QoS %d: after a crash it got %v, want %v", qos, got, want)
		}
		r.balances()
		again.balances()
	}
}

// The last session ends: what waits is dropped, and nothing is kept for the next
// group of that name.
func TestGroupEnds(t *testing.T) {
	ends := map[string]func(r *rig, p *peer){
		"kick":        func(r *rig, p *peer) { r.Kick(r.batch, "d0") },
		"unsubscribe": func(r *rig, p *peer) { p.unsubscribe(inGroup) },
		"clean start": func(r *rig, p *peer) { r.connect("d0", clean) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			r, _ := newDurableRig(t, 1)
			a := r.sharers(1, 1, window(2))[0]
			pub := r.connect("pub")
			pub.publishNumbers("t/1", 10, 1)
			r.quiet()
			a.wants("t/1=000", "t/1=001")
			end(r, a)
			r.quiet()
			if l := r.Ledger(); l.Dropped["session_ended"] != 8 || l.Queued != 0 {
				t.Errorf("the ledger says %+v", l)
			}
			if r.groupRecord() != nil {
				t.Error("the record is still there")
			}
			pub.publish("t/1", "nobody", 1)
			b := r.connect("b", durably).subscribe(inGroup, 1)
			pub.publish("t/1", "new", 1)
			b.gets("t/1=new")
			r.balances()
			again, _ := r.crashed()
			if got := again.drained(again.connect("b", durably)); !slices.Equal(got, []string{"new"}) {
				t.Errorf("after a crash it got %v", got)
			}
			if n := r.durable.durables.Load(); n > 3 { // b, its group, and d0 where it is still there
				t.Errorf("%d read the log", n)
			}
		})
	}
}

// Nobody is told that a subscription stands before it is kept where its group
// begins: a group of the same name may have left its record.
func TestGroupBeginsKept(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	a := r.sharers(1, 1)[0]
	r.connect("pub").publishNumbers("t/1", 5, 1)
	r.quiet()
	key := r.groupKey()
	old := r.durable.states.(*fakeMap).copy()[key]
	a.unsubscribe(inGroup)
	r.quiet()
	states := r.durable.states.(*fakeMap)
	states.mu.Lock()
	states.all[key] = old // as if it couldn't be deleted
	states.mu.Unlock()
	kept := make(chan error, 1)
	a.subscribe(inGroup, 1)
	if a.client.AwaitRecord(func(err error) { kept <- err }) { // else it is kept already
		if err := <-kept; err != nil {
			t.Fatal(err)
		}
	}
	again, _ := r.crashed()
	a = again.connect("d0", durably)
	for _, s := range a.take() {
		if !s.dup { // those in flight from before stay with it
			t.Errorf("it got %v", s)
		}
	}
	again.quiet()
	if again.groupKey() == key {
		t.Error("the group has what an earlier one has left")
	}
}

// A record that can't be deleted is tried again.
func TestGroupDeletedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newDurableRig(t, 1)
		a := r.sharers(1, 1)[0]
		log.failing(errFake)
		a.unsubscribe(inGroup)
		time.Sleep(3 * time.Second)
		if r.groupRecord() == nil {
			t.Fatal("the record is deleted on a disk that fails")
		}
		log.failing(nil)
		time.Sleep(3 * time.Second)
		if r.groupRecord() != nil {
			t.Error("the record is still there")
		}
	})
}

// A state that can't be saved is tried again, and what depends on it waits.
func TestGroupSavedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newDurableRig(t, 1)
		a := r.sharers(1, 2)[0]
		r.connect("pub").publish("t/1", "1", 2)
		r.quiet()
		got := a.take()
		log.failing(errFake)
		a.client.Pubrec(r.batch, a.fakeConn, got[0].id, mqtt.Success)
		time.Sleep(3 * time.Second)
		if len(a.acks) != 0 {
			t.Errorf("the member got %q though nothing could be saved", a.acks)
		}
		log.failing(nil)
		time.Sleep(3 * time.Second)
		r.quiet()
		if !strings.Contains(r.log.String(), "the state of a shared group can't be saved") {
			t.Error("nobody was told")
		}
		if want := []string{fmt.Sprintf("%v %d %v", mqtt.TypePubrel, got[0].id, mqtt.Success)}; !slices.Equal(a.acks, want) {
			t.Errorf("the member got %q, want %q", a.acks, want)
		}
		if rec := r.groupRecord(); rec == nil || len(rec.Open) != 0 || rec.Next[0] != 2 {
			t.Errorf("the record is %+v", rec)
		}
	})
}

// What has changed is saved some seconds later, once, and when the broker stops.
func TestGroupSavedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newDurableRig(t, 1)
		a := r.sharers(1, 1)[0]
		pub := r.connect("pub")
		pub.publishNumbers("t/1", 20, 1)
		r.drained(a)
		if rec := r.groupRecord(); rec.Next[0] != 1 {
			t.Errorf("it is saved already: %+v", rec)
		}
		time.Sleep(saveLater*time.Millisecond + time.Second)
		r.quiet()
		if rec := r.groupRecord(); rec.Next[0] != 21 || len(rec.Open) != 0 {
			t.Errorf("the record is %+v", rec)
		}
		before := r.durable.states.(*fakeMap).changes()
		time.Sleep(time.Minute)
		if n := r.durable.states.(*fakeMap).changes() - before; n != 0 {
			t.Errorf("%d saves of what hasn't changed", n)
		}
		pub.publish("t/1", "x", 1)
		r.drained(a)
		r.durable.close()
		if rec := r.groupRecord(); rec.Next[0] != 22 {
			t.Errorf("after the stop the record is %+v", rec)
		}
	})
}

// An entry that retention has deleted is counted, and doesn't stay open.
func TestGroupRetention(t *testing.T) {
	r, log := newDurableRig(t, 1)
	a := r.sharers(1, 1, window(2))[0]
	pub := r.connect("pub")
	pub.publishNumbers("t/1", 10, 1)
	r.quiet()
	a.close("closed")
	r.quiet()
	log.cut(3)
	again, _ := r.crashed()
	if got := again.drained(again.connect("d0", durably)); !slices.Equal(got, numbers(10)[7:]) {
		t.Errorf("after a crash it got %v", got)
	}
	if k := again.groups.withLog()[0]; len(k.open)+k.redo != 0 {
		t.Errorf("%d are open, %d to be read", len(k.open), k.redo)
	}
	got := r.drained(r.connect("d0", durably))
	if d := r.Ledger().Dropped[session.LogRetention.String()]; len(got)+int(d) != 10 || d == 0 {
		t.Errorf("it got %v, %d are counted", got, d)
	}
	r.balances()
}

// A log that has lost its end with the machine's power gives its numbers again.
func TestGroupLostEnd(t *testing.T) {
	r, log := newDurableRig(t, 1)
	a := r.sharers(1, 1)[0]
	pub := r.connect("pub")
	pub.publishNumbers("t/1", 10, 1)
	r.drained(a)
	a.close("closed")
	r.quiet()
	kept := make(chan error)
	r.groups.withLog()[0].keep(func(err error) { kept <- err })
	<-kept
	log.lose(5)
	again, _ := r.crashed()
	pub = again.connect("pub")
	for i := range 5 {
		pub.publish("t/1", fmt.Sprint("new", i), 1)
	}
	again.quiet()
	last, _ := again.crashed()
	for _, r := range []*rig{again, last} {
		if got := r.drained(r.connect("d0", durably)); len(got) != 5 || got[0] != "new0" {
			t.Errorf("it got %v", got)
		}
	}
}

// Damage of a group's record costs what waited for the group, and is said.
func TestGroupDamaged(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	a := r.sharers(1, 1, window(1))[0]
	r.connect("pub").publishNumbers("t/1", 3, 1)
	r.quiet()
	a.close("closed")
	r.quiet()
	key, states := r.groupKey(), r.durable.states.(*fakeMap)
	states.mu.Lock()
	states.all[key] = []byte("nonsense")
	states.mu.Unlock()
	r, _ = r.crashed()
	r.connect("pub").publish("t/1", "new", 1)
	if got := r.drained(r.connect("d0", durably)); !slices.Equal(got, []string{"000", "new"}) { // one was in the session's own record
		t.Errorf("it got %v", got)
	}
	if !strings.Contains(r.log.String(), "it begins anew") {
		t.Error("nobody was told")
	}
	r.balances()
}

// A node that becomes one of several has its groups live in memory: they come to an
// end with what waits for them, over a restart too. When it is alone again they
// read the log again.
func TestGroupOfSeveral(t *testing.T) {
	var others atomic.Bool
	of := func(o *Options) {
		o.Durable.Members = func() (string, []Member) {
			all := []Member{{ID: "self", Alive: true}}
			if others.Load() {
				all = append(all, Member{ID: "other", Alive: true})
			}
			return "self", all
		}
	}
	l := newFakeLog(t, 2)
	r := newRig(t, withLog(l), of)
	a := r.sharers(1, 1, window(2))[0]
	pub := r.connect("pub")
	pub.publishNumbers("t/1", 10, 1)
	r.quiet()
	others.Store(true)
	r.MembersChanged()
	pub.publish("t/1", "in memory", 1)
	r.quiet()
	if l.len() != 10 {
		t.Errorf("the log has %d entries, want 10", l.len())
	}
	got := r.drained(a)
	if !slices.Equal(got, append(numbers(10), "in memory")) {
		t.Errorf("it got %v", got)
	}
	if r.groupRecord() != nil || len(r.groups.withLog()) != 0 {
		t.Error("the group still reads the log")
	}
	r.balances()
	others.Store(false)
	r.MembersChanged()
	pub.publish("t/1", "again", 1)
	r.quiet()
	if got := r.drained(a); !slices.Equal(got, []string{"again"}) || l.len() != 11 || r.groupRecord() == nil {
		t.Errorf("alone again it got %v, the log has %d entries, the record is %v", got, l.len(), r.groupRecord())
	}

	a.close("closed")
	pub.publishNumbers("t/1", 5, 1)
	r.quiet()
	others.Store(true)
	r.MembersChanged()
	r.quiet()
	r, _ = r.crashed(of)
	r.connect("pub").publish("t/1", "later", 1)
	r.quiet()
	if got := r.drained(r.connect("d0", durably)); !slices.Equal(got, append(numbers(5), "later")) {
		t.Errorf("after the restart among others it got %v", got)
	}
	if r.groupRecord() != nil {
		t.Error("after the restart the group still reads the log")
	}
	r.balances()
}

// A node that is alone again while a group is still coming to its end, as nobody
// takes what waits, has its messages in the log from then on, over crashes too.
func TestGroupAloneAgain(t *testing.T) {
	for _, crash := range []bool{false, true} {
		var others atomic.Bool
		of := func(o *Options) {
			o.Durable.Members = func() (string, []Member) {
				return "self", []Member{{ID: "self", Alive: true}, {ID: "other", Alive: true}}[:1+btoi(others.Load())]
			}
		}
		l := newFakeLog(t, 2)
		r := newRig(t, withLog(l), of)
		a := r.sharers(1, 1, window(1))[0]
		pub := r.connect("pub")
		pub.publishNumbers("t/1", 5, 1)
		r.quiet()
		others.Store(true)
		r.MembersChanged()
		r.quiet()
		others.Store(false)
		if crash {
			r, l = r.crashed(of)
		} else {
			a.close("closed")
			r.MembersChanged()
		}
		r.connect("pub2").publish("t/1", "alone", 1)
		r.quiet()
		if n := len(r.groupRecords()); n != 2 || l.len() != 6 {
			t.Errorf("after a crash (%v) there are %d records, want that of the end and of the beginning; the log has %d entries, want 6", crash, n, l.len())
		}
		r, _ = r.crashed(of)
		if got := r.drained(r.connect("d0", durably)); !slices.Equal(got, append(numbers(5), "alone")) {
			t.Errorf("after a crash (%v) it got %v", crash, got)
		}
		if r.groupRecord() == nil || len(r.groups.withLog()) != 1 {
			t.Errorf("after a crash (%v) %d shares are left, want one", crash, len(r.groups.withLog()))
		}
		r.balances()
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A node that joins others has another log: what waited in the old one is counted.
func TestGroupRenewed(t *testing.T) {
	r, l := newDurableRig(t, 1)
	a := r.sharers(1, 1, window(2))[0]
	pub := r.connect("pub")
	pub.publishNumbers("t/1", 10, 1)
	r.quiet()
	after := r.LogRenewed(false)
	l.become(3)
	r.durable.states.(*fakeMap).wipe()
	after()
	r.quiet()
	if d := r.Ledger().Dropped["log_retention"]; d != 8 {
		t.Errorf("%d are counted as gone with the log, want 8", d)
	}
	pub.publish("t/1", "new", 1)
	if got := r.drained(a); !slices.Equal(got, []string{"000", "001", "new"}) {
		t.Errorf("it got %v", got)
	}
	if rec := r.groupRecord(); rec == nil || rec.Next[0] != 4 {
		t.Errorf("the record is %+v", rec)
	}
	r.balances()
}

// A read that fails is tried again.
func TestGroupReadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newDurableRig(t, 1)
		a := r.sharers(1, 1)[0]
		a.close("closed")
		r.connect("pub").publishNumbers("t/1", 3, 1)
		r.quiet()
		log.failing(errFake)
		a = r.connect("d0", durably)
		time.Sleep(2 * time.Second)
		a.wants("t/1=000") // which was in hand when nobody could take it
		log.failing(nil)
		time.Sleep(2 * time.Second)
		a.wants("t/1=001", "t/1=002")
	})
}
