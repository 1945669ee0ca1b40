package broker

import (
	"fmt"
	"slices"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// After a start a group goes on behind what its record says, and gives again what
// was open. What members had in flight at QoS 1 is not theirs any more: whoever
// comes first gets it. What they had at QoS 2 stays theirs [MQTT-4.8.2-5], and says
// what else the group may not give, since sessions are saved before a PUBLISH at
// QoS 2 goes out, and groups are not.

// restore brings back what is kept of groups, whose members are restored; sharers
// have something of one. pulled: a group was beyond the end of the log.
func (gs *groups) restore(sharers []*Client) (pulled bool, err error) {
	d := gs.br.durable
	d.restoring = false
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.all {
		if !g.wantsLog() {
			continue
		}
		r, err := d.groupRecord(g)
		switch {
		case err != nil:
			return false, err
		case r == nil && !d.several(): // of a version that kept none
			gs.keep(g, nil)
			continue
		case d.several() && (r == nil || r.Node != d.self()): // groups of several nodes live in memory
			continue
		}
		k := newGroupLog(g, d)
		back := k.load(r)
		pulled = pulled || back
		d.durables.Add(1)
		g.kept.Store(k)
	}
	gs.mu.Unlock()
	for _, c := range sharers {
		c.returnShared()
	}
	gs.mu.Lock()
	for _, g := range gs.all {
		if k := g.kept.Load(); k != nil {
			k.rewind()
			k.keep(func(error) {}) // it is tried again until it is kept
		}
	}
	return pulled, nil
}

// groupRecord reads the record of a group; nil: there is none, or it is damaged,
// which is said.
func (d *durability) groupRecord(g *group) (*durable.Group, error) {
	record, _, ok, err := d.states.GetAt(durable.GroupKey(g.key.Name, g.key.Filter))
	if err != nil {
		return nil, fmt.Errorf("the state of shared group %q of %q can't be read: %w", g.key.Name, g.key.Filter, err)
	}
	if !ok {
		return nil, nil //nolint:nilnil // said above
	}
	r, err := durable.ParseGroup(record)
	if err != nil {
		d.br.log.Error("the state of a shared group can't be read, it begins anew at the end of the log", "group", g.key.Name, "filter", g.key.Filter, "err", err)
		return nil, nil //nolint:nilnil // as above
	}
	return r, nil
}

// load goes on where a record says. pulled: it was beyond the end of the log.
func (k *groupLog) load(r *durable.Group) (pulled bool) {
	several, ends := k.d.several(), slices.Clone(k.next)
	for i := range k.begun {
		k.begun[i] = 0
		if i >= len(r.Next) {
			continue
		}
		k.next[i] = max(r.Next[i], 1)
		if !several && k.next[i] > ends[i] {
			k.next[i], pulled = ends[i], true
		}
	}
	for _, at := range r.Open {
		switch {
		case at.Shard >= len(k.next), !several && at.Seq >= ends[at.Shard]:
		case at.Seq < k.next[at.Shard]:
			k.open[at] = unheld
			k.redo++
		default:
			k.open[at] = early
			k.early++
		}
	}
	switch {
	case len(r.Until) == len(k.next):
		k.until = r.Until
	case several: // others came just before the end
		for _, s := range k.d.shards {
			k.until = append(k.until, s.next())
		}
	}
	k.ends.Store(k.until != nil)
	return pulled
}

// rewind has the group read from the first message on that nobody has.
func (k *groupLog) rewind() {
	k.live = false
	k.busy.Store(true)
	copy(k.read, k.next)
	for at, who := range k.open {
		if who == unheld {
			k.read[at.Shard] = min(k.read[at.Shard], at.Seq)
		}
	}
}

// hasShared reports whether the session has something of a shared group from the
// log, in flight or queued.
func (c *Client) hasShared() (has bool) {
	c.sess.EachLogged(func(d session.Delivery) {
		has = has || d.Sub != nil && d.Sub.Filter[0] == '$'
	})
	return has
}

// returnShared takes from a restored session what its groups give anew, and tells
// them what stays.
func (c *Client) returnShared() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []session.Delivery
	c.sess.Surrender(func(sub *session.Subscription) bool {
		g := c.broker.groups.of(sub)
		return g != nil && g.kept.Load() != nil
	}, func(d session.Delivery) { all = append(all, d) })
	for i := range all {
		c.logOf(&all[i]).returned(all[i].Msg.At())
	}
	c.sess.EachLogged(func(d session.Delivery) {
		if k := c.logOf(&d); k != nil {
			k.held(d.Msg.At())
		}
	})
}

// returned is for what a session doesn't have any more. A record of the group knows
// it, or knows that it is done with.
func (k *groupLog) returned(at mqtt.At) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, open := k.open[at]; !open && at.Seq < k.begun[at.Shard] { // there was none
		k.open[at] = unheld
		k.redo++
	}
}

// held is for what a session has in flight.
func (k *groupLog) held(at mqtt.At) {
	k.mu.Lock()
	defer k.mu.Unlock()
	who, open := k.open[at]
	switch {
	case open && who == unheld:
		k.redo--
	case open && who == early:
		k.early--
	case !open && at.Seq < k.next[at.Shard]: // and done with
		return
	}
	k.open[at] = taken
}
