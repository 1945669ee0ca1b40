package broker

import (
	"cmp"
	"errors"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
)

// Sessions of a node that has gone wait for their clients. When one doesn't come,
// its will is due at some time, and the end of the session; the oldest node that is
// there takes over then, and sees to both.

const (
	heirEvery = 30 * time.Second
	heirRarer = 20 // so many times that, while all members are there
	// heirGrace is how long a node has to be away before anybody does something in
	// its place, so that a restart changes nothing.
	heirGrace = 60 * time.Second
	heirAgain = 3 * time.Second // the sessions of removed nodes are looked for, until there are none
)

// inherit looks now and then whether sessions that nobody has are due.
func (d *durability) inherit() {
	tick := time.NewTicker(heirEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-d.removed:
			d.inheritRemoved()
			continue
		case <-d.ctx.Done():
			return
		}
		if m := d.nodes.Load(); len(m.alive) > 1 && m.first && (n%heirRarer == 0 || !m.whole()) {
			d.inheritDue(time.Now())
		}
	}
}

// inheritDue takes over what is due of nodes that are away for long enough, or are
// no members any more.
func (d *durability) inheritDue(now time.Time) {
	wentAt := d.wentAt.Load()
	if now.UnixNano()-wentAt < int64(heirGrace) || d.gate.closed() {
		return
	}
	n := d.nodes.Load()
	var all []string
	err := durable.Load(d.sessions.Each, durable.Loading{
		Found: func(s *durable.Session) error {
			if !n.has(s.Node) || !n.alive[s.Node] && due(s, now.UnixMilli(), wentAt/int64(time.Millisecond)) {
				all = append(all, s.ClientID)
			}
			return nil
		},
		Damaged: func(string, error) {}, // the start of a node says it
		Stray:   func(string) {},
	})
	if err == nil && len(all) > 0 {
		err = d.settled()
	}
	if err == nil {
		err = d.takeOverAll(all, wentAt)
	}
	if err != nil {
		d.br.logs.notSettled.warn(d.br.log, now.UnixMilli(), "sessions of nodes that have gone can't be looked after, it is tried again", "err", err)
	}
}

// takeOverAll takes sessions over of nodes that went at a time. One that can't be used
// keeps no other from it; the error is the last one's.
func (d *durability) takeOverAll(ids []string, wentAt int64) (failed error) {
	for _, id := range ids {
		if d.ctx.Err() != nil || errors.Is(failed, engine.ErrNoQuorum) {
			break
		}
		s, err := d.find(id)
		if err == nil && s != nil && !d.nodes.Load().alive[s.Node] && d.br.clients.get(id) == nil {
			s.OfflineAt = cmp.Or(s.OfflineAt, wentAt/int64(time.Millisecond))
			err = d.takeOver(s)
		}
		if err != nil && !errors.Is(err, errTaken) {
			failed = err
		}
	}
	return failed
}

// inheritRemoved takes over the sessions of nodes that are no members any more, or
// waits until the oldest node has: with a node, the others forget what its sessions
// want. Meanwhile all messages go to the log, see wants.
func (d *durability) inheritRemoved() {
	for d.ctx.Err() == nil {
		left, err := d.orphansLeft()
		switch n := d.nodes.Load(); {
		case err == nil && len(left) == 0:
			d.orphans.Store(false)
			if d.nodes.Load() == n { // else another one may have been removed meanwhile
				return
			}
			d.orphans.Store(true)
			continue
		case err == nil && n.first && !d.gate.closed():
			if err = d.takeOverAll(left, time.Now().UnixNano()); err == nil {
				continue
			}
		}
		if err != nil {
			d.br.logs.notSettled.warn(d.br.log, Now(), "sessions of a node that was removed can't be looked after, it is tried again", "err", err)
		}
		select {
		case <-time.After(heirAgain):
		case <-d.ctx.Done():
		}
	}
}

// orphansLeft are the sessions of nodes that are no members.
func (d *durability) orphansLeft() (ids []string, err error) {
	if err := d.settled(); err != nil {
		return nil, err
	}
	n := d.nodes.Load()
	err = durable.Load(d.sessions.Each, durable.Loading{
		Found: func(s *durable.Session) error {
			if !n.has(s.Node) && d.br.clients.get(s.ClientID) == nil {
				ids = append(ids, s.ClientID)
			}
			return nil
		},
		Damaged: func(string, error) {}, // the start of a node says it
		Stray:   func(string) {},
	})
	return ids, err
}

// due reports whether something has to happen with a session that waits. One
// whose client was connected waits since its node went.
func due(s *durable.Session, now, wentAt int64) bool {
	since := s.OfflineAt
	if since == 0 {
		since = wentAt
	}
	if s.Will != nil && since+int64(max(s.Will.Delay, willGrace))*1000 <= now {
		return true
	}
	return s.ExpiryInterval != 1<<32-1 && since+int64(s.ExpiryInterval)*1000 <= now
}
