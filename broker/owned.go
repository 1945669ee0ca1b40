package broker

import (
	"cmp"
	"errors"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
)

// A node that hangs, and goes on when others have long taken its sessions, knows
// nothing of that at first, and may have writes under way. So what it keeps of a
// session, the record and the state, it changes only as it has seen it last. Who
// takes a session over changes both before it does anything else: from then on
// whatever the other node writes is refused, which tells that it has lost it.

const (
	// unseen is a revision that has to be looked up first.
	unseen = engine.AnyRevision - 1

	contests     = 512 // that are looked into at a time, and share marks
	contestTries = 10  // while both nodes write
)

// revisions are those of what is kept of a session.
type revisions struct {
	record atomic.Uint64
	state  atomic.Uint64 // engine.Absent: it was never saved
}

func (r *revisions) set(revision uint64) {
	r.record.Store(revision)
	r.state.Store(revision)
}

// owned is a map, for the changes of one session's record or state there.
type owned struct {
	d     *durability
	id    string
	c     *Client  // that is to be given up when it is lost; nil: its session has ended here
	m     *remnant // then, what is left of it
	seen  *atomic.Uint64
	state bool
}

func (d *durability) record(c *Client, r *reader) *owned {
	return &owned{d: d, id: c.info.ClientID, c: c, seen: &r.revisions.record}
}

func (d *durability) state(c *Client, r *reader) *owned {
	return &owned{d: d, id: c.info.ClientID, c: c, seen: &r.revisions.state, state: true}
}

func (o *owned) PutLater(key string, value []byte, done func(error)) { o.change(key, value, done) }

func (o *owned) DeleteLater(key string, done func(error)) { o.change(key, nil, done) }

func (o *owned) to() Map {
	if o.state {
		return o.d.states
	}
	return o.d.sessions
}

// change puts a value, nil to delete the key. While there is nobody else, it needs
// to know of no revision.
func (o *owned) change(key string, value []byte, done func(error)) {
	seen := o.seen.Load()
	switch {
	case !o.d.several():
		seen = engine.AnyRevision
	case seen == unseen:
		o.contest(key, value, done)
		return
	}
	o.at(key, value, seen, func(err error) {
		if errors.Is(err, engine.ErrChanged) {
			o.contest(key, value, done)
			return
		}
		done(err)
	})
}

func (o *owned) at(key string, value []byte, seen uint64, done func(error)) {
	over := func(revision uint64, err error) {
		if err == nil {
			o.seen.Store(revision)
		}
		done(err)
	}
	if value == nil {
		o.to().DeleteAt(key, seen, over)
	} else {
		o.to().PutAt(key, value, seen, over)
	}
}

// contest finds out on a goroutine of its own whether the session is this node's,
// and makes the change if it is. If not, it is given up.
func (o *owned) contest(key string, value []byte, done func(error)) {
	o.d.contest(func() error {
		err := o.decide(key, value)
		if value == nil && errors.Is(err, errTaken) {
			err = nil // it is another's to delete
		}
		return err
	}, done)
}

// contest calls decide on a goroutine of its own when it is its turn, and done with
// what that says.
func (d *durability) contest(decide func() error, done func(error)) {
	if !d.begin(func() {
		select {
		case d.contests <- struct{}{}:
			err := decide()
			<-d.contests
			done(err)
		case <-d.ctx.Done():
			done(d.ctx.Err())
		}
	}) {
		go done(d.ctx.Err())
	}
}

func (o *owned) decide(key string, value []byte) error {
	return o.d.contend(func() error {
		revision, err := o.ours()
		if err != nil {
			return err
		}
		return o.d.await(func(done func(error)) { o.at(key, value, revision, done) })
	})
}

// await waits for the end of a change.
func (d *durability) await(change func(done func(error))) error {
	kept := make(chan error, 1)
	change(func(err error) { kept <- err })
	select {
	case err := <-kept:
		return err
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

// ours returns the revision to go on from, or errTaken when the session is not
// this node's any more.
func (o *owned) ours() (revision uint64, err error) {
	d := o.d
	if o.state {
		if _, revision, _, err = d.states.GetAt(o.id); err != nil {
			return 0, err
		}
	}
	// Who takes a session over changes its record first: if that is still this
	// node's behind a mark, then the state was too when it was looked at.
	if err := d.settled(); err != nil {
		return 0, err
	}
	value, at, there, err := d.sessions.GetAt(durable.SessionKey(o.id))
	if err != nil {
		return 0, err
	}
	if !o.state {
		revision = at
	}
	var s *durable.Session
	if there {
		if s, err = durable.ParseSession(o.id, value); err != nil && o.c != nil {
			return 0, err
		}
	}
	if err != nil || !o.stands(s) {
		return 0, errTaken
	}
	return revision, nil
}

// stands reports whether the session, or what is left of it, is this node's beside
// the record that is kept; nil: there is none.
func (o *owned) stands(s *durable.Session) bool {
	mine := s != nil && s.Node == o.d.self()
	switch {
	case o.c == nil:
		return o.d.remains.has(o.m) && (mine || s == nil && o.state)
	case mine: // maybe of a later session than this one
		return !o.c.over()
	}
	b := o.d.br.NewBatch()
	defer b.End()
	return o.d.br.contest(b, o.c, s)
}

// acquired is a session that this node has made its own in the maps.
type acquired struct {
	*durable.Session
	state []byte // empty: it was never saved

	recordAt, stateAt uint64 // revisions
}

// acquire makes the session of a node that has gone this one's in the maps, as it
// is kept there now, and keeps its state anew as it is. errTaken: somebody else has
// taken or ended it.
func (d *durability) acquire(was *durable.Session) (a acquired, err error) {
	err = d.contend(func() (err error) {
		if a.Session, a.recordAt, err = d.findAt(was.ClientID); err != nil {
			return err
		}
		if a.Session == nil || a.Node != was.Node {
			return errTaken
		}
		a.Node, a.Epoch, a.OfflineAt = d.self(), a.Epoch+1, cmp.Or(a.OfflineAt, was.OfflineAt)
		head := *a.Session
		if head.Chunks > 0 {
			head.Subscriptions = nil
		}
		a.recordAt, err = d.putAt(d.sessions, durable.SessionKey(a.ClientID), durable.AppendSession(nil, &head), a.recordAt)
		return err
	})
	if err != nil {
		return a, err
	}
	return a, d.contend(func() (err error) {
		if a.state, a.stateAt, _, err = d.states.GetAt(a.ClientID); err != nil {
			return err
		}
		a.stateAt, err = d.putAt(d.states, a.ClientID, append([]byte{}, a.state...), a.stateAt)
		return err
	})
}

// contend tries to change what is kept now until nobody else has changed it
// meanwhile.
func (d *durability) contend(try func() error) (err error) {
	for range contestTries {
		if err = try(); !errors.Is(err, engine.ErrChanged) {
			return err
		}
		if err := d.settled(); err != nil { // this node's copy may only have been behind
			return err
		}
	}
	return err
}

// putAt is PutAt that waits.
func (d *durability) putAt(m Map, key string, value []byte, was uint64) (revision uint64, err error) {
	type answer struct {
		revision uint64
		err      error
	}
	kept := make(chan answer, 1)
	m.PutAt(key, value, was, func(revision uint64, err error) { kept <- answer{revision, err} })
	select {
	case a := <-kept:
		return a.revision, a.err
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

// restored is the revision of the record of a session of this node that was just
// read. taken: another node has it by now.
func (d *durability) restored(s *durable.Session) (revision uint64, taken bool) {
	if !d.several() {
		return unseen, false
	}
	value, revision, there, err := d.sessions.GetAt(durable.SessionKey(s.ClientID))
	if err != nil {
		return unseen, false
	}
	now, err := durable.ParseSession(s.ClientID, value)
	return revision, !there || err != nil || now.Node != s.Node
}
