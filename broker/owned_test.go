package broker

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
)

// A node hangs, another takes its session over, and it goes on without knowing of
// that. Whatever it does with the session then, the other's records stay, and it
// gives the session up and ends its connection.
func TestHung(t *testing.T) {
	f := func(what string, subscriptions int, does func(a *rig, client *peer), want Ending) {
		for _, saved := range []bool{false, true} {
			t.Run(fmt.Sprint(what, ", state saved ", saved), func(t *testing.T) {
				c := newFakeCluster(t, 3, 1)
				h := &hangs{fakeCluster: c, a: c.nodes[0], b: c.nodes[1], d: c.nodes[2], subscriptions: subscriptions}
				h.begin(saved)
				does(h.a.rig, h.old)
				h.judge(want)
			})
		}
	}
	f("subscribes", 1, func(_ *rig, p *peer) { p.subscribe("late", 1) }, endTakenOver)
	f("subscribes to one of many", 300, func(_ *rig, p *peer) { p.subscribe("late", 1) }, endTakenOver)
	f("unsubscribes until they are one record", 300, func(_ *rig, p *peer) {
		for i := range 290 {
			p.unsubscribe(fmt.Sprint("t/", i+5))
		}
	}, endTakenOver)
	f("gets QoS 2", 1, func(a *rig, _ *peer) { a.connect("pub").publish("t/0", "two", 2) }, endTakenOver)
	f("sends QoS 2", 1, func(a *rig, p *peer) { a.sendOnce(p, "t/0") }, endTakenOver)
	f("goes", 1, func(_ *rig, p *peer) { p.close("closed") }, Ending{})
	f("is kicked", 300, func(a *rig, _ *peer) { a.Kick(a.batch, "c") }, endKicked)
}

// hangs is a session whose node hangs.
type hangs struct {
	*fakeCluster
	a, b, d       *fakeNode
	old, now      *peer
	subscriptions int
}

func (h *hangs) begin(saved bool) {
	h.Helper()
	h.old = h.a.rig.connect("c", durably, window(10))
	for i := range h.subscriptions {
		h.old.subscribe(fmt.Sprint("t/", i), 2)
	}
	h.quiet()
	if saved {
		h.a.rig.connect("first").publish("t/0", "one", 2)
		h.quiet()
		for _, s := range h.old.take() {
			h.old.ack(h.a.rig.batch, s)
		}
		h.quiet()
	}
	h.hang(h.a)
	if h.now = h.b.open("c", durably, window(10)); h.now == nil || !h.now.present {
		h.Fatal("the session can't be taken over")
	}
	h.quiet()
}

// judge demands that b has the session as it should be, and a nothing.
func (h *hangs) judge(want Ending) {
	h.Helper()
	h.quiet()
	if h.a.rig.Client("c") != nil {
		h.Error("the node that hung still has the session")
	}
	if got := h.old.ending(); want != (Ending{}) && got != want {
		h.Errorf("its connection ends with %v, want %v", got, want)
	}
	h.now.subscribe("more", 2)
	h.b.rig.connect("last").publish("more", "last", 2)
	h.quiet()
	got := h.now.ackAll()
	if len(got) == 0 || got[len(got)-1] != "last" {
		h.Errorf("the client got %q, and not the last one", got)
	}
	h.quiet()
	s, err := h.b.rig.durable.find("c")
	if err != nil || s == nil || s.Node != "b" || len(s.Subscriptions) != h.subscriptions+1 {
		h.Fatalf("the record is %+v, %v", s, err)
	}
	h.kill(h.b)
	again := h.d.open("c", durably, window(10))
	if again == nil || !again.present {
		h.Fatal("the session can't be taken over once more")
	}
	if more := again.ackAll(); slices.Contains(more, "last") {
		h.Errorf("the state was lost: the client gets %q once more", more)
	}
}

// A client starts anew where its node is missed: what the one that hung does
// with the old session doesn't concern the new one.
func TestHungAndDiscarded(t *testing.T) {
	c := newFakeCluster(t, 3, 1)
	a, b := c.nodes[0], c.nodes[1]
	old := a.rig.connect("c", durably).subscribe("old", 1)
	old.close("closed")
	old = a.rig.connect("c", durably) // a later epoch
	c.quiet()
	c.hang(a)
	now := b.open("c", clean, durably)
	if now == nil || now.present {
		t.Fatal("it doesn't start anew")
	}
	now.subscribe("new", 1)
	c.quiet()
	old.subscribe("late", 1)
	c.quiet()
	if a.rig.Client("c") != nil || old.ending() != endTakenOver {
		t.Errorf("the node that hung has it still; its connection ends with %v", old.ending())
	}
	s, err := b.rig.durable.find("c")
	if err != nil || s == nil || s.Node != "b" || len(s.Subscriptions) != 1 || s.Subscriptions[0].Filter != "new" {
		t.Errorf("the record is %+v, %v", s, err)
	}
}

// Two nodes want the session of one that has died: one of them has it then.
func TestAcquireOnce(t *testing.T) {
	c := newFakeCluster(t, 3, 1)
	a, b, d := c.nodes[0], c.nodes[1], c.nodes[2]
	a.rig.connect("c", durably).subscribe("t", 1)
	c.quiet()
	c.kill(a)
	err := b.rig.durable.settled()
	if err != nil {
		t.Fatal(err)
	}
	was, err := b.rig.durable.find("c")
	if err != nil || was == nil {
		t.Fatal(was, err)
	}
	results := make(chan error, 2)
	for _, n := range []*fakeNode{b, d} {
		go func() { results <- n.rig.durable.takeOver(was) }()
	}
	one, two := <-results, <-results
	if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), errTaken) {
		t.Errorf("they get %v and %v", one, two)
	}
	if n := b.rig.Sessions() + d.rig.Sessions(); n != 1 {
		t.Errorf("%d nodes have it", n)
	}
}

// A node that comes back finds that some of what it reads is another's meanwhile.
func TestRestoredOnlyWhatIsOurs(t *testing.T) {
	c := newFakeCluster(t, 2, 1)
	a := c.nodes[0]
	a.rig.connect("c", durably)
	c.quiet()
	d := a.rig.durable
	s, err := d.find("c")
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	if at, taken := d.restored(s); taken || at == engine.Absent || at == unseen {
		t.Errorf("its revision is %d, taken %v", at, taken)
	}
	was := *s
	s.Node = "b"
	if _, err := d.putAt(d.sessions, durable.SessionKey("c"), durable.AppendSession(nil, s), engine.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if _, taken := d.restored(&was); !taken {
		t.Error("it is restored although another has it")
	}
}

// Two nodes make a new session of one client, since one of them hangs while it
// does: neither is later by its epoch, so the connection decides.
func TestHungWhileNew(t *testing.T) {
	c := newFakeCluster(t, 3, 1)
	a, b := c.nodes[0], c.nodes[1]
	c.hang(a)
	old := a.rig.connect("c", durably)
	c.quiet()
	for began := Now(); Now() == began; {
		runtime.Gosched()
	}
	now := b.rig.connect("c", durably)
	c.quiet()
	old.subscribe("old", 1)
	now.subscribe("new", 1)
	c.quiet()
	if a.rig.Client("c") != nil || old.ending() != endTakenOver || now.ending() != (Ending{}) {
		t.Errorf("the connections end with %v and %v", old.ending(), now.ending())
	}
	s, err := b.rig.durable.find("c")
	if err != nil || s == nil || s.Node != "b" || len(s.Subscriptions) != 1 || s.Subscriptions[0].Filter != "new" {
		t.Errorf("the record is %+v, %v", s, err)
	}
}

// What a session still has to write when it has ended doesn't come over what the
// next one of its client has written.
func TestChangesOfAnEndedSession(t *testing.T) {
	c := newFakeCluster(t, 2, 1)
	a := c.nodes[0].rig
	d := a.durable
	client := a.connect("c", durably).client
	c.quiet()
	r := client.more.reader
	a.Kick(a.batch, "c")
	a.connect("c", durably).subscribe("t", 2)
	a.connect("pub").publish("t", "1", 2)
	c.quiet()
	for what, o := range map[string]*owned{
		"record":  d.record(client, r),
		"state":   d.state(client, r),
		"remnant": {d: d, id: "c", m: &remnant{id: "c"}, seen: &r.revisions.state, state: true},
	} {
		key := "c"
		if !o.state {
			key = durable.SessionKey(key)
		}
		_, was, _, _ := o.to().GetAt(key)
		o.seen.Store(unseen)
		done := make(chan error, 1)
		o.PutLater(key, []byte("late"), func(err error) { done <- err })
		if err := <-done; !errors.Is(err, errTaken) {
			t.Errorf("%s: a late change ends with %v", what, err)
		}
		if _, at, _, _ := o.to().GetAt(key); at != was {
			t.Errorf("%s: it was changed", what)
		}
	}
}
