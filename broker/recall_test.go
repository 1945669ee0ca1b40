package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// A client whose node is killed goes on at another one: with its subscriptions,
// with what it has not acknowledged, and with what came meanwhile.
func TestRecall(t *testing.T) {
	c := newFakeCluster(t, 3, 2)
	a, b := c.nodes[0], c.nodes[1]
	client := a.rig.connect("c", durably, window(4)).subscribe("t/+", 1).subscribe("m", 2)
	pub := b.rig.connect("pub")
	c.quiet()
	for i := range 8 {
		pub.publish("t/1", fmt.Sprint(i), 1)
	}
	c.quiet()
	got := client.take()
	client.ack(a.rig.batch, got[0])
	client.ack(a.rig.batch, got[1])
	client.close("closed") // with a save
	c.quiet()
	c.kill(a)
	for i := range 3 {
		pub.publish("t/1", fmt.Sprint(i+8), 1)
	}
	client = b.open("c", durably, window(4))
	if client == nil || !client.present {
		t.Fatal("the session isn't present")
	}
	if got, want := client.ackAll(), append(counted(2, 10), []string(nil)...); !slices.Equal(got, want) {
		t.Errorf("the client got %q, want %q", got, want)
	}
	pub.publish("m", "2", 2)
	client.gets("m=2")
	c.quiet()
	b.rig.durable.sessions.(*fakeCopy).arrive()
	s, err := b.rig.durable.find("c")
	if err != nil || s == nil || s.Node != "b" || s.Epoch < 2 {
		t.Errorf("the record is %+v, %v", s, err)
	}
	c.balance()
}

// A client that starts anew ends the session that its dead node has left.
func TestDiscardLeft(t *testing.T) {
	c := newFakeCluster(t, 3, 1)
	a, b := c.nodes[0], c.nodes[1]
	many := a.rig.connect("c", durably)
	for i := range 300 {
		many.subscribe(fmt.Sprint("t/", i), 1)
	}
	c.quiet()
	c.kill(a)
	if client := b.open("c", clean, durably); client == nil || client.present {
		t.Error("the old session is there")
	}
	c.quiet()
	for key := range c.sessions.copy() {
		if key[0] == 'c' {
			t.Errorf("%q is left", key)
		}
	}
	b.rig.Kick(b.rig.batch, "c")
	c.quiet()
	b.rig.durable.sessions.(*fakeCopy).arrive()
	if s, err := b.rig.durable.find("c"); s != nil || err != nil {
		t.Errorf("%+v, %v is left", s, err)
	}
}

// Cut off from the others a node serves the sessions that it has, and refuses
// those that it can't know; healed, it gives up what others have taken.
func TestRecallInMinority(t *testing.T) {
	c := newFakeCluster(t, 3, 1)
	a, b := c.nodes[0], c.nodes[1]
	a.rig.connect("away", durably).subscribe("t", 1)
	stays := a.rig.connect("stays", durably).subscribe("t", 1)
	other := b.rig.connect("other", durably).subscribe("t", 1)
	other.close("closed")
	c.quiet()
	a.rig.durable.sessions.(*fakeCopy).arrive()
	c.split(a, true)
	if a.open("other", durably) != nil {
		t.Error("a session is served that another node has")
	}
	if p := a.open("memory", clean); p == nil || p.present {
		t.Error("a client without a session is refused")
	}
	if p := a.open("stays", durably); p == nil || !p.present {
		t.Error("a session that is here isn't served")
	} else {
		stays = p
	}
	away := b.open("away", durably)
	if away == nil || !away.present {
		t.Fatal("the majority doesn't take over")
	}
	b.rig.connect("pub").publish("t", "1", 1)
	b.rig.quiet() // its record is kept
	c.split(a, false)
	c.quiet()
	if a.rig.Client("away") != nil {
		t.Error("the session is still on the node that had it")
	}
	stays.gets("t=1")
	away.gets("t=1")
	stays.ackAll()
	c.quiet()
	b.rig.durable.sessions.(*fakeCopy).arrive()
	if s, err := b.rig.durable.find("away"); err != nil || s == nil || s.Node != "b" {
		t.Errorf("the record of who has moved is %+v, %v", s, err)
	}
	if p := a.open("other", durably); p == nil || !p.present {
		t.Error("healed, the node can't serve it either")
	}
	c.quiet() // it gets what it has missed
	c.balance()
}

// A node that comes back after another has taken its session leaves it alone.
func TestRestartedAfterRecall(t *testing.T) {
	c := newFakeCluster(t, 2, 1)
	a, b := c.nodes[0], c.nodes[1]
	a.rig.connect("taken", durably).subscribe("t", 1)
	a.rig.connect("left", durably).subscribe("t", 1)
	c.quiet()
	c.kill(a)
	if b.open("taken", durably) == nil {
		t.Fatal("it can't be taken")
	}
	c.quiet()
	again := c.restart(a)
	if again.rig.Client("taken") != nil || again.rig.Client("left") == nil {
		t.Errorf("back are: taken %v, left %v", again.rig.Client("taken") != nil, again.rig.Client("left") != nil)
	}
	c.balance()
}

// TestRecallCrowd: nodes are killed at random, and their clients go on elsewhere.
// What was acknowledged comes to each session in order, at QoS 2 exactly once.
func TestRecallCrowd(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newFakeCluster(t, 3, 1+int(seed%2))
			var wanderers []*wanderer
			for i := range 3 {
				wanderers = append(wanderers,
					c.wanderer(fmt.Sprint("one", i), seed+uint64(i), map[string]mqtt.QoS{"t/#": 1}),
					c.wanderer(fmt.Sprint("two", i), seed+uint64(i)+10, map[string]mqtt.QoS{"t/#": 2}))
			}
			for _, w := range wanderers {
				w.come()
			}
			c.quiet()
			c.roam(wanderers, seed)
			for _, w := range wanderers {
				w.finish()
			}
			c.quiet()
			c.balance()
		})
	}
}
