package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// willGrace is how long, in seconds, the wills of clients wait at least that
// were connected when the process ended, or were sent away: they may come back.
const willGrace = 30

// Restored is what Restore has found.
type Restored struct {
	Sessions, Subscriptions int
	Damaged                 int // records that can't be read: they are left alone
}

// Restore brings the durable sessions of the last run back, as those of clients
// that are away: with their subscriptions, their expiry and their wills. It is
// called once, before anybody connects or publishes, and returns when all are
// there. Sessions of other nodes are left to them; it waits for some of these, as
// long as a start may, if too few are there. Records that can't be read are told
// to the log and left as they are. The error says why nothing could be read.
func (br *Broker) Restore() (Restored, error) {
	d := br.durable
	if d == nil {
		return Restored{}, nil
	}
	if err := d.settledAtStart(); err != nil {
		return Restored{}, err
	}
	br.groups.mu.Lock()
	d.restoring = true
	br.groups.mu.Unlock()
	t := newRestoration(d)
	err := t.run()
	found, changed, back := t.end()
	if err == nil {
		back = br.groups.restore(t.groups(), t.sharers()) || back
	}
	if err != nil { // whoever called ends
		return found, err
	}
	if back { // before the log grows over the positions that are still on the disk
		d.keepRecords(changed)
		d.settle()
	} else if len(changed) > 0 {
		d.busy.Add(1)
		if !d.begin(func() { d.keepRecords(changed); d.busy.Add(-1) }) {
			d.busy.Add(-1)
		}
	}
	return found, nil
}

// recordsAtOnce is how many records of sessions are on their way at a time when
// all are written anew.
const recordsAtOnce = 4096

// keepRecords writes the records of clients whose connections ended with the
// process, or whose positions were pulled back.
func (d *durability) keepRecords(all []*Client) {
	b := d.br.NewBatch()
	defer b.End()
	for _, c := range all {
		for d.busy.Load() > recordsAtOnce && d.ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		c.enter(b)
		c.keepRecord("")
		c.leave(b)
	}
}

// goneSince has the session's expiry and its will's delay run from the end of
// its last connection, or from now if the end of the process was that.
func (c *Client) goneSince(s *durable.Session, now int64) {
	w := s.Will
	if w != nil {
		delay := w.Delay
		if s.OfflineAt == 0 {
			delay = max(delay, willGrace)
		}
		c.sess.SetWill(&session.Will{Msg: w.Message, Delay: delay})
	}
	if s.OfflineAt != 0 {
		now = s.OfflineAt
	}
	c.sess.Disconnected(now)
}

// resubscribe gives the session its subscriptions, which have no routes yet.
func (c *Client) resubscribe(all []durable.Subscription) (routes []*route, err error) {
	routes = make([]*route, 0, len(all))
	for _, sub := range all {
		if _, err := topic.Parse(sub.Filter); err != nil {
			return nil, fmt.Errorf("its subscription %.100q: %w", sub.Filter, err)
		}
		rt := &route{to: &c.self, Subscription: session.Subscription{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions, ID: sub.ID}}
		if _, err := c.sess.Subscribe(&rt.Subscription); err != nil && !errors.Is(err, mqtt.QuotaExceeded) {
			return nil, err
		} else if err != nil {
			continue // max_subscriptions has become smaller
		}
		routes = append(routes, rt)
	}
	return routes, nil
}
