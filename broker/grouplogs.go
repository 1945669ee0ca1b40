package broker

import (
	"cmp"
	"slices"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// kept are the shares of the group that come from the log, by their numbers: the
// one that goes on, if there is one, is the last, and those before it come to their
// ends.
func (g *group) kept() []*groupLog {
	if all := g.logs.Load(); all != nil {
		return *all
	}
	return nil
}

// current is the share that goes on; nil: what comes now isn't from the log.
func (g *group) current() *groupLog {
	all := g.kept()
	if len(all) == 0 || all[len(all)-1].ends.Load() {
		return nil
	}
	return all[len(all)-1]
}

// begin enters a share. groups.mu is held.
func (g *group) begin(k *groupLog) {
	k.d.durables.Add(1)
	all := append(slices.Clone(g.kept()), k)
	slices.SortFunc(all, func(a, b *groupLog) int { return cmp.Compare(a.share, b.share) })
	g.logs.Store(&all)
}

// without takes a share out. groups.mu is held.
func (g *group) without(k *groupLog) {
	k.d.durables.Add(-1)
	all := slices.DeleteFunc(slices.Clone(g.kept()), func(other *groupLog) bool { return other == k })
	g.logs.Store(&all)
}

// nextShare is a number behind those of all shares that there are or were: what is
// left of one that could not be deleted is never taken for a later one's. mu is held.
func (gs *groups) nextShare() uint64 {
	gs.share = max(gs.share+1, uint64(Now()))
	return gs.share
}

// deliverLogged gives a message of the log to the share that it belongs to; false:
// there is none. No client is entered.
func (g *group) deliverLogged(b *Batch, m *mqtt.Message) bool {
	for _, k := range g.kept() {
		if k.deliver(b, m) {
			return true
		}
	}
	return false
}

// takeBack takes what a member will not deliver any more, and returns what the
// group doesn't have from the log. No client is entered.
func (g *group) takeBack(b *Batch, held []session.Delivery) []session.Delivery {
	for _, k := range g.kept() {
		if len(held) > 0 {
			held = k.takeBack(b, held)
		}
	}
	return b.broker.groups.takeBackLeft(b, g.key, held)
}

func (k *groupLog) takeBack(b *Batch, held []session.Delivery) []session.Delivery {
	var mine []*mqtt.Message
	k.turn.Lock()
	others := held[:0]
	for _, d := range held {
		switch {
		case !k.has(d.Msg), k.ended && !k.giveUp(d.Msg.At()):
			others = append(others, d)
		case !k.ended:
			mine = append(mine, d.Msg)
		}
	}
	k.putBack(mine)
	b.broker.count.queued.Add(int64(len(mine)))
	k.busy.Store(true)
	k.turn.Unlock()
	k.pump(b)
	return others
}

// share is one of a shared group that a client has something of, or may have.
type share struct {
	filter string // of the client's subscription
	log    *groupLog
}

// noted has c know of a share that gives it messages from the log: whenever it
// has room, it says so. The client is entered.
func (c *Client) noted(filter string, k *groupLog) {
	x := c.extra()
	if slices.Contains(x.shares, share{filter, k}) {
		return
	}
	shares := slices.DeleteFunc(slices.Clone(x.shares), func(s share) bool { return s.log.isOver() })
	x.shares = append(shares, share{filter, k}) // others may still read the old ones
}

// shares are what was noted. The client is entered.
func (c *Client) shares() []share {
	if c.more == nil {
		return nil
	}
	return c.more.shares
}

// isShared reports whether a delivery is from what a group has of the log. The client
// is entered.
func (c *Client) isShared(d session.Delivery) bool {
	if d.Msg.LogSeq == 0 || d.Sub.Filter[0] != '$' {
		return false
	}
	for _, s := range c.shares() {
		if s.filter == d.Sub.Filter && s.log.has(d.Msg) {
			return true
		}
	}
	g := c.broker.groups.of(d.Sub)
	return g != nil && slices.ContainsFunc(g.kept(), func(k *groupLog) bool { return k.has(d.Msg) })
}

// done notes that a delivery has come to its end, and returns the share that it
// came from; nil: it came from none. The client is entered.
func (c *Client) done(d *session.Delivery) *groupLog {
	if d.Msg == nil || d.Msg.LogSeq == 0 || d.Sub == nil || d.Sub.Filter[0] != '$' {
		return nil
	}
	at := d.Msg.At()
	for _, s := range c.shares() {
		if s.filter == d.Sub.Filter && s.log.done(at) {
			return s.log
		}
	}
	if g := c.broker.groups.of(d.Sub); g != nil { // it may have been restored with the session
		for _, k := range g.kept() {
			if k.done(at) {
				return k
			}
		}
	}
	return nil
}

// settled notes that a delivery of a shared group has come to its end. At QoS 2 that
// has to be kept before the session forgets it. The client is entered.
func (c *Client) settled(d *session.Delivery) {
	k := c.done(d)
	if r := c.reader(); k != nil && r != nil && d.QoS == 2 && !slices.Contains(r.groups, k) {
		r.groups = append(r.groups, k)
	}
}

// settleAll settles all that is in flight: the session ends with it, or goes to
// another node. The client is entered.
func (c *Client) settleAll() {
	if c.broker.durable == nil {
		return
	}
	c.sess.EachLogged(func(d session.Delivery) { c.settled(&d) })
	if r := c.reader(); r != nil {
		for _, k := range r.groups {
			k.keep(func(error) {}) // it is tried again until it is kept
		}
		r.groups = nil
	}
}
