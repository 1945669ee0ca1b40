package broker

import (
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// Cluster is the other nodes as the broker sees them. A node by itself has none.
type Cluster struct {
	Routes Routes
	Peers  Peers
	Claims Claims
	// Exclusives, if not nil, shares out the topics of $exclusive/.
	Exclusives Exclusives
	// Zone is the zone of a name, or what holds without one: for sessions that
	// come from other nodes.
	Zone func(name string) *Zone
}

// Routes hears what this node's clients want, to tell the other nodes. It is
// called with locks held: it returns at once and never calls back.
type Routes interface {
	// Added tells of one more subscription to a bare filter. durable: its session
	// is durable and it wants QoS 1 or 2.
	Added(filter string, durable bool)
	// Removed is the end of what Added told, with the same arguments.
	Removed(filter string, durable bool)
	// Group tells how many members a shared group has now, and how many of them
	// are connected; 0 members end it. For one group, calls come in order.
	Group(filter, group string, members, online int)
}

// Peers takes messages to the other nodes. It never blocks, and m may be
// borrowed. What it gathers belongs to the Batch and goes out at its End.
type Peers interface {
	// Forward gathers m for each node with plain subscribers and for one member of
	// each shared group that has some elsewhere, but for the groups in decided:
	// of these Dispatch was asked. It returns how many nodes and groups those are.
	Forward(b *Batch, m *mqtt.Message, decided []GroupKey) (n int)
	// Dispatch is asked who gets a message of a shared group that has members
	// here, of which some are online: true, another node's member was chosen and
	// gets m; false, it is one of this node's.
	Dispatch(b *Batch, m *mqtt.Message, g GroupKey, members, online int) bool
	// Members tells how many members a shared group has on other nodes, and how
	// many of them are connected. It may be called with a client entered.
	Members(g GroupKey) (members, online int)
	// Wanted tells whether anybody on another node gets messages of a topic, and
	// whether a durable session of one, there or not, gets those of QoS 1 and 2
	// from the log.
	Wanted(b *Batch, name string) (anybody, inLog bool)
}

// Outbox is what a Batch has gathered for other nodes. Peers makes it.
type Outbox interface {
	// Flush hands over what has been gathered.
	Flush()
}

// GroupKey tells shared groups apart.
type GroupKey struct{ Name, Filter string }

// SetCluster makes the broker one of several, or with nil one by itself again. All
// that clients have subscribed to is told to c's Routes before it returns. c is
// not changed afterwards.
func (br *Broker) SetCluster(c *Cluster) {
	br.clusterMu.Lock()
	defer br.clusterMu.Unlock()
	if br.cluster.Swap(nil) != nil {
		for _, cl := range br.clients.all() {
			cl.mu.Lock()
			cl.told = false
			cl.mu.Unlock()
		}
	}
	if c == nil {
		br.exclusive.join(nil)
		return
	}
	br.cluster.Store(c)
	br.exclusive.join(c.Exclusives)
	for _, cl := range br.clients.all() { // who comes from now on tells by itself
		cl.mu.Lock()
		if !cl.ended { // it may have ended since, when there was nobody to tell
			cl.routes()
		}
		cl.mu.Unlock()
	}
	br.groups.tellAll()
	if d := br.durable; d != nil { // who has taken sessions meanwhile didn't ask this node
		d.look()
		d.gate.check(d)
	}
}

// routes is whom to tell of a change of the client's subscriptions; nil: nobody.
// Who hears of the client for the first time hears of all that it has. The client
// is locked, and was entered into the registry before.
func (c *Client) routes() Routes {
	cl := c.broker.cluster.Load()
	if cl == nil {
		return nil
	}
	if !c.told {
		c.told = true
		for sub := range c.sess.Subscriptions() {
			if f := split(sub.Filter); f.Kind != topic.Shared {
				cl.Routes.Added(f.Bare, c.inLog(sub.QoS))
			}
		}
	}
	return cl.Routes
}

// inLog reports whether the session gets messages for a subscription of this QoS
// from the log.
func (c *Client) inLog(granted mqtt.QoS) bool { return granted > 0 && c.reader() != nil }

// tellDurable is for a session that becomes durable: its subscriptions do too.
// to is what routes said before. The client is entered and has its reader.
func (c *Client) tellDurable(to Routes) {
	if to == nil {
		return
	}
	for sub := range c.sess.Subscriptions() {
		if f := split(sub.Filter); f.Kind != topic.Shared && sub.QoS > 0 {
			to.Added(f.Bare, true)
			to.Removed(f.Bare, false)
		}
	}
}

// forward takes m to the other nodes, if there are any.
func (br *Broker) forward(b *Batch, m *mqtt.Message) (n int) {
	if c := br.cluster.Load(); c != nil {
		n = c.Peers.Forward(b, m, b.decided)
		br.count.forwarded.Add(uint64(n))
		br.traceForward(m, n)
	}
	b.decided = b.decided[:0]
	return n
}

// DeliverRemote gives a message from another node to this node's plain
// subscribers; n is how many subscriptions matched. It went through the pipeline
// where it was published, and if it has a place in the log, durable sessions get
// it from there. m may be borrowed.
func (br *Broker) DeliverRemote(b *Batch, m *mqtt.Message) (n int) {
	if m.LogSeq != 0 && br.durable.putAside(b, m.At()) {
		defer func() { b.aside = false }()
	}
	routes := br.index.Match(m.Topic, b.routes[:0])
	alias := m.Sys && strings.HasPrefix(m.Topic, sysAlias)
	b.forget()
	for i, r := range routes {
		if _, shared := r.to.Subscriber.(*group); !shared && (!alias || isAlias(r)) {
			r.to.Deliver(b, m, &r.Subscription)
			n++
		}
		routes[i] = nil
	}
	b.forget()
	b.routes = routes[:0]
	br.traceRoute(m, n)
	return n
}

// DispatchRemote gives a message to one of this node's members of a shared
// group; false: there is none any more. m may be borrowed. If it is true, done,
// unless it is nil, is called once: at QoS 1 when the member's client has
// acknowledged m, or it is certain that it won't, else at once. It may be called
// with locks held and must not call back.
func (br *Broker) DispatchRemote(b *Batch, m *mqtt.Message, key GroupKey, done func(kept bool)) bool {
	g := br.groups.get(key)
	if g == nil {
		return false
	}
	b.forget()
	defer b.forget()
	guarded := done != nil && m.QoS == 1
	if guarded {
		m = m.Keep()
		br.guards.add(m, b.Now(), done)
	}
	br.count.matched.Inc()
	if !g.local(b, m) {
		br.count.movedOut.Inc() // the last one has just left: it is the sender's again
		if guarded && br.guards.take(m) == nil {
			return true // which it has been told of
		}
		return false
	}
	if done != nil && !guarded {
		done(true)
	}
	return true
}
