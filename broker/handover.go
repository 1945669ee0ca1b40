package broker

import (
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// handOver is called when c has gone away and its session goes on: the
// messages of its groups that it has not acknowledged go to other members, or
// wait with it until one comes. No client is entered.
func (br *Broker) handOver(b *Batch, c *Client) {
	for _, g := range c.groups() {
		if g.served(br) {
			g.takeFrom(b, c)
		} else {
			g.parked.Store(true)
			g.settle(b) // somebody may have come meanwhile
		}
		g.pump(b)
	}
}

// pump is for a group that has its messages from the log. No client is entered.
func (g *group) pump(b *Batch) {
	for _, k := range g.kept() {
		k.pump(b)
	}
}

// settle is called when c has come: it and the other connected members get
// what its groups' absent members hold. No client is entered.
func (br *Broker) settle(b *Batch, c *Client) {
	for _, g := range c.groups() {
		g.settle(b)
		g.pump(b)
	}
}

// settle hands on what absent members hold, if there is anybody to take it.
// Who marks the group as parked looks for members that are online afterwards,
// and who comes online looks for the mark afterwards: one of them finds the
// other.
func (g *group) settle(b *Batch) {
	if !g.parked.Load() || !g.isOnline() || !g.parked.Swap(false) {
		return
	}
	for _, m := range g.all() {
		if !m.client.Connected() {
			g.takeFrom(b, m.client)
		}
	}
}

// SettleGroups hands on what absent members here hold while their groups have
// connected members on other nodes only. A cluster calls it now and then, as
// nobody here notices when those come.
func (br *Broker) SettleGroups(b *Batch) {
	for _, g := range br.groups.withParked() {
		if g.isOnline() || !g.served(br) || !g.parked.Swap(false) {
			continue
		}
		for _, m := range g.all() {
			g.takeFrom(b, m.client)
		}
	}
}

// takeFrom dispatches anew what c holds of g's messages, unless it has come
// back and goes on with them itself.
func (g *group) takeFrom(b *Batch, c *Client) {
	c.enter(b)
	var held []session.Delivery
	if c.conn == nil && !c.ended { // what an ended session has left is booked already
		held = c.surrender(g.has)
	}
	c.leave(b)
	for _, d := range g.takeBack(b, held) {
		g.redispatch(b, d.Msg)
	}
}

// redispatch gives a message that a member had to another one, of any node.
func (g *group) redispatch(b *Batch, m *mqtt.Message) {
	if g.away(b, m) {
		b.broker.count.movedOut.Inc()
		b.broker.guards.settle(m)
	} else {
		g.dispatch(b, m)
	}
}

// surrender takes the deliveries out of the session that of accepts and that another
// member may have; see session.Surrender. The client is entered.
func (c *Client) surrender(of func(session.Delivery) bool) (held []session.Delivery) {
	sent := c.unacknowledged()
	c.sess.Surrender(of, func(d session.Delivery) { held = append(held, d) })
	c.broker.count.redispatched.Add(uint64(sent - c.unacknowledged()))
	return held
}

// unacknowledged counts the deliveries in the window that were handed to a
// connection: not those that are held for a save, which are booked as queued. The
// client is entered.
func (c *Client) unacknowledged() int { return c.sess.Inflight() - c.sess.Held() }

// redispatch gives what an ended session held to the other members of the
// groups.
func (br *Broker) redispatch(b *Batch, held []session.Delivery) {
	for len(held) > 0 {
		n := 1
		for n < len(held) && held[n].Sub == held[0].Sub {
			n++
		}
		some := held[:n]
		held = held[n:]
		g := br.groups.of(some[0].Sub)
		if g == nil { // the others here have left in the meantime, or there were none
			f := split(some[0].Sub.Filter)
			key := GroupKey{f.Group, f.Bare}
			for _, d := range br.groups.takeBackLeft(b, key, some) {
				br.giveUp(b, d.Msg, key)
			}
			continue
		}
		for _, d := range g.takeBack(b, some) {
			g.redispatch(b, d.Msg)
		}
	}
}

// dropOrphan books a message of a shared group whose last member has left; it
// was on its way to no client in particular.
func (br *Broker) dropOrphan(m *mqtt.Message) {
	br.count.drop(session.SessionEnded)
	br.guards.settle(m)
	br.account.ofDropped[session.SessionEnded].add("", m.Topic)
	br.traceDropped(m, session.SessionEnded.String())
}

// hasOthers reports whether somebody is left, on any node, in the group that a
// delivery is for.
func (br *Broker) hasOthers(d session.Delivery) bool {
	f := split(d.Sub.Filter)
	if f.Kind != topic.Shared {
		return false
	}
	key := GroupKey{f.Group, f.Bare}
	if br.groups.get(key) != nil {
		return true
	}
	members := 0
	if c := br.cluster.Load(); c != nil {
		members, _ = c.Peers.Members(key)
	}
	return members > 0
}

// has reports whether d is for a subscription to g.
func (g *group) has(d session.Delivery) bool {
	f := split(d.Sub.Filter)
	return f.Kind == topic.Shared && g.key == GroupKey{f.Group, f.Bare}
}

// groups are those that the client is a member of.
func (c *Client) groups() (mine []*group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared == 0 {
		return nil
	}
	for sub := range c.sess.Subscriptions() {
		if g := c.broker.groups.of(sub); g != nil {
			mine = append(mine, g)
		}
	}
	return mine
}
