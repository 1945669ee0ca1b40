package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// twin is a client that does the same on a cluster and on a broker alone.
type twin struct {
	id       string
	together *talker
	alone    *talker // nil, both: it never connected
	online   bool
}

func (w *twin) each(f func(k *talker)) {
	f(w.together)
	f(w.alone)
}

// TestSeveralLikeOne: whatever clients do, wherever they connect, they get from
// three brokers what they get from one.
func TestSeveralLikeOne(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		inSeveral(t, "a b c", func(s *several) {
			t := s.T
			one := &several{T: t, net: s.net, nodes: map[string]*station{}}
			one.start("one")
			defer one.nodes["one"].stop()
			m := &likeOne{T: t, several: s, one: one.nodes["one"], rnd: rand.New(rand.NewPCG(seed, 3)), shared: map[string]bool{}}
			for i := range 5 {
				m.clients = append(m.clients, &twin{id: fmt.Sprint("x", i)})
			}
			for step := range 600 {
				if m.step(step); t.Failed() {
					t.Errorf("seed %d, step %d", seed, step)
					return
				}
			}
			s.balance()
			one.balance()
			if m.plainly < 200 || m.inGroups < 30 {
				t.Errorf("seed %d: only %d plain and %d shared deliveries were compared", seed, m.plainly, m.inGroups)
			}
		})
	}
}

type likeOne struct {
	*testing.T
	*several
	one     *station
	rnd     *rand.Rand
	clients []*twin
	shared  map[string]bool // how deliveries end that are for subscriptions to shared groups

	plainly, inGroups int // deliveries compared
}

var modelFilters = []string{"#", "t/+", "t/1", "t/2", "+/1", "$share/g/t/#", "$queue/t/1", "other"}

// step lets one client do something, waits, and compares what everybody got.
func (m *likeOne) step(n int) {
	w := m.clients[m.rnd.IntN(len(m.clients))]
	filter := modelFilters[m.rnd.IntN(len(modelFilters))]
	var did string
	switch op := m.rnd.IntN(10); {
	case !w.online || op == 0:
		did = m.connect(w)
	case op == 1:
		did = "closes"
		w.online = false
		w.each((*talker).close)
	case op < 4:
		o := mqtt.SubscribeOptions{QoS: mqtt.QoS(m.rnd.IntN(3)), RetainAsPublished: m.rnd.IntN(2) == 0}
		o.NoLocal = filter[0] != '$' && m.rnd.IntN(3) == 0
		did = fmt.Sprintf("subscribes to %s %+v", filter, o)
		m.shared[fmt.Sprint("sub ", n)] = filter[0] == '$'
		w.each(func(k *talker) { k.subscribeWith(filter, o, uint32(n)) })
	case op == 4:
		did = "unsubscribes from " + filter
		w.each(func(k *talker) {
			k.Unsubscribe(k.batch, k.client, k, filter)
			k.batch.End()
		})
	default:
		name, qos, retain := []string{"t/1", "t/2", "other", "x/1"}[m.rnd.IntN(4)], mqtt.QoS(m.rnd.IntN(3)), m.rnd.IntN(4) == 0
		did = fmt.Sprintf("publishes %d to %s at QoS %d", n, name, qos)
		w.each(func(k *talker) {
			k.publishMessage(&mqtt.Message{Topic: name, Payload: fmt.Append(nil, n), QoS: qos, Retain: retain})
		})
	}
	for range 5 { // what waits in a group is handed on after half a second
		m.rest()
	}
	m.compare(w.id + " " + did)
}

func (m *likeOne) connect(w *twin) string {
	st := m.nodes[[]string{"a", "b", "c"}[m.rnd.IntN(3)]]
	with := []option{expiry(1000)}
	if m.rnd.IntN(8) == 0 {
		with = append(with, func(o *broker.Opening) { o.Ask.CleanStart = true })
	}
	m.compare("before a connection") // what an older one got counts
	w.together, w.alone, w.online = st.connect(w.id, with...), m.one.connect(w.id, with...), true
	if w.together.present != w.alone.present {
		m.Errorf("%s on %s: the session is present: %v, want %v", w.id, st.name, w.together.present, w.alone.present)
	}
	return fmt.Sprint("connects to ", st.name, " with ", len(with), " options")
}

// compare wants each client to have got the same; of shared groups, which choose
// as they like, all members together.
func (m *likeOne) compare(after string) {
	var together, alone []string
	for _, w := range m.clients {
		if w.alone == nil {
			continue
		}
		got, groups := m.split(w.together.take())
		together = append(together, groups...)
		want, groups := m.split(w.alone.take())
		alone = append(alone, groups...)
		if m.plainly += len(want); !slices.Equal(got, want) {
			m.Errorf("after %s %s got %q, alone %q", after, w.id, got, want)
		}
	}
	if m.inGroups += len(alone); len(together) != len(alone) {
		m.Errorf("after %s members got %q, alone %q", after, together, alone)
	}
}

// split parts what was delivered for the client's own subscriptions, sorted since
// copies of one message have no order, and as a member of groups.
func (m *likeOne) split(all []string) (own, groups []string) {
	for _, text := range all {
		if m.shared[text[strings.LastIndex(text, "sub "):]] {
			groups = append(groups, text)
		} else {
			own = append(own, text)
		}
	}
	slices.Sort(own)
	return own, groups
}
