package broker

import (
	"cmp"
	"slices"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// keepFlights sees to it that what a session of a node that has gone has in flight of
// shared groups stays with it: who goes on with a share of these must not give it to
// anybody. The client is nobody's yet.
func (d *durability) keepFlights(c *Client) error {
	flights := make(map[GroupKey][]mqtt.At)
	c.sess.EachLogged(func(f session.Delivery) {
		if f.Sub != nil && f.Sub.Filter[0] == '$' {
			s := split(f.Sub.Filter)
			key := GroupKey{s.Group, s.Bare}
			flights[key] = append(flights[key], f.Msg.At())
		}
	})
	if len(flights) == 0 {
		return nil
	}
	shares, err := d.taker.find(func(s durable.GroupShare) bool { return flights[GroupKey{s.Name, s.Filter}] != nil })
	for _, s := range shares {
		if err != nil {
			break
		}
		err = d.contend(func() error { return d.keepFrom(s, flights[GroupKey{s.Name, s.Filter}]) })
	}
	return err
}

// keepFrom notes positions as done with in the record of a share that nobody goes on
// with now.
func (d *durability) keepFrom(s durable.GroupShare, all []mqtt.At) error {
	r, revision, err := d.shareAt(s.Key())
	if err != nil || r == nil || d.nodes.Load().alive[r.Node] {
		return err
	}
	changed := false
	for _, at := range all {
		changed = settle(r, at) || changed
	}
	if changed {
		_, err = d.putAt(d.states, s.Key(), durable.AppendGroup(nil, r), revision)
	}
	return err
}

// keepAllFlights is keepFlights for all sessions that have something of the group, in
// the record of a share of a node that is no member any more: nobody else looks into
// it any more when somebody goes on with it.
func (d *durability) keepAllFlights(s durable.GroupShare, r *durable.Group) error {
	if r.Until == nil {
		r.Until = d.ends()
	}
	b := d.br.NewBatch()
	defer b.End()
	w := d.newRestorer(b)
	return durable.Load(d.sessions.Each, durable.Loading{
		Found: func(of *durable.Session) error {
			if !shares(of, s) {
				return nil
			}
			state, _, _, err := d.states.GetAt(of.ClientID)
			if err != nil || len(state) == 0 {
				return err
			}
			if c, err := w.client(of); err == nil && c.c.sess.Load(state) == nil { // else it can't be recalled, which is said then
				c.c.sess.EachLogged(func(f session.Delivery) {
					if f.Sub != nil && isOf(f.Sub.Filter, s) {
						settle(r, f.Msg.At())
					}
				})
			}
			return nil
		},
		Damaged: func(string, error) {}, // the start of a node says it
		Stray:   func(string) {},
	})
}

// shares reports whether a session is a member of the group of a share.
func shares(of *durable.Session, s durable.GroupShare) bool {
	return slices.ContainsFunc(of.Subscriptions, func(sub durable.Subscription) bool { return isOf(sub.Filter, s) })
}

// isOf reports whether a subscription is to the group of a share.
func isOf(filter string, s durable.GroupShare) bool {
	f := split(filter)
	return f.Kind == topic.Shared && f.Group == s.Name && f.Bare == s.Filter
}

// settle notes that nobody has to get a message of a share any more. False: that is
// so already, or it isn't the share's.
func settle(r *durable.Group, at mqtt.At) bool {
	if at.Shard >= len(r.Next) || len(r.Until) > 0 && at.Seq >= r.Until[at.Shard] {
		return false
	}
	i, open := slices.BinarySearchFunc(r.Open, at, func(a, b mqtt.At) int {
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Seq, b.Seq))
	})
	switch passed := at.Seq < r.Next[at.Shard]; {
	case open && passed:
		r.Open = slices.Delete(r.Open, i, i+1)
	case !open && !passed: // it is done before its turn
		r.Open = slices.Insert(r.Open, i, at)
	default:
		return false
	}
	return true
}
