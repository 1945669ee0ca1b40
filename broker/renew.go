package broker

import (
	"errors"
	"sync"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// A node that joins a cluster gives up its log and its maps, and has the
// cluster's from then on. Its sessions stay, and so do their connections: they are
// kept anew and go on at the end of the other log. What waited in the old one is
// gone, and is counted. A node that leaves has nothing of the sessions that it had
// as a member: they are the cluster's.

// errRenewed has all records of a session written.
var errRenewed = errors.New("it is to be kept in another log")

var endLeft = Ending{mqtt.UseAnotherServer, "left_cluster"}

// LogRenewed is called when the log and the maps are about to become others, and
// returns when nobody depends on the old ones any more; after is to be called when
// they are, before anything is written to the new ones. alone: this node goes on
// alone, and the other nodes have what was kept.
func (br *Broker) LogRenewed(alone bool) (after func()) {
	d := br.durable
	if d == nil {
		return func() {}
	}
	var reached sync.WaitGroup
	goOn := make(chan struct{})
	for _, s := range d.shards {
		reached.Add(1)
		s.add(&rest{&reached, goOn})
	}
	over := make(chan struct{})
	go func() {
		reached.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-d.ctx.Done():
	}
	return func() {
		d.look()
		d.gate.check(d)
		b := br.NewBatch()
		br.groups.renew()
		next := d.restart()
		br.groups.alone(!d.several())
		for c := range br.Clients() {
			if !c.status.has(isDurable) {
				continue
			}
			if alone {
				br.letGo(b, c)
			} else {
				c.renew(b, next)
			}
		}
		b.End()
		close(goOn)
	}
}

// rest is the task to wait.
type rest struct {
	reached *sync.WaitGroup
	goOn    chan struct{}
}

// dispatch is task's.
func (r *rest) dispatch(b *Batch, s *shard) {
	b.End()
	r.reached.Done()
	select {
	case <-r.goOn:
	case <-s.d.ctx.Done():
	}
}

// restart puts all shards at the end of the log, and returns what comes next in
// each. None is dispatching.
func (d *durability) restart() (next []uint64) {
	for _, s := range d.shards {
		_, last := d.log.Bounds(s.number)
		s.turn.Lock()
		s.dispatched.Store(last)
		s.ahead.Store(last)
		s.age.Add(1)
		s.turn.Unlock()
		next = append(next, last+1)
	}
	return next
}

// renew has a session go on in another log.
func (c *Client) renew(b *Batch, next []uint64) {
	c.enter(b)
	defer c.leave(b)
	r := c.reader()
	if c.ended || r == nil {
		return
	}
	c.dropWaiting(session.LogRetention)
	r.live, r.chunk, r.after, r.begun, r.cut = false, nil, 0, nil, false
	r.version++
	for i := range r.places {
		r.places[i] = place{next: next[i]}
	}
	r.since = nil
	for sub := range c.sess.Subscriptions() {
		r.begin(c.broker.durable, sub.Filter)
	}
	c.sess.Renew(next)
	r.revisions.set(engine.AnyRevision)
	r.unkept, r.due = errRenewed, true
	c.keepRecord("")
	c.feedLog(b)
}

// letGo ends a client whose session the other nodes have.
func (br *Broker) letGo(b *Batch, c *Client) {
	c.enter(b)
	if c.ended {
		c.leave(b)
		return
	}
	d := c.departure(endLeft.Word)
	c.disconnect(b, d, endLeft)
	c.vanish(d)
	c.leave(b)
	br.carryOut(b, d)
}
