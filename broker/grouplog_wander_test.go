package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// groupWander is a cluster in which what waits for a group on one node goes after
// its members, who move at random.
type groupWander struct {
	*fakeCluster
	rnd     *rand.Rand
	qos     mqtt.QoS
	members []*groupWanderer
	done    map[string]string // payloads that somebody has begun to acknowledge, and who
}

type groupWanderer struct {
	id   string
	node *fakeNode
	now  *peer // nil: it is away
}

// TestGroupWanders: of what waited on a node when others came all comes to some
// member, at QoS 2 to one, whatever nodes the members go to, and whatever nodes are
// killed and come back meanwhile.
func TestGroupWanders(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newGroupWander(t, seed)
			for range 60 {
				w.step()
			}
			w.end()
		})
	}
}

const wandering = 150 // messages

func newGroupWander(t *testing.T, seed uint64) *groupWander {
	w := &groupWander{
		fakeCluster: newFakeCluster(t, 1, 1+int(seed%2)), rnd: rand.New(rand.NewPCG(seed, 7)),
		qos: mqtt.QoS(1 + seed%2), done: make(map[string]string),
	}
	a := w.nodes[0]
	for i, p := range a.rig.sharers(3, w.qos, window(4)) {
		w.members = append(w.members, &groupWanderer{fmt.Sprint("d", i), a, p})
	}
	a.rig.connect("pub").publishNumbers("t/1", wandering, w.qos)
	w.quiet()
	w.start()
	w.start()
	w.quiet()
	return w
}

func (w *groupWander) step() {
	m := w.members[w.rnd.IntN(len(w.members))]
	switch w.rnd.IntN(8) {
	case 0, 1, 2:
		w.come(m, w.all()[w.rnd.IntN(3)])
	case 3:
		w.leave(m)
	case 4:
		w.quiet()
		n := w.all()[w.rnd.IntN(3)]
		w.kill(n)
		for _, m := range w.members {
			if m.node == n {
				m.now = nil
				if w.qos == 2 && w.rnd.IntN(2) == 0 { // else it stays away until the node is back
					m.node = w.all()[w.rnd.IntN(3)]
					w.recall(m)
				}
			}
		}
		again := w.restart(n)
		for _, m := range w.members {
			if m.node == n {
				m.node = again
			}
		}
	default:
		w.quiet()
		w.acknowledge(m, w.rnd.IntN(5))
	}
}

// recall has a member of a dead node connect to another one.
func (w *groupWander) recall(m *groupWanderer) {
	for m.node.dead.Load() {
		m.node = w.all()[w.rnd.IntN(3)]
	}
	if m.now = m.node.open(m.id, durably, window(4)); m.now == nil || !m.now.present {
		w.Fatalf("%s is lost on its way to %s", m.id, m.node.id)
	}
}

// come has a member connect to a node.
func (w *groupWander) come(m *groupWanderer, n *fakeNode) {
	if n != m.node {
		state, wait, then := m.node.rig.Detach(m.id)
		for wait {
			if then != nil {
				then()
			}
			w.quiet()
			state, wait, then = m.node.rig.Detach(m.id)
		}
		if then != nil {
			then()
		}
		if err := n.rig.Adopt(m.id, state); err != nil {
			w.Fatal(err)
		}
	}
	m.node, m.now = n, n.rig.connect(m.id, durably, window(4))
	if !m.now.present {
		w.Fatalf("%s is lost on its way to %s", m.id, n.id)
	}
}

func (w *groupWander) leave(m *groupWanderer) {
	if m.now != nil {
		m.now.close("closed")
		m.now = nil
	}
}

// acknowledge has a member acknowledge some of what it has got, and forget the rest.
func (w *groupWander) acknowledge(m *groupWanderer, n int) {
	if m.now == nil {
		return
	}
	for i, s := range m.now.take() {
		if i >= n {
			w.leave(m) // it gets these again
			return
		}
		if who, before := w.done[s.payload]; before && w.qos == 2 {
			w.Errorf("%s got %v at QoS 2, which %s had got", m.id, s, who)
		}
		w.done[s.payload] = m.id
		if s.qos == 2 {
			m.now.client.Pubrec(m.now.batch, m.now.fakeConn, s.id, mqtt.Success)
			w.quiet() // the PUBREL waits for a save
		}
		m.now.ack(m.now.batch, s)
		w.quiet()
	}
}

// end has all members come and acknowledge all there is.
func (w *groupWander) end() {
	for _, m := range w.members {
		w.come(m, m.node)
	}
	for until := time.Now().Add(time.Minute); len(w.done) < wandering && time.Now().Before(until); {
		w.quiet()
		for _, m := range w.members {
			w.acknowledge(m, 1000)
		}
	}
	if len(w.done) != wandering {
		w.Errorf("%d of %d have come", len(w.done), wandering)
	}
	w.quiet()
	w.balance()
}
