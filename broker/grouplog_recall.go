package broker

import (
	"cmp"
	"slices"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
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
