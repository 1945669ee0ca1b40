package clustertest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Workload is who publishes and who subscribes while nodes are being broken.
// All clients have sessions that last. Publishers number their messages, at
// each QoS and to each topic in turn; subscribers take all, or one topic, at
// QoS 1 and 2 by turns. Clients lose their connections now and then even if
// nothing else is broken.
type Workload struct {
	Publishers  int
	Subscribers int
	Groups      int     // of three members each, who share all messages
	Topics      int     // that all publishers use
	Rate        float64 // messages a second of each publisher
	Limit       int     // messages of each publisher at most; 0: MaxMessages
	Size        int     // of the payload, bytes
	Reconnect   Reconnect
	// Away is how long subscribers stay away on average, and they are connected
	// as long in between; 0: they stay.
	Away time.Duration
	// Promise is what the groups are promised.
	Promise Promise
	// Steady publishers keep their connections: one that is refused a message, and
	// loses its connection with the answer, sends it again behind others.
	Steady bool
	// Online is how long those who stay have a connection on average before they
	// lose it; 0: a second.
	Online time.Duration
}

// Reconnect says to which node a client connects.
type Reconnect uint8

const (
	// Stay goes to the client's own node and to no other.
	Stay Reconnect = iota
	// Failover goes to another one while its own cannot be reached.
	Failover
	// Roam goes to any, each time.
	Roam
	// Follow goes where a node sends it, and otherwise is as Failover.
	Follow
)

// MaxMessages bounds what one publisher sends, and with it the memory of a run.
const MaxMessages = 20_000

// Run is a workload that has begun.
type Run struct {
	History *History

	t           testing.TB
	w           Workload
	nodes       []*Node
	publishers  []*client
	subscribers []*client
	stop        context.CancelFunc // of publishing, and of coming and going
	stopping    context.Context
	active      sync.WaitGroup
	end         context.CancelFunc // of all clients
	quiet       time.Duration      // how long nothing may come for what is missing to be called lost
}

// Start connects the clients, client i to node i modulo their number, subscribes,
// waits until every node's messages reach every session, and lets the
// publishers begin.
func (w Workload) Start(t testing.TB, nodes ...*Node) *Run {
	t.Helper()
	r := &Run{History: NewHistory(), t: t, w: w, nodes: nodes, quiet: 15 * time.Second}
	var ctx context.Context
	ctx, r.end = context.WithCancel(context.Background())
	r.stopping, r.stop = context.WithCancel(ctx)
	t.Cleanup(r.close)
	for i := range w.Publishers {
		r.publishers = append(r.publishers, r.client(ctx, "pub", i))
	}
	setUp, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i := range w.Subscribers {
		c := r.client(ctx, "sub", i)
		filter := topicOf(i % w.Topics)
		if i < 2 {
			filter = allTopics
		}
		r.subscribe(setUp, c, filter, mqtt.QoS(2-i%2))
	}
	for i := range 3 * w.Groups {
		c := r.client(ctx, "member", i)
		r.subscribe(setUp, c, fmt.Sprintf("$share/group%d/%s", i/3, allTopics), 2)
	}
	r.settle(setUp)
	online := cmp.Or(w.Online, time.Second)
	for i, c := range r.publishers {
		r.active.Go(func() { r.publish(c, i) })
	}
	for _, c := range r.publishers {
		if w.Steady {
			break
		}
		r.active.Go(func() { r.comeAndGo(c, online, 10*time.Millisecond) })
	}
	for _, c := range r.subscribers {
		r.active.Go(func() { r.comeAndGo(c, max(w.Away, online), max(w.Away, 10*time.Millisecond)) })
	}
	return r
}

// client is the i-th of a kind.
func (r *Run) client(ctx context.Context, kind string, i int) *client {
	c := newClient(ctx, r.History, fmt.Sprint(kind, i), sessionExpiry, r.connects(i))
	if r.w.Reconnect == Follow {
		c.mu.Lock()
		c.follow = r.dial
		c.mu.Unlock()
	}
	return c
}

// dial connects to the node whose listener is at an address.
func (r *Run) dial(server string) (net.Conn, error) {
	for _, n := range r.nodes {
		if n.Listener() == server {
			return n.Dial()
		}
	}
	return nil, fmt.Errorf("there is no node at %q", server)
}

const allTopics = "work/#"

func topicOf(k int) string { return fmt.Sprint("work/", k) }

// connects returns how client i connects.
func (r *Run) connects(i int) func() (net.Conn, error) {
	own, failed := r.nodes[i%len(r.nodes)], false
	return func() (net.Conn, error) {
		to := own
		if r.w.Reconnect == Roam || (r.w.Reconnect == Failover || r.w.Reconnect == Follow) && failed {
			to = r.nodes[rand.IntN(len(r.nodes))]
		}
		conn, err := to.Dial()
		failed = err != nil
		return conn, err
	}
}

func (r *Run) subscribe(ctx context.Context, c *client, filter string, qos mqtt.QoS) {
	r.t.Helper()
	r.subscribers = append(r.subscribers, c)
	for _, s := range []struct {
		filter string
		qos    mqtt.QoS
	}{{filter, qos}, {probeTopics + c.id, 1}} {
		if err := c.subscribe(ctx, s.filter, s.qos); err != nil {
			r.t.Fatal(err)
		}
	}
}

// settle waits until a message published at any node reaches every session: in
// a cluster a SUBACK does not say that all nodes know of it yet.
func (r *Run) settle(ctx context.Context) {
	r.t.Helper()
	for _, n := range r.nodes {
		if err := reaches(ctx, n, r.subscribers...); err != nil {
			r.t.Fatal(err)
		}
	}
}

// reaches publishes at the node until each client has got something of it; they
// have subscribed to the topics of their probes.
func reaches(ctx context.Context, from *Node, to ...*client) error {
	probing, stop := context.WithCancel(ctx)
	nobody := NewHistory() // nothing of this is owed to anybody
	c := newClient(probing, nobody, fmt.Sprintf("probe-%s-%d", from.Name, rand.Uint64()), 0, from.Dial)
	defer c.wg.Wait()
	defer stop()
	mark := fmt.Sprintf("%s-%d", from.Name, rand.Uint64())
	for missing := slices.Clone(to); ; pause(ctx, 20*time.Millisecond) {
		missing = slices.DeleteFunc(missing, func(one *client) bool { return one.probed(mark) })
		switch {
		case len(missing) == 0:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("a message published at %s does not reach %s", from.Name, missing[0].id)
		}
		for _, one := range missing {
			c.probe(probeTopics+one.id, mark)
		}
	}
}

// publish publishes until it is told to stop.
func (r *Run) publish(c *client, turn int) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / r.w.Rate))
	defer tick.Stop()
	most := r.w.Limit
	if most == 0 {
		most = MaxMessages
	}
	for n := range most {
		select {
		case <-tick.C:
		case <-r.stopping.Done():
			return
		}
		k := turn + n
		m := Message{Publisher: c.id, Number: n + 1, Topic: topicOf(k / 3 % r.w.Topics), QoS: mqtt.QoS(k % 3)}
		if !c.publish(r.stopping, m, r.w.Size) {
			return
		}
	}
}

// comeAndGo lets the client lose its connection again and again.
func (r *Run) comeAndGo(c *client, online, away time.Duration) {
	for {
		pause(r.stopping, rand.N(2*online))
		if r.stopping.Err() != nil {
			return
		}
		c.stay(rand.N(2*away), rand.IntN(2) == 0)
	}
}

// Finish stops the publishers, has everybody come back, waits until all that is
// owed has come or nothing comes any more, and judges.
func (r *Run) Finish() *Report {
	r.t.Helper()
	r.stop()
	r.active.Wait()
	r.History.Note("the publishers have stopped")
	last, since := 0, time.Now()
	for {
		report := r.check()
		now := r.History.receipts() + report.Acknowledged
		if now != last {
			last, since = now, time.Now()
		}
		waited := time.Since(since)
		if report.Lost+report.groupOwed() == 0 && r.settled() && waited > time.Second || waited > r.quiet {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	r.close()
	return r.check()
}

// check judges what has happened so far.
func (r *Run) check() *Report {
	report := Check(r.History)
	report.promise = r.w.Promise
	return report
}

// settled reports whether every client is connected and every message
// acknowledged.
func (r *Run) settled() bool {
	for _, c := range append(r.publishers[:len(r.publishers):len(r.publishers)], r.subscribers...) {
		if connected, unacknowledged := c.state(); !connected || unacknowledged > 0 {
			return false
		}
	}
	return true
}

// close ends all clients.
func (r *Run) close() {
	r.end()
	for _, c := range append(r.publishers[:len(r.publishers):len(r.publishers)], r.subscribers...) {
		c.wg.Wait()
	}
	r.active.Wait()
}

// Err is the report if the history has defects, or if hardly anything happened in
// it.
func (r *Report) Err() error {
	if r.Defects() > 0 || r.Acknowledged == 0 || r.Received == 0 {
		return fmt.Errorf("the clients found defects:\n%v", r)
	}
	return nil
}

// Require fails the test with Err.
func (r *Report) Require(t testing.TB) {
	t.Helper()
	if err := r.Err(); err != nil {
		t.Error(err)
		return
	}
	t.Logf("no defect:\n%v", r)
}
