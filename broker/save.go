package broker

import (
	"errors"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/session"
)

// A durable session's state goes to the map of states before what depends on it
// goes out: the session says when it is in need of that (session.Session.Unsaved),
// and whoever leaves the client sees to it. While a record is on its way, all
// that changes gathers for the next one. What nothing depends on, as positions
// and the acknowledgements of QoS 1, follows a while later: after a crash those
// few messages come once more.

const (
	saveLater = 5000 // milliseconds that such changes may wait
	saveAgain = 500  // milliseconds after which a failed save is tried again
)

// save begins a save if it is time for one. The client is entered.
func (c *Client) save() {
	r := c.more.reader
	switch {
	case r.saving || c.ended || r.partly:
		return
	case c.sess.Unsaved() && !r.failed, r.due:
	case r.saveAt == 0 && r.moved(c):
		r.saveAt = Now() + saveLater
		c.wake(r.saveAt)
		return
	default:
		return
	}
	r.due, r.failed, r.saveAt, r.saving = false, false, 0, true
	for i := range r.places {
		if next := r.places[i].next; c.sess.Read(i) != next {
			c.sess.SetRead(i, next)
		}
	}
	record, mark := c.sess.Save(nil)
	d := c.broker.durable
	d.busy.Add(1)
	id, groups, to := c.info.ClientID, r.groups, d.state(c, r)
	r.groups = nil
	over := func(err error) { d.shardOf(c).add(&saved{c, mark, groups, err}) }
	keepAll(groups, func(err error) {
		if err != nil {
			over(err)
			return
		}
		d.whileOurs(c, over, func() { to.PutLater(id, record, over) })
	})
}

// closeEntry is for the end of a dispatch: who has got all copies of a message
// may be saved.
func (b *Batch) closeEntry() {
	for i, c := range b.partly {
		c.enter(b)
		if r := c.reader(); r != nil {
			r.partly = false
		}
		c.leave(b)
		b.partly[i] = nil
	}
	b.partly = b.partly[:0]
}

// moved reports whether the state would be another one than was saved last.
func (r *reader) moved(c *Client) bool {
	if c.sess.Changed() {
		return true
	}
	for i := range r.places {
		if c.sess.Read(i) != r.places[i].next {
			return true
		}
	}
	return false
}

// saveDue is for the client's timer: changes have waited long enough. The client
// is entered.
func (c *Client) saveDue(now int64) {
	r := c.reader()
	switch {
	case r == nil || r.saveAt == 0:
		return
	case r.saveAt > now: // the timer was for something else
		c.wake(r.saveAt)
		return
	}
	if !c.broker.durable.mayTry(now) {
		c.saveAgain(now)
		return
	}
	r.due, r.failed, r.saveAt = true, false, 0
	if r.unkept != nil {
		c.keepRecord("")
	}
}

// saveAgain has what could not be kept tried again. The client is entered.
func (c *Client) saveAgain(now int64) {
	r := c.more.reader
	r.saveAt = now + saveAgain
	c.wake(r.saveAt)
}

// well notes how the writing of a record has ended.
func (d *durability) well(err error, now int64) {
	switch {
	case errors.Is(err, errTaken): // which says nothing of the disk
	case err != nil:
		if errors.Is(err, engine.ErrNoQuorum) && d.gate.open.Load() {
			d.gate.check(d)
		}
		d.failedAt.Store(now)
	case d.failedAt.Load() != 0:
		d.failedAt.Store(0)
	}
}

// mayTry reports whether what could not be written may be tried again now. While
// the disk is full, one of all sessions finds out each time whether it still is.
func (d *durability) mayTry(now int64) bool {
	at := d.failedAt.Load()
	return at == 0 || now >= at+saveAgain && d.failedAt.CompareAndSwap(at, now)
}

// forgetSince forgets where subscriptions begin that the saved state is past.
func (r *reader) forgetSince(c *Client) {
	for filter, since := range r.since {
		if c.past(since) {
			delete(r.since, filter)
		}
	}
	if len(r.since) == 0 {
		r.since = nil
	}
}

// past reports whether the saved state is past positions, one for each shard.
func (c *Client) past(since []uint64) bool {
	for i := range since {
		if c.sess.Read(i) < since[i] { // SetRead comes with a save only
			return false
		}
	}
	return true
}

// saved is the end of a save.
type saved struct {
	c      *Client
	mark   uint32
	groups []*groupLog // that were kept before
	err    error
}

// dispatch is task's: what waited for the save goes on.
func (s *saved) dispatch(b *Batch, sh *shard) {
	defer sh.d.busy.Add(-1) // when the next save has begun
	c := s.c
	sh.d.well(s.err, b.Now())
	c.enter(b)
	write, refuse := s.done(b)
	now, _ := c.conn.(Promiser)
	shares := c.shares()
	c.leave(b)
	pump(b, shares)
	if s.err != nil {
		for _, a := range write {
			a.unsaved(s.err)
		}
		return
	}
	for _, a := range write {
		a.write()
	}
	for _, f := range refuse {
		if now != nil {
			now.Keep(b, 2, f.ID, f.Refused)
		}
	}
}

// done is dispatch while the client is entered; see cleared. After an error,
// what would have been appended is not kept.
func (s *saved) done(b *Batch) (write []identified, refuse []session.Flow) {
	c := s.c
	r := c.more.reader
	r.saving = false
	switch {
	case c.ended:
	case s.err != nil:
		c.broker.logs.notSaved.warn(c.broker.log, b.Now(), "the state of a session can't be saved, it is tried again", "client", c.info.ClientID, "err", s.err)
		c.sess.NotSaved(s.mark)
		r.groups = append(r.groups, s.groups...)
		r.failed = true
		c.saveAgain(b.Now())
		write = c.forgo()
	default:
		r.forgetSince(c)
		write, refuse = c.cleared(c.sess.Saved(s.mark, b, b.Now()))
		c.feed(b)
	}
	return write, refuse
}

// strayed is the end of the deletion of a record that no session has. One that
// fails leaves it to the next start.
func (d *durability) strayed(err error) {
	if err != nil {
		d.br.logs.notDeleted.warn(d.br.log, Now(), "a record that no session has can't be deleted, the next start will do it", "err", err)
	}
}
