package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// wanderer is a keeper whose node may be killed: it goes on at another one.
type wanderer struct {
	*keeper
	cluster *fakeCluster
	node    *fakeNode
}

func (c *fakeCluster) wanderer(id string, seed uint64, subs map[string]mqtt.QoS) *wanderer {
	return &wanderer{keeper: c.all()[0].rig.keeper(id, seed, subs), cluster: c}
}

// come connects to the node that has the session, or if that is dead to any.
func (w *wanderer) come() {
	for !w.comeTo() {
	}
}

func (w *wanderer) comeTo() bool {
	c := w.cluster
	c.claims.RLock()
	defer c.claims.RUnlock()
	nodes := c.all()
	n := nodes[w.rnd.IntN(len(nodes))]
	for _, o := range nodes {
		if !o.dead.Load() && o.rig.Client(w.id) != nil {
			n = o
		}
	}
	if n.dead.Load() {
		return false
	}
	w.node, w.rig, w.batch, w.dead = n, n.rig, n.rig.NewBatch(), &n.dead
	o := &Opening{Zone: w.rig.zone, Ask: &hook.ConnInfo{Client: &hook.ClientInfo{ClientID: w.id}}}
	durably(o)
	over := make(chan struct{})
	waited := time.Duration(0)
	if slices.ContainsFunc(nodes, func(o *fakeNode) bool { return o.dead.Load() }) { // which doesn't answer to the claim
		waited = silentClaim
	}
	if w.rig.recall(o, waited, func() { close(over) }) {
		<-over
	}
	if o.Unavailable() != nil || n.dead.Load() {
		return false
	}
	was := w.now
	w.connect()
	if was != nil && !w.now.present && !n.dead.Load() {
		w.Errorf("%s: the session is lost on the way to %s", w.id, n.id)
	}
	return true
}

// roam lives until told otherwise.
func (w *wanderer) roam(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		if w.node.dead.Load() {
			w.come()
		}
		w.live()
	}
}

func (w *wanderer) finish() {
	w.come()
	for {
		w.cluster.quiet()
		if !w.ackSome(1000) {
			return
		}
	}
}

// roam has the wanderers live while publishers publish on all nodes, and kills and
// restarts nodes meanwhile. What was acknowledged has to have come to all.
func (c *fakeCluster) roam(all []*wanderer, seed uint64) {
	c.Helper()
	var mu sync.Mutex
	var acked []*mqtt.Message
	over := make(chan struct{})
	var living, publishing sync.WaitGroup
	for _, w := range all {
		living.Go(func() { w.roam(over) })
	}
	publish := func(n *fakeNode, name string) {
		publishing.Go(func() {
			b := n.rig.NewBatch()
			defer b.End()
			info := &hook.ClientInfo{ClientID: name}
			for i := 0; i < 300 && !n.dead.Load(); i++ {
				m := &mqtt.Message{Topic: fmt.Sprint("t/", i%3), Payload: fmt.Appendf(nil, "%s %05d", name, i), From: name, QoS: mqtt.QoS(1 + i/3%2)}
				own := *m
				if code, _ := n.rig.PublishKept(b, info, &own); code == mqtt.Success && !n.dead.Load() {
					mu.Lock()
					acked = append(acked, m)
					mu.Unlock()
				}
			}
		})
	}
	rnd := rand.New(rand.NewPCG(seed, 5))
	for i, n := range c.all() {
		publish(n, fmt.Sprint("p", i))
	}
	for round := range 4 {
		time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
		n := c.all()[rnd.IntN(3)]
		c.kill(n)
		time.Sleep(time.Duration(rnd.IntN(40)) * time.Millisecond)
		publish(c.restart(n), fmt.Sprint("again", round))
	}
	publishing.Wait()
	close(over)
	living.Wait()
	for _, w := range all {
		w.finish()
	}
	for _, w := range all {
		w.check(acked)
	}
}

// check wants each acknowledged message, in the order of its publisher and topic;
// at QoS 2 once.
func (w *wanderer) check(acked []*mqtt.Message) {
	w.Helper()
	times := make(map[string]int)
	last := make(map[string]string)
	for _, s := range w.log {
		if times[s.payload]++; times[s.payload] > 1 {
			if s.qos == 2 {
				w.Errorf("%s got %q %d times at QoS 2", w.id, s.payload, times[s.payload])
			}
			continue
		}
		publisher, _, _ := strings.Cut(s.payload, " ")
		of := fmt.Sprint(publisher, s.topic, s.qos)
		if s.payload < last[of] {
			w.Errorf("%s got %q after %q", w.id, s, last[of])
		}
		last[of] = s.payload
	}
	var lost []string
	for _, m := range acked {
		if times[string(m.Payload)] == 0 {
			lost = append(lost, string(m.Payload))
		}
	}
	if len(lost) > 0 {
		w.Errorf("%s has not got %d of %d acknowledged messages, the first is %q", w.id, len(lost), len(acked), slices.Min(lost))
	}
}

// restart brings a killed broker back, with the same id, and replaces it.
func (c *fakeCluster) restart(n *fakeNode) *fakeNode {
	c.Helper()
	c.claims.Lock()
	defer c.claims.Unlock()
	again := c.startAs(n.id)
	if _, err := again.rig.Restore(); err != nil {
		c.Fatal(err)
	}
	c.forget(n)
	return again
}
