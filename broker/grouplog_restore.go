package broker

import (
	"maps"
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

// groupRecords are the records of groups that a start has found.
type groupRecords map[GroupKey][]groupRecord

// groupRecord is that of one share.
type groupRecord struct {
	share uint64
	value []byte
}

func (all groupRecords) add(s durable.GroupShare, value []byte) {
	key := GroupKey{s.Name, s.Filter}
	all[key] = append(all[key], groupRecord{s.Number, value}) // of those that come twice, the last one counts
}

// restore brings back what is kept of groups, whose members are restored; sharers
// have something of one. pulled: a group was beyond the end of the log.
func (gs *groups) restore(records groupRecords, sharers []*Client) (pulled bool) {
	d := gs.br.durable
	gs.mu.Lock()
	defer gs.mu.Unlock()
	d.restoring = false
	for _, all := range records {
		for _, rec := range all {
			gs.share = max(gs.share, rec.share)
		}
	}
	for _, g := range gs.all {
		if g.wantsLog() {
			pulled = gs.restoreShares(g, records[g.key]) || pulled
			gs.keep(g, nil) // if there is none that goes on
		}
	}
	gs.releaseShares(records)
	gs.mu.Unlock()
	for _, c := range sharers {
		c.returnShared()
	}
	gs.mu.Lock()
	for _, g := range gs.all {
		for _, k := range g.kept() {
			k.rewind()
			k.keep(func(error) {}) // it is tried again until it is kept
		}
	}
	d.taker.restored()
	return pulled
}

// restoreShares brings back those of a group's shares that are this node's. One that
// could go on, and has a later one behind it, is that of an earlier group of the same
// name, whose record could not be deleted before a crash.
func (gs *groups) restoreShares(g *group, records []groupRecord) (pulled bool) {
	d := gs.br.durable
	mine := make(map[uint64]*durable.Group)
	last := uint64(0)
	for _, rec := range records {
		r, err := durable.ParseGroup(rec.value)
		switch {
		case err != nil:
			d.br.log.Error("the state of a shared group can't be read, it begins anew at the end of the log", "group", g.key.Name, "filter", g.key.Filter, "err", err)
			if !d.several() {
				d.shareRecord(g.key, rec.share, unseen).strike()
			}
		case !d.several() || r.Node == d.self(): // groups of several nodes live in memory
			mine[rec.share] = r
			last = max(last, rec.share)
		}
	}
	for _, share := range slices.Sorted(maps.Keys(mine)) {
		if r := mine[share]; r.Until == nil && share != last {
			d.shareRecord(g.key, share, unseen).strike()
		} else {
			k := newGroupLog(g, d, share, unseen)
			pulled = k.load(r) || pulled
			g.begin(k)
		}
	}
	return pulled
}

// releaseShares lets go of this node's shares of groups that have no members here any
// more, as they were to be released before a crash. gs.mu is held.
func (gs *groups) releaseShares(records groupRecords) {
	d := gs.br.durable
	if !d.several() {
		return
	}
	for key, all := range records {
		if g := gs.all[key]; g != nil && len(g.kept()) > 0 {
			continue
		}
		for _, rec := range all {
			if r, err := durable.ParseGroup(rec.value); err == nil && r.Node == d.self() {
				if r.Until == nil {
					r.Until = d.ends()
				}
				d.release(key, rec.share, r, func() {})
			}
		}
	}
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
		k.until = k.d.ends()
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
	c.sess.Surrender(func(d session.Delivery) bool { return c.shareOf(&d) != nil }, func(d session.Delivery) { all = append(all, d) })
	for i := range all {
		c.shareOf(&all[i]).returned(all[i].Msg.At())
	}
	c.sess.EachLogged(func(d session.Delivery) {
		if k := c.shareOf(&d); k != nil {
			k.held(d.Msg.At())
		}
	})
}

// shareOf is the share that a restored delivery of a shared group is from; nil: it
// isn't one. The client is entered.
func (c *Client) shareOf(d *session.Delivery) *groupLog {
	if d.Msg == nil || d.Msg.LogSeq == 0 || d.Sub == nil {
		return nil
	}
	g := c.broker.groups.of(d.Sub)
	if g == nil {
		return nil
	}
	for _, k := range g.kept() {
		if k.reaches(d.Msg.At()) {
			return k
		}
	}
	return nil
}

// reaches reports whether a position lies before the end of the share.
func (k *groupLog) reaches(at mqtt.At) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.until) == 0 || at.Seq < k.until[at.Shard]
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
