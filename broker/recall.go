package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
)

// A durable session whose node has gone is in the maps and the log. When its
// client connects to another node, that recalls it from there: the client goes on
// with what was acknowledged, in both directions, as after the restart of a node
// alone. The record says whose it is from then on; the node that had it finds
// that when it is back, and gives it up.

const (
	recallers = 8 // sessions that are recalled at a time
	// silentClaim is how long a claim takes when somebody doesn't answer: then a
	// session may be one of a node that isn't known to have gone yet.
	silentClaim = time.Second
	ownerWithin = 5 * time.Second // for that to be known
)

// recall brings the session that o asks for here, if the maps have one that no
// node has. waited is how long the other nodes were asked for it. True: that takes
// a while, and done is called once, later, on another goroutine; o.Unavailable
// then says why it is not possible, if it isn't.
func (br *Broker) recall(o *Opening, waited time.Duration, done func()) bool {
	d := br.durable
	if d == nil || !d.several() && !d.orphans.Load() || br.clients.get(o.Ask.Client.ClientID) != nil {
		return false
	}
	return d.begin(func() {
		defer done()
		select {
		case d.recalls <- struct{}{}:
			o.unavailable = d.recall(o, waited >= silentClaim)
			<-d.recalls
		case <-d.ctx.Done():
			o.unavailable = d.ctx.Err()
		}
	})
}

// Unavailable is why the session can't be had now; nil: it can.
func (o *Opening) Unavailable() error { return o.unavailable }

// recall is Broker.recall while it takes its time. silent: some node has not
// answered to the claim.
func (d *durability) recall(o *Opening, silent bool) error {
	id := o.Ask.Client.ClientID
	s, err := d.find(id)
	switch {
	case err != nil:
		return err
	case s == nil && !silent && !d.behind(), s == nil && !o.Ask.CleanStart && !d.br.outlives(o):
		return nil
	}
	switch err := d.settled(); {
	case err != nil && s != nil && !d.anyway && !o.Ask.CleanStart:
		return err
	case err != nil && s == nil: // a new one can't be kept, which is said then
		return nil
	case err == nil:
		if s, err = d.find(id); err != nil || s == nil {
			return err
		}
	}
	if o.Ask.CleanStart {
		o.epoch = s.Epoch
		d.discard(s)
		return nil
	}
	if silent {
		if s, err = d.orphaned(s); err != nil || s == nil {
			return err
		}
	}
	return d.takeOver(s)
}

// behind reports whether a member has gone, and this node's copies may lack what
// it has written at last.
func (d *durability) behind() bool { return d.settledAt.Load() < d.wentAt.Load() }

// orphaned waits until the node of a session is known to be down, or it is clear
// that it has nothing to say about the session.
func (d *durability) orphaned(s *durable.Session) (*durable.Session, error) {
	for end := time.Now().Add(ownerWithin); s.Node != d.self() && d.nodes.Load().alive[s.Node] && time.Now().Before(end); {
		select {
		case <-time.After(10 * settleStep):
		case <-d.ctx.Done():
			return nil, d.ctx.Err()
		}
	}
	if err := d.settled(); err != nil {
		return nil, err
	}
	return d.find(s.ClientID)
}

// find reads the record of a session, with all subscriptions, as it was kept when
// settled was called last, or later. nil: there is none, or it is damaged, which is
// said.
func (d *durability) find(id string) (*durable.Session, error) {
	s, _, err := d.findAt(id)
	return s, err
}

// findAt is find, with the revision of the record.
func (d *durability) findAt(id string) (s *durable.Session, revision uint64, err error) {
	record, revision, ok, err := d.sessions.GetAt(durable.SessionKey(id))
	if err != nil || !ok {
		return nil, revision, err
	}
	if s, err = durable.ParseSession(id, record); err != nil {
		d.br.log.Error("the record of a session can't be read", "client", id, "err", err)
		return nil, revision, nil // as at a start: it is as if there were none
	}
	for i := range s.Chunks {
		record, _, ok, err := d.sessions.GetAt(durable.ChunkKey(id, s.Layout, i))
		if err != nil {
			return nil, revision, err
		}
		subs, err := durable.ParseChunk(record)
		if !ok || err != nil {
			d.br.log.Error("a record of the subscriptions of a session can't be read", "client", id, "chunk", i, "there", ok, "err", err)
			continue
		}
		s.Subscriptions = append(s.Subscriptions, subs...)
	}
	return s, revision, nil
}

// takeOver makes a session that is in the maps this node's, as that of a client
// that is away. errTaken: somebody else has taken or ended it meanwhile.
func (d *durability) takeOver(was *durable.Session) error {
	s, err := d.acquire(was)
	kept := err == nil
	if !kept && d.anyway && !errors.Is(err, errTaken) { // it lives in memory for the time being
		s = acquired{Session: was, recordAt: unseen, stateAt: unseen}
		s.state, _, _, err = d.states.GetAt(was.ClientID)
	}
	if err != nil {
		return err
	}
	b := d.br.NewBatch()
	defer b.End()
	c, err := d.newRestorer(b).one(s)
	if err != nil {
		if d.br.clients.get(s.ClientID) != nil { // somebody was faster
			return nil
		}
		return fmt.Errorf("the session that another node has left can't be used: %w", err)
	}
	d.br.log.Info("a session is taken over from a node that has gone", "client", s.ClientID, "node", was.Node)
	c.enter(b)
	defer c.leave(b)
	if r := c.more.reader; !kept || r.chunks > 0 { // in a layout of this node's own
		r.unkept = errMoved
		r.epoch++
		c.keepRecord("")
	}
	return nil
}

// discard ends a session that is in the maps, as its client starts anew.
func (d *durability) discard(s *durable.Session) {
	d.br.fireSession(&d.br.Hooks.SessionDiscarded, d.br.count.sessionDiscarded, infoOf(s, listenerOf(s)), "session discarded", endDiscarded.Word)
	d.remains.begin(&remnant{id: s.ClientID, chunks: s.Chunks, layout: s.Layout, known: true})
}
