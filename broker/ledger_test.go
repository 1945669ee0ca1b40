package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// crowd is a rig full of clients that do at random what clients do, each kind
// in goroutines of its own. Some keep what they are sent, and at the end it is
// seen whether that is all it should be.
type crowd struct {
	*rig
	mu        sync.Mutex
	published map[string][]string // by first level of the topic
	acked     map[string]bool     // payloads acknowledged by members of the shared group
	lost      map[string]uint64   // deliveries dropped, by client and reason, as the hook told
}

func newCrowd(t *testing.T, strategy Strategy) *crowd {
	c := &crowd{rig: newRig(t, withStrategy(strategy)), published: make(map[string][]string), acked: make(map[string]bool), lost: make(map[string]uint64)}
	c.zone.Session.MaxMqueueLen = 0
	c.Hooks.DeliveryDropped.Add("test", 0, func(e *hook.DeliveryDropped) hook.Verdict {
		c.mu.Lock()
		c.lost[e.Client.ClientID+" "+e.Reason]++
		c.mu.Unlock()
		return hook.Continue
	})
	c.Hooks.MessageAcked.Add("test", 0, func(e *hook.MessageAcked) hook.Verdict {
		if strings.HasPrefix(e.Message.Topic, "shared/") {
			c.mu.Lock()
			c.acked[string(e.Message.Payload)] = true
			c.mu.Unlock()
		}
		return hook.Continue
	})
	return c
}

// actor is one client through all its connections. Everything but log is used
// by its goroutine alone.
type actor struct {
	*crowd
	id     string
	filter string
	qos    mqtt.QoS
	zone   *Zone
	batch  *Batch
	rnd    *rand.Rand
	now    *peer

	mu      sync.Mutex
	pending []sent
	log     []sent // all it got
}

func (c *crowd) actor(id, filter string, qos mqtt.QoS, seed uint64) *actor {
	return &actor{crowd: c, id: id, filter: filter, qos: qos, zone: c.zone, batch: c.NewBatch(), rnd: rand.New(rand.NewPCG(seed, 7))}
}

// connect opens another connection, whatever becomes of the one there is.
func (a *actor) connect(with ...how) {
	conn := new(fakeConn)
	conn.onSend = func(s sent) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.pending = append(a.pending, s)
		a.log = append(a.log, s)
	}
	a.now = a.connectIn(a.batch, a.id, append(with, func(o *Opening) {
		a.mu.Lock()
		a.pending = nil
		a.mu.Unlock()
		o.Conn, o.Zone = conn, a.zone
	})...)
	a.now.fakeConn = conn
	if !a.now.present {
		a.now.subscribeIn(a.batch, a.filter, mqtt.SubscribeOptions{QoS: a.qos}, 0)
	}
}

// ackSome acknowledges up to n of what came first.
func (a *actor) ackSome(n int) (more bool) {
	a.mu.Lock()
	n = min(n, len(a.pending))
	now := a.pending[:n]
	a.pending = a.pending[n:]
	a.mu.Unlock()
	for _, s := range now {
		a.now.ack(a.batch, s)
	}
	return n > 0
}

// live does one thing that a client does which wants its messages.
func (a *actor) live() {
	keep := []how{expiry(1000), window(uint16(1 + a.rnd.IntN(20)))}
	switch n := a.rnd.IntN(40); {
	case a.now == nil || n == 0:
		a.connect(keep...) // a takeover, if it is connected
	case n == 1:
		a.now.client.Close(a.batch, a.now.fakeConn, "closed", nil, true)
	case n == 2:
		a.now.full.Store(true)
	case n < 6:
		a.now.full.Store(false)
		a.now.client.Drain(a.batch, a.now.fakeConn)
	default:
		a.ackSome(a.rnd.IntN(10))
	}
	a.batch.End()
}

// churn does one thing that may cost the client messages.
func (a *actor) churn() {
	switch a.rnd.IntN(12) {
	case 0:
		a.Kick(a.batch, a.id)
	case 1:
		a.connect(clean)
	case 2:
		a.connect(expiry(uint32(a.rnd.IntN(3))))
	case 3:
		if a.now != nil {
			now := uint32(0)
			a.now.client.Close(a.batch, a.now.fakeConn, "normal", &now, a.rnd.IntN(2) == 0)
		}
	case 4:
		if a.now != nil {
			a.Unsubscribe(a.batch, a.now.client, a.now.fakeConn, a.filter)
			a.now.subscribeIn(a.batch, a.filter, mqtt.SubscribeOptions{QoS: a.qos, NoLocal: true}, 0)
		}
	default:
		a.live()
	}
	a.batch.End()
}

// finish comes back for good and takes all there is.
func (a *actor) finish() {
	a.connect(expiry(1000))
	for a.ackSome(1000) {
	}
}

// publisher publishes its numbers under several topics, at a QoS of each
// topic's own.
func (c *crowd) publisher(id string, n int) {
	b := c.NewBatch()
	info := &hook.ClientInfo{ClientID: id}
	for i := range n {
		kind := []string{"plain", "shared"}[i%2]
		m := &mqtt.Message{
			Topic: fmt.Sprint(kind, "/", i%5), Payload: fmt.Appendf(nil, "%s %05d", id, i), From: id,
			QoS: mqtt.QoS(1 + i%5%2),
		}
		if kind == "shared" {
			m.QoS = 1 // at QoS 2 a message is bound to its member
		}
		c.mu.Lock()
		c.published[kind] = append(c.published[kind], string(m.Payload))
		c.mu.Unlock()
		c.Publish(b, info, m)
		if i%10 == 0 {
			c.Publish(b, info, &mqtt.Message{Topic: "plain/0", Payload: []byte("at QoS 0"), From: id})
			c.Publish(b, info, &mqtt.Message{Topic: "plain/1", Payload: []byte("expires"), From: id, QoS: 1, ExpiresAt: Now() + 20})
			b.End()
		}
	}
	b.End()
}

// settled waits until the ledger balances; the wheel may be at work.
func (c *crowd) settled() {
	c.Helper()
	for range 100 {
		if c.Ledger().Balance() == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.balances()
}

// strandsNothing checks that no member of a shared group holds messages while
// it is away and another is there.
func (c *crowd) strandsNothing() {
	c.Helper()
	for key, g := range c.groups.all {
		for _, m := range g.all() {
			if s := m.client.Status(); g.isOnline() && !s.Connected && key.Name == "g" && s.Inflight+s.Queued > 0 {
				c.Errorf("%s is away and holds %d messages, %d of them sent, while others are there", s.Client.ClientID, s.Inflight+s.Queued, s.Inflight)
			}
		}
	}
}

// checkPlain wants each message of the publishers in the actor's log, for each
// publisher and topic in the order in which they were sent.
func (a *actor) checkPlain(all []string) {
	a.Helper()
	got := make(map[string]bool)
	last := make(map[string]string)
	for _, s := range a.log {
		publisher, _, numbered := strings.Cut(s.payload, " ")
		if got[s.payload] || !numbered || s.payload == "at QoS 0" {
			continue
		}
		got[s.payload] = true
		of := publisher + " on " + s.topic
		if s.payload < last[of] {
			a.Errorf("%s got %q after %q", a.id, s.payload, last[of])
		}
		last[of] = s.payload
	}
	for _, payload := range all {
		if !got[payload] {
			a.Errorf("%s never got %q", a.id, payload)
			return
		}
	}
}

// TestCrowd runs publishers, faithful subscribers, members of a shared group,
// and clients that come and go, all at once.
func TestCrowd(t *testing.T) {
	messages := 2000
	if testing.Short() {
		messages = 400
	}
	for i, strategy := range strategies {
		t.Run(string(strategy), func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, strategy)
			seed := uint64(i * 100)
			var faithful, members, others []*actor
			for i := range 3 {
				faithful = append(faithful, c.actor(fmt.Sprint("plain", i), "plain/#", 2, seed+uint64(i)))
				members = append(members, c.actor(fmt.Sprint("member", i), "$share/g/shared/#", 1, seed+10+uint64(i)))
				others = append(others,
					c.actor(fmt.Sprint("other", i/2), []string{"#", "$queue/plain/+", "shared/1"}[i], mqtt.QoS(i), seed+20+uint64(i)), // two with one id
					c.actor(fmt.Sprint("guest", i), "$share/g/shared/#", 1, seed+30+uint64(i)))
			}
			tight := *c.zone
			tight.Session.MaxMqueueLen, tight.Session.MaxInflight, tight.Session.MqueueStoreQoS0 = 5, 3, true
			for i, a := range others {
				if i%2 == 0 {
					a.zone = &tight
				}
			}
			for _, a := range append(faithful, members...) {
				a.connect(expiry(1000))
			}
			c.act(messages, faithful, members, others)
			for _, a := range append(faithful, members...) {
				a.finish()
			}
			for _, a := range others {
				a.Kick(a.batch, a.id)
			}
			for _, a := range members { // what the others have given back
				for a.ackSome(1000) {
				}
			}
			c.settled()
			t.Logf("%+v; %d takeovers, %d discarded, %d terminated", c.Ledger(),
				c.metric("session.takeovered"), c.metric("session.discarded"), c.metric("session.terminated"))
			for _, a := range faithful {
				a.checkPlain(c.published["plain"])
			}
			c.books(len(faithful) + len(members))
			c.sums()
			lost := 0
			for _, payload := range c.published["shared"] {
				if !c.acked[payload] {
					lost++
				}
			}
			if lost > 0 {
				t.Errorf("%d of %d shared messages were never acknowledged", lost, len(c.published["shared"]))
			}
		})
	}
}

// sums checks the figures of single clients and of single reasons against the
// ledger: what the hook was told for each reason is what was counted, and the
// ones who lost most are in the lists; and the living clients, who lost nothing
// by their sessions' ends, have the same figures in their sessions.
func (c *crowd) sums() {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.Account(sketchSize)
	byReason := make(map[string]uint64)
	for key, n := range c.lost {
		client, reason, _ := strings.Cut(key, " ")
		byReason[reason] += n
		i := slices.IndexFunc(a.Losers[reason].Clients, func(t Tallied) bool { return t.Name == client })
		if i < 0 || a.Losers[reason].Clients[i].Count != n { // fewer clients than the sketch holds: it is exact
			c.Errorf("%s lost %d by %s, the list has %v", client, n, reason, a.Losers[reason].Clients)
		}
	}
	for reason, n := range a.Ledger.Dropped {
		topics := uint64(0)
		for _, t := range a.Losers[reason].Topics {
			topics += t.Count
		}
		if topics != n {
			c.Errorf("%d were dropped by %s, of single topics %d", n, reason, topics)
		}
		orphans := reason == session.SessionEnded.String() // of groups without a member, which no client lost
		if told := byReason[reason]; told != n && !(orphans && told < n) {
			c.Errorf("%d were dropped by %s, the hook was told of %d", n, reason, told)
		}
	}
	for id, client := range c.ByID() {
		f := client.Figures()
		for why := session.NoLocal; why <= session.Unsubscribed; why++ {
			if n := c.lost[id+" "+why.String()]; f.Dropped[why] != n {
				c.Errorf("the session of %s has %d dropped by %s, the hook was told of %d", id, f.Dropped[why], why, n)
			}
		}
	}
}

// books checks that nothing but n connected clients with a subscription each
// is left.
func (c *crowd) books(n int) {
	c.Helper()
	for _, name := range []string{"connections.count", "sessions.count", "subscriptions.count"} {
		if got := c.metric(name); got != int64(n) {
			c.Errorf("%s is %d, want %d", name, got, n)
		}
	}
	if got := c.metric("session.created") - c.metric("session.discarded") - c.metric("session.terminated"); got != int64(n) {
		c.Errorf("%d sessions were created and didn't end, want %d", got, n)
	}
	if got := c.index.Filters(); got != 2 {
		c.Errorf("%d filters are in the index, want 2", got)
	}
	if got := c.wheel.entries(); got > n+2 { // the sampler of the stats and the sweep beside them
		c.Errorf("%d timers are in the wheel, want one for each client at most", got)
	}
}

// act lets all of them do their thing until every publisher has published its
// messages, in rounds; between two rounds the ledger must balance.
func (c *crowd) act(messages int, faithful, members, others []*actor) {
	const rounds, publishers = 4, 3
	for round := range rounds {
		var publishing, acting sync.WaitGroup
		over := make(chan struct{})
		for i := range publishers {
			publishing.Go(func() { c.publisher(fmt.Sprintf("p%d-%d", round, i), messages/rounds/publishers) })
		}
		start := func(all []*actor, do func(*actor)) {
			for _, a := range all {
				acting.Go(func() {
					for {
						select {
						case <-over:
							return
						default:
							do(a)
						}
					}
				})
			}
		}
		start(faithful, (*actor).live)
		start(members, (*actor).live)
		start(others, (*actor).churn)
		publishing.Wait()
		close(over)
		acting.Wait()
		c.settled()
		c.strandsNothing()
	}
}
