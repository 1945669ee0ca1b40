package broker

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// crashed is a copy of what the broker's log and maps have at this moment, in
// front of a new broker, which has restored it.
func (r *rig) crashed(set ...func(*Options)) (*rig, *fakeLog) {
	r.Helper()
	old := r.durable
	l := newFakeLog(r.TB, len(old.shards))
	l.late = old.log.(*fakeLog).late

	if all := old.log.(*fakeLog).delayed; all != nil {
		l.delayed = keeptest.Of(all.Records())
	}
	var sessions, states map[string][]byte
	func() { // all at one moment
		for i, s := range old.log.(*fakeLog).shards {
			s.mu.Lock()
			defer s.mu.Unlock()
			l.shards[i].first, l.shards[i].entries = s.first, slices.Clone(s.entries)
		}
		sessions, states = old.sessions.(*fakeMap).copy(), old.states.(*fakeMap).copy()
	}()
	again := newRig(r.TB, append([]func(*Options){withLog(l), func(o *Options) {
		o.Durable.Sessions.(*fakeMap).all, o.Durable.States.(*fakeMap).all = sessions, states
	}}, set...)...)
	again.restore()
	return again, l
}

func (r *rig) restore() Restored {
	r.Helper()
	r.durable.zone = func(string) *Zone { return r.zone }
	found, err := r.Restore()
	if err != nil {
		r.Fatal(err)
	}
	return found
}

func TestRestored(t *testing.T) {
	r, _ := newDurableRig(t, 3)
	c := r.connect("c", durably, v5, mounted("m/")).subscribe("m/t/+", 1).subscribe("$share/g/m/s", 1).subscribe("m/never", 2)
	r.connect("memory").subscribe("t", 1)
	pub := r.connect("pub")
	for i := range 5 {
		pub.publish(fmt.Sprint("m/t/", i), "before", 1)
	}
	r.quiet()
	c.ackAll()
	c.unsubscribe("m/never")
	c.close("closed")
	for i := range 5 {
		pub.publish(fmt.Sprint("m/t/", i), fmt.Sprint(i), 1)
	}
	r.quiet()
	r.balances()

	r, _ = r.crashed()
	if r.Sessions() != 1 {
		t.Fatalf("there are %d sessions, want 1", r.Sessions())
	}
	s := r.Client("c").Status()
	if s.Connected || s.Subscribed != 2 || s.ExpiryInterval != 1000 || s.Client.Mountpoint != "m/" || s.Client.Version != mqtt.V5 {
		t.Errorf("the client is %+v %+v", s, s.Client)
	}
	r.connect("pub").publish("m/t/0", "5", 1)
	c = r.connect("c", durably, v5, mounted("m/"))
	if got := c.ackAll(); !c.present || len(got) != 6 || slices.Contains(got, "before") {
		t.Errorf("present %v, the client got %q", c.present, got)
	}
	r.connect("pub").publish("m/s", "shared", 1)
	c.gets("s=shared")
	r.balances()
	if n := r.metric("subscriptions.count"); n != 2 {
		t.Errorf("%d subscriptions are counted, want 2", n)
	}
}

// What was sent and not acknowledged comes again, under its identifier; what
// was acknowledged before the last save doesn't.
func TestInflightRestored(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	c := r.connect("c", durably, window(4)).subscribe("t", 1)
	pub := r.connect("pub")
	for i := range 8 {
		pub.publish("t", fmt.Sprint(i), 1)
	}
	r.quiet()
	got := c.take()
	c.ack(r.batch, got[0])
	c.ack(r.batch, got[1])
	c.gets("t=4", "t=5")
	c.close("closed") // with a save
	r.quiet()
	r, _ = r.crashed()
	c = r.connect("c", durably, window(4))
	c.gets("t=2 dup", "t=3 dup", "t=4 dup", "t=5 dup")
}

// Of a session that no state has been saved of, everything comes that was
// published after its SUBACK, and nothing that came before.
func TestRestoredWithoutState(t *testing.T) {
	r, _ := newDurableRig(t, 2)
	r.connect("witness", durably).subscribe("#", 1)
	pub := r.connect("pub")
	pub.publish("t", "too early", 1)
	r.quiet()
	c := r.connect("c", durably).subscribe("t", 1)
	r.quiet()
	pub.publish("t", "1", 1)
	c.gets("t=1")
	states := r.durable.states.(*fakeMap)
	states.mu.Lock()
	delete(states.all, "c")
	states.mu.Unlock()
	r, _ = r.crashed()
	c = r.connect("c", durably)
	c.gets("t=1")
}

func TestEndedIsForgotten(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	r.connect("c", durably).subscribe("t", 1)
	r.connect("d", durably).subscribe("t", 1)
	r.quiet()
	r.Kick(r.batch, "c")
	r.connect("d", clean)
	r.quiet()
	r, _ = r.crashed()
	if n := r.Sessions(); n != 0 {
		t.Errorf("%d sessions are back", n)
	}
}

// Many subscriptions are kept in several records, and a change of one writes
// one.
func TestManySubscriptions(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	c := r.connect("c", durably)
	for i := range 1000 {
		c.subscribe(fmt.Sprint("t/", i), 1)
	}
	r.quiet()
	m := r.durable.sessions.(*fakeMap)
	before := m.changes()
	c.subscribe("another", 1)
	r.quiet()
	if n := m.changes() - before; n != 1 {
		t.Errorf("a SUBSCRIBE has written %d records, want 1", n)
	}
	for i := range 500 {
		c.unsubscribe(fmt.Sprint("t/", i))
	}
	r.quiet()
	check := func(want int) {
		t.Helper()
		r, _ = r.crashed()
		if got := r.Client("c").SubscriptionCount(); got != want {
			t.Errorf("%d subscriptions are back, want %d", got, want)
		}
	}
	check(501)
	c = r.connect("c", durably)
	for i := range 490 {
		c.unsubscribe(fmt.Sprint("t/", i+500))
	}
	r.quiet()
	check(11)
	keys := 0
	for key := range r.durable.sessions.(*fakeMap).copy() {
		if k, ok := durable.ParseKey(key); ok && k.Chunk >= 0 {
			keys++
		}
	}
	if keys != 0 {
		t.Errorf("%d records of subscriptions are left behind", keys)
	}
}

// Wills and expiry go on where they were; a client that was connected has a
// while to come back.
func TestRestoredTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newDurableRig(t, 1)
		r.connect("connected", durably, expiry(100), will("will/connected", 0))
		r.connect("returns", durably, expiry(100), will("will/returns", 0))
		away := r.connect("away", durably, expiry(100), will("will/away", 5))
		time.Sleep(time.Second)
		away.close("closed")
		r.quiet()
		again, _ := r.crashed()
		r.Broker.BeginStop()
		w := again.connect("witness").subscribe("will/#", 0)
		time.Sleep(6 * time.Second)
		w.wants("will/away=will of away")
		again.connect("returns", durably)
		time.Sleep(willGrace * time.Second)
		w.wants("will/connected=will of connected")
		time.Sleep(100 * time.Second)
		again.quiet()
		if again.Client("away") != nil || again.Client("connected") != nil || again.Client("returns") == nil {
			t.Errorf("%d sessions are there, want the one that came back", again.Sessions()-1)
		}
		if n := len(again.durable.sessions.(*fakeMap).copy()); n != 1 {
			t.Errorf("%d records are left, want 1", n)
		}
	})
}

// A record that makes no sense costs its session and nothing else, and stays.
func TestDamagedRecords(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	r.connect("a", durably).subscribe("t", 1)
	r.connect("b", durably).subscribe("t", 1)
	r.connect("c", durably).subscribe("t", 1)
	r.quiet()
	for m, key := range map[Map]string{r.durable.sessions: durable.SessionKey("a"), r.durable.states: "b"} {
		f := m.(*fakeMap)
		f.mu.Lock()
		f.all[key] = []byte("nonsense")
		f.mu.Unlock()
	}
	r, _ = r.crashed()
	if r.Client("a") != nil || r.Client("b") != nil || r.Client("c") == nil {
		t.Errorf("%d sessions are back, want c alone", r.Sessions())
	}
	if _, ok := r.durable.sessions.(*fakeMap).copy()[durable.SessionKey("a")]; !ok {
		t.Error("the damaged record is gone")
	}
}

// At QoS 2 nothing comes twice, wherever the broker ends.
func TestExactlyOnceRestored(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	c := r.connect("c", durably, window(8)).subscribe("t", 2)
	pub := r.connect("pub")
	for i := range 4 {
		pub.publish("t", fmt.Sprint(i), 2)
	}
	r.quiet()
	got := c.take()
	if len(got) != 4 || got[0].qos != 2 {
		t.Fatalf("the client got %v", got)
	}
	c.client.Pubrec(r.batch, c.fakeConn, got[0].id, mqtt.Success)
	r.quiet()
	c.client.Pubcomp(r.batch, c.fakeConn, got[0].id, mqtt.Success)
	c.client.Pubrec(r.batch, c.fakeConn, got[1].id, mqtt.Success)
	r.quiet()
	c.mu.Lock()
	if want := fmt.Sprintf("%v %d %v", mqtt.TypePubrel, got[1].id, mqtt.Success); c.acks[len(c.acks)-1] != want {
		t.Errorf("the acknowledgements are %q, want %q at last", c.acks, want)
	}
	c.mu.Unlock()

	r, _ = r.crashed()
	c = r.connect("c", durably, window(8))
	c.gets("t=2 dup", "t=3 dup")
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := fmt.Sprintf("%v %d %v", mqtt.TypePubrel, got[1].id, mqtt.Success); len(c.acks) == 0 || c.acks[len(c.acks)-1] != want {
		t.Errorf("after the start the acknowledgements are %q, want %q", c.acks, want)
	}
}

// A log that has lost its end with the machine's power gives its numbers again:
// who was beyond it gets what comes under them, also after another crash.
func TestLostEnd(t *testing.T) {
	r, log := newDurableRig(t, 1)
	c := r.connect("c", durably).subscribe("t", 1)
	young := r.connect("young", durably)
	pub := r.connect("pub")
	for i := range 10 {
		pub.publish("t", fmt.Sprint(i), 1)
	}
	r.quiet()
	c.ackAll()
	young.subscribe("t", 1)
	c.close("closed")
	young.close("closed")
	r.quiet()
	log.lose(5)
	again, _ := r.crashed()
	pub = again.connect("pub")
	for i := range 5 {
		pub.publish("t", fmt.Sprint("new", i), 1)
	}
	again.quiet()
	last, _ := again.crashed()
	for _, r := range []*rig{again, last} {
		for _, id := range []string{"c", "young"} {
			if got := r.connect(id, durably).ackAll(); !slices.Equal(got, []string{"new0", "new1", "new2", "new3", "new4"}) {
				t.Errorf("%s got %q", id, got)
			}
		}
	}
}

// A crash between the copies of a message that several subscriptions match
// costs none of them: a save in between waits for the last one.
func TestSavedBetweenCopies(t *testing.T) {
	for _, qos := range []mqtt.QoS{1, 2} {
		r, _ := newDurableRig(t, 1)
		c := r.connect("c", durably).subscribe("a/b", qos).subscribe("#", qos)
		var crashes []*rig
		for _, filter := range []string{"a/+", "+/b", "+/+", "a/#"} { // one of them is between the two
			w := r.connect(filter).subscribe(filter, 0)
			w.onSend = func(sent) {
				b := r.NewBatch()
				c.client.enter(b)
				c.client.more.reader.due = true // as when its connection ends
				c.client.leave(b)
				again, _ := r.crashed()
				crashes = append(crashes, again)
			}
		}
		r.quiet()
		r.connect("pub").publish("a/b", "1", qos)
		r.quiet()
		if len(crashes) != 4 {
			t.Fatalf("%d crashes, want 4", len(crashes))
		}
		again, _ := r.crashed()
		for i, r := range append(crashes, again) {
			if got := r.connect("c", durably).ackAll(); !slices.Equal(got, []string{"1", "1"}) {
				t.Errorf("QoS %d, crash %d: the client got %q, want both copies", qos, i, got)
			}
		}
	}
}

// A SUBSCRIBE of a client with very many subscriptions looks at those of one
// record, not at all.
func BenchmarkManySubscriptions(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r, _ := newDurableRig(b, 1)
			r.zone.Session.MaxSubscriptions = 0
			c := r.connect("c", durably)
			for i := range n {
				c.subscribe(fmt.Sprint("t/", i), 1)
			}
			r.quiet()
			b.ResetTimer()
			b.ReportAllocs()
			for i := range b.N {
				c.subscribe(fmt.Sprint("t/", i%n), 1)
			}
			r.quiet()
		})
	}
}

// TestRestoreWaits: a node that starts while too few others are there waits for
// them, as they may be starting too.
func TestRestoreWaits(t *testing.T) {
	c := newFakeCluster(t, 1, 1)
	n := c.start()
	c.split(n, true)
	time.AfterFunc(50*time.Millisecond, func() { c.split(n, false) })
	if _, err := n.rig.Restore(); err != nil {
		t.Error(err)
	}
}
