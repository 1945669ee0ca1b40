package broker

import (
	"errors"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// The record of a group is kept in the map of states, as those of sessions: a few
// seconds after something has changed, since after a crash the messages of QoS 1
// that it has too many come once more; and before a member's session forgets a
// message of QoS 2 that it was given, since after a crash nobody else would know
// that it is done with.

// wantsLog reports whether messages of QoS 1 and 2 have to survive the process for
// one of the members.
func (g *group) wantsLog() bool {
	for _, m := range g.all() {
		if m.route.QoS > 0 && m.client.status.has(isDurable) {
			return true
		}
	}
	return false
}

// keep has the group read the log from now on, if it has to and doesn't yet: only a
// node by itself does. c, if not nil, is entered and waits until that is kept. gs.mu
// is held.
func (gs *groups) keep(g *group, c *Client) {
	d := gs.br.durable
	if d == nil || g.current() != nil || d.restoring || d.several() || !g.wantsLog() {
		return
	}
	k := newGroupLog(g, d, gs.nextShare(), engine.Absent)
	k.live = true
	done := func(error) {}
	if c != nil && c.reader() != nil {
		done = c.changing(false)
	}
	k.keep(done)
	g.begin(k)
}

// keepOf is keep for the groups of a session that has become durable. The client
// is entered.
func (gs *groups) keepOf(c *Client) {
	gs.each(c, func(g *group) { gs.keep(g, c) })
}

// withLog are all that groups have of the log.
func (gs *groups) withLog() (all []*groupLog) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.all {
		all = append(all, g.kept()...)
	}
	return append(all, gs.left...)
}

// alone is called when this node has become one of several, or the only one. With
// others, groups live in memory: they come to an end with what the log has for them
// now.
func (gs *groups) alone(is bool) {
	if is {
		gs.mu.Lock()
		defer gs.mu.Unlock()
		for _, g := range gs.all {
			gs.keep(g, nil)
		}
		return
	}
	b := gs.br.NewBatch()
	defer b.End()
	for _, k := range gs.withLog() {
		k.turn.Lock()
		k.mu.Lock()
		if k.until == nil {
			k.until = k.d.ends()
			k.ends.Store(true)
			k.change()
		}
		k.mu.Unlock()
		k.turn.Unlock()
		k.keep(func(error) {}) // it is tried again until it is kept
		k.pump(b)
	}
}

// renew is for the log that becomes another one: what waits in the old one is gone.
func (gs *groups) renew() {
	gs.mu.Lock()
	for _, k := range gs.left {
		k.mu.Lock()
		k.over = true
		k.mu.Unlock()
	}
	gs.left = nil
	gs.mu.Unlock()
	for _, k := range gs.withLog() {
		k.turn.Lock()
		k.drop(session.LogRetention)
		k.retire()
		k.turn.Unlock()
	}
}

// drop books all that waits for a member as dropped. turn is held.
func (k *groupLog) drop(why session.Drop) {
	k.writeOff(why, k.missed+int64(len(k.back)+k.bounds))
	k.missed, k.back, k.bounds = 0, nil, 0
	k.chunk, k.after = nil, 0
	k.age++
	clear(k.bound)
}

// drained reports whether the group is done with the part of the log that was its
// own. turn is held.
func (k *groupLog) drained() bool {
	if k.until == nil || k.ended || !k.live || len(k.back)+k.bounds > 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.open) == 0
}

// retire ends the share: the group goes on in the next one, or in memory. turn is
// held.
func (k *groupLog) retire() {
	gs := &k.d.br.groups
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if k.isOver() { // there is no member any more either
		return
	}
	k.ended = true
	k.forget()
	k.g.without(k)
}

// end is for a group without members. gs.mu is held.
func (k *groupLog) end() {
	k.forget()
	k.d.busy.Add(1)
	k.home().add(&groupEnd{k})
}

// forget deletes the record.
func (k *groupLog) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	k.own.strike()
}

func (k *groupLog) isOver() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.over
}

// struck is the record of a share that is to be deleted: there will be no other one
// under its key. Its Timer is for another attempt.
type struck struct{ *shareRecord }

// strike deletes the record of a share.
func (r *shareRecord) strike() { (&struck{r}).delete() }

func (s *struck) delete() {
	d := s.d
	d.busy.Add(1)
	s.change(nil, nil, func(err error) {
		defer d.busy.Add(-1)
		if errors.Is(err, errTaken) {
			return // it is another's to delete
		}
		if d.well(err, Now()); err != nil {
			d.br.logs.notDeleted.warn(d.br.log, Now(), "the record of a shared group can't be deleted, it is tried again", "group", s.of.Name, "filter", s.of.Filter, "err", err)
			d.br.Schedule(s, Now()+saveAgain)
		}
	})
}

// Fire is Timer's.
func (s *struck) Fire(_ *Batch, now int64) {
	if s.d.mayTry(now) {
		s.delete()
	} else {
		s.d.br.Schedule(s, now+saveAgain)
	}
}

// home is the shard whose goroutine does what concerns the group.
func (k *groupLog) home() *shard { return k.d.shards[0] }

// groupEnd is the task to book what is left of a group.
type groupEnd struct{ k *groupLog }

// dispatch is task's.
func (e *groupEnd) dispatch(_ *Batch, s *shard) {
	k := e.k
	k.turn.Lock()
	if !k.ended {
		k.ended = true
		k.drop(session.SessionEnded)
		s.d.durables.Add(-1)
	}
	k.turn.Unlock()
	s.d.busy.Add(-1)
}

// keep calls done when the record is kept, as it is now or later on, or when that
// has failed, on the goroutine of a shard. It may be called with a client entered.
func (k *groupLog) keep(done func(error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = append(k.waiting, done)
	switch {
	case k.saving:
	case k.over:
		k.d.busy.Add(1)
		k.home().add(&groupKept{k: k})
	default:
		k.save()
	}
}

// change notes that the record would be another one. mu is held.
func (k *groupLog) change() {
	k.changed = true
	if k.saveAt == 0 && !k.over {
		k.saveIn(saveLater)
	}
}

func (k *groupLog) saveIn(wait int64) {
	k.saveAt = Now() + wait
	k.d.br.Schedule(k, k.saveAt)
}

// Fire is Timer's.
func (k *groupLog) Fire(_ *Batch, at int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if at != k.saveAt {
		return
	}
	if k.saveAt = 0; k.changed && !k.over && !k.saving {
		if !k.d.mayTry(at) {
			k.saveIn(saveAgain)
			return
		}
		k.save()
	}
}

// save begins to save the record. mu is held.
func (k *groupLog) save() {
	k.changed, k.saving = false, true
	r := k.record()
	done := &groupKept{k: k, who: k.waiting}
	k.waiting = nil
	k.d.busy.Add(1)
	k.own.change(durable.AppendGroup(nil, r), k.recordWith, func(err error) {
		done.err = err
		k.home().add(done)
	})
}

// record is what is kept. mu is held.
func (k *groupLog) record() *durable.Group {
	r := &durable.Group{Node: k.d.self(), Next: k.next, Until: k.until, Open: make([]mqtt.At, 0, len(k.open))}
	for at := range k.open {
		r.Open = append(r.Open, at)
	}
	return r
}

// groupKept is the end of a save.
type groupKept struct {
	k   *groupLog
	who []func(error)
	err error
}

// dispatch is task's.
func (s *groupKept) dispatch(b *Batch, sh *shard) {
	k, d := s.k, sh.d
	d.well(s.err, b.Now())
	if errors.Is(s.err, errTaken) {
		k.lose()
	}
	k.mu.Lock()
	who := s.who
	k.saving = false
	switch {
	case k.over: // nobody depends on the record any more
		s.err = nil
		who = append(who, k.waiting...)
		k.waiting = nil
	case s.err != nil:
		d.br.logs.notSaved.warn(d.br.log, b.Now(), "the state of a shared group can't be saved, it is tried again", "group", k.g.key.Name, "filter", k.g.key.Filter, "err", s.err)
		k.changed = true
		if k.saveAt == 0 {
			k.saveIn(saveAgain)
		}
	}
	if len(k.waiting) > 0 {
		k.save()
	}
	k.lookAgain()
	k.mu.Unlock()
	for _, done := range who {
		done(s.err)
	}
	d.busy.Add(-1)
}

// keepAll keeps all groups, one after the other, and then calls done, at once if
// there are none.
func keepAll(groups []*groupLog, done func(error)) {
	if len(groups) == 0 {
		done(nil)
		return
	}
	groups[0].keep(func(err error) {
		if err != nil {
			done(err)
			return
		}
		keepAll(groups[1:], done)
	})
}
