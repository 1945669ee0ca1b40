package broker

import (
	"time"

	"github.com/dunlin-mq/dunlin/durable"
)

// Member is a node of the cluster.
type Member struct {
	ID    string // which it keeps when its name and its addresses change
	Alive bool
}

// membership is what a broker knows of the nodes that share its log and maps.
type membership struct {
	self  string
	alive map[string]bool // by id: false, a member that is down
	first bool            // this node is the oldest that is there
}

// whole reports whether all members are there.
func (m *membership) whole() bool {
	for _, alive := range m.alive {
		if !alive {
			return false
		}
	}
	return true
}

// has reports whether a node is a member, there or not.
func (m *membership) has(id string) bool {
	_, is := m.alive[id]
	return is
}

// MembersChanged has the broker look who the nodes of the cluster are now. It
// doesn't block.
func (br *Broker) MembersChanged() {
	if br.durable != nil {
		br.durable.look()
	}
}

// look notes who the nodes are. When one has gone nobody knows at first which
// of the two sides that is; so this node writes nothing of its sessions before it
// has made sure that they are still its own, see gate.
func (d *durability) look() {
	d.looking.Lock()
	defer d.looking.Unlock()
	now, was := d.ask(), d.nodes.Load()
	d.nodes.Store(now)
	if was == nil {
		return
	}
	if several := len(now.alive) > 1; several != (len(was.alive) > 1) {
		d.br.groups.alone(!several)
	}
	d.gate.again()
	d.taker.look()
	for id := range was.alive {
		if !now.has(id) && id != was.self {
			d.orphans.Store(true)
			select {
			case d.removed <- struct{}{}:
			default:
			}
		}
	}
	for id, alive := range was.alive {
		if alive && id != was.self && !now.alive[id] {
			d.wentAt.Store(time.Now().UnixNano())
			d.gate.check(d)
			break
		}
	}
}

func (d *durability) ask() *membership {
	m := &membership{alive: make(map[string]bool)}
	if d.members == nil {
		m.self, m.first = d.br.node, true
		m.alive[m.self] = true
		return m
	}
	self, all := d.members()
	m.self = self
	oldest := ""
	for _, n := range all {
		n.Alive = n.Alive || n.ID == self
		m.alive[n.ID] = n.Alive
		if oldest == "" && n.Alive {
			oldest = n.ID
		}
	}
	m.alive[self] = true
	m.first = oldest == self || oldest == ""
	return m
}

// self is the id of this node in what it keeps.
func (d *durability) self() string { return d.nodes.Load().self }

// several reports whether there are other nodes that may have sessions.
func (d *durability) several() bool { return len(d.nodes.Load().alive) > 1 }

// mine reports whether the session of a record is this node's: it has it, or
// nobody else can have it.
func (d *durability) mine(s *durable.Session) bool {
	return s.Node == d.self() || !d.several()
}

// errTaken is why something of a session isn't kept any more here.
const errTaken = takenError("another node has the session")

type takenError string

func (e takenError) Error() string { return string(e) }

// check makes sure, once the cluster keeps anything at all, that the durable
// sessions of this node are still its own, and gives up those that others have
// taken meanwhile. It reports whether that was possible.
func (d *durability) check() error {
	if err := d.settled(); err != nil {
		return err
	}
	b := d.br.NewBatch()
	defer b.End()
	self := d.self()
	return d.sessions.Each(func(key string, value []byte) error {
		k, ok := durable.ParseKey(key)
		if !ok || k.Chunk >= 0 {
			return nil
		}
		c := d.br.clients.get(k.ClientID)
		if c == nil || !c.status.has(isDurable) {
			return nil
		}
		if s, err := durable.ParseSession(k.ClientID, value); err == nil && s.Node != self {
			d.br.contest(b, c, s)
		}
		return nil
	})
}

// contest decides between this node's session and another node's of the same
// client, which was kept: the one whose client connected last is right. nil: no
// node has kept one. It reports whether the session is this node's from now on; one
// that isn't is given up.
func (br *Broker) contest(b *Batch, c *Client, s *durable.Session) (ours bool) {
	c.enter(b)
	r := c.reader()
	switch {
	case c.ended || r == nil:
		c.leave(b)
		return false
	case s == nil && !r.known, s != nil && (s.Epoch < r.kept || s.Epoch == r.kept && s.ConnectedAt <= c.connectedAt):
		c.leave(b)
		return true
	case s != nil && c.conn != nil && s.ConnectedAt < c.connectedAt:
		r.epoch = max(r.epoch, s.Epoch) + 1
		c.keepRecord("")
		c.leave(b)
		return true
	}
	d := c.departure(endTakenOver.Word)
	c.disconnect(b, d, endTakenOver)
	c.vanish(d)
	c.leave(b)
	if s != nil {
		br.log.Info("a session is given up, another node has taken it meanwhile", "client", c.info.ClientID, "node", s.Node)
	} else {
		br.log.Info("a session is given up, another node has ended it meanwhile", "client", c.info.ClientID)
	}
	br.carryOut(b, d)
	return false
}

// vanish ends the client here and leaves its session, and all that is kept of it,
// to another node. The client is entered and has no connection.
func (c *Client) vanish(d *departure) {
	br := c.broker
	d.forgone = c.forgo()
	c.ended = true
	c.status.add(isGone)
	c.countPersistent(false)
	d.held = c.surrender(c.isShared)
	c.settleAll()
	to := c.routes()
	for sub := range c.sess.Subscriptions() {
		br.unroute(c, sub, to)
	}
	n := c.queued()
	c.more.reader.missed = 0
	br.count.queued.Add(-int64(n))
	br.count.movedOut.Add(uint64(n))
	c.status.drop(isDurable)
	br.durable.durables.Add(-1)
	br.clients.remove(c)
	br.wheel.set(c, c.timer, 0)
}
