package broker

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// What one broker has appended the durable sessions of the others get, live and
// when they come back, once and in order; sessions in memory get it from the other
// broker.
func TestFollow(t *testing.T) {
	c := newFakeCluster(t, 3, 2)
	a, b := c.nodes[0].rig, c.nodes[1].rig
	live := a.connect("live", durably).subscribe("t/+", 1)
	away := a.connect("away", durably).subscribe("t/1", 2)
	memory := a.connect("memory").subscribe("t/+", 1)
	away.close("closed")
	pub := b.connect("pub")
	for i := range 100 {
		pub.publish(fmt.Sprint("t/", i%2), fmt.Sprint(i), 1)
	}
	c.quiet()
	got := live.ackAll()
	if len(got) != 100 {
		t.Errorf("the client got %d messages, want 100", len(got))
	}
	want := counted(0, 99)
	slices.Sort(want)
	if got := memory.ackAll(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("the client in memory got %q", got)
	}
	if n := away.client.Status().Queued; n != 50 {
		t.Errorf("%d wait for who is away, want 50", n)
	}
	if got := a.connect("away", durably).ackAll(); len(got) != 50 || !slices.IsSortedFunc(got, func(a, b string) int { return len(a)*100 - len(b)*100 }) {
		t.Errorf("who was away got %q", got)
	}
	c.balance()
}

// A message that nobody here wants is in the log when a session of another node
// wants it, at QoS 1 and 2 only.
func TestWantedElsewhere(t *testing.T) {
	c := newFakeCluster(t, 2, 1)
	a, b := c.nodes[0].rig, c.nodes[1].rig
	a.connect("c", durably).subscribe("t", 1)
	pub := b.connect("pub")
	for qos := range mqtt.QoS(3) {
		for _, topic := range []string{"t", "other"} {
			if code := pub.publish(topic, "x", qos); qos > 0 && code.Failed() {
				t.Errorf("%s at QoS %d: %v", topic, qos, code)
			}
		}
	}
	if code := pub.publish("other", "x", 1); code != mqtt.NoMatchingSubscribers {
		t.Errorf("the code is %v, want NoMatchingSubscribers", code)
	}
	c.quiet()
	if n := c.log.len(); n != 2 {
		t.Errorf("the log has %d entries, want 2", n)
	}
	c.balance()
}

// An append that was reported to have failed and is in the log all the same
// comes to durable sessions before what follows it.
func TestFailedAndKept(t *testing.T) {
	r, log := newDurableRig(t, 1)
	c := r.connect("c", durably).subscribe("t", 2)
	memory := r.connect("memory").subscribe("t", 1)
	pub := r.connect("pub")
	pub.publish("t", "1", 1)
	r.quiet()
	log.unsure(errFake)
	pub.publish("t", "2", 1)
	r.quiet()
	log.unsure(nil)
	pub.publish("t", "3", 1)
	pub.publish("t", "4", 1)
	r.quiet()
	c.gets("t=1", "t=2", "t=3", "t=4")
	memory.gets("t=1", "t=3", "t=4")
	r.balances()
}

// A session that lived in memory and becomes durable while others append
// gets nothing twice, and nothing again that it had.
func TestBecomesDurableAmongOthers(t *testing.T) {
	c := newFakeCluster(t, 2, 1)
	a, b := c.nodes[0], c.nodes[1]
	b.rig.connect("witness", durably).subscribe("t", 1)
	client := a.rig.connect("c", expiry(100)).subscribe("t", 2)
	a.slow.Store(true)
	b.rig.connect("pub").publish("t", "elsewhere", 2)
	b.rig.quiet()
	a.rig.connect("pub").publish("t", "here", 2)
	a.rig.quiet()
	client.gets("t=here") // before its turn
	client = a.rig.connect("c", durably)
	a.slow.Store(false)
	c.quiet()
	a.rig.connect("pub").publish("t", "later", 1)
	c.quiet()
	var got []string
	for _, s := range client.take() {
		got = append(got, s.String())
	}
	if want := []string{"t=here dup", "t=elsewhere", "t=later"}; !slices.Equal(got, want) {
		t.Errorf("the client got %q, want %q", got, want)
	}
	c.balance()
}

// TestFollowCrowd: clients live at random on three brokers, and each message
// comes to each session of any of them once, in order.
func TestFollowCrowd(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			t.Parallel()
			c := newFakeCluster(t, 3, shards)
			var mu sync.Mutex
			var all []*mqtt.Message
			var keepers [][]*keeper
			for i, n := range c.nodes {
				k := []*keeper{
					n.rig.keeper(fmt.Sprint("one", i), uint64(i), map[string]mqtt.QoS{"t/#": 1}),
					n.rig.keeper(fmt.Sprint("two", i), uint64(i+10), map[string]mqtt.QoS{"t/#": 2}),
					n.rig.keeper(fmt.Sprint("several", i), uint64(i+20), map[string]mqtt.QoS{"t/1": 1, "#": 2, "t/2": 0}),
				}
				for _, k := range k {
					k.connect()
				}
				keepers = append(keepers, k)
			}
			c.quiet()
			var living sync.WaitGroup
			for i, n := range c.nodes {
				living.Go(func() {
					some := n.rig.liveOn(keepers[i], 400, fmt.Sprint("p", i))
					mu.Lock()
					defer mu.Unlock()
					all = append(all, some...)
				})
			}
			living.Wait()
			c.quiet()
			for i := range c.nodes {
				for _, k := range keepers[i] {
					k.finish()
					k.check(all)
				}
			}
			c.quiet()
			c.balance()
		})
	}
}
