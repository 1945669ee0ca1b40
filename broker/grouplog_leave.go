package broker

import (
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// The last member of a group may leave a node while messages wait there for the
// group, which goes on elsewhere. Then the share is released: when no client here has
// anything of it any more, its record is kept as nobody's. A node that has members
// takes it over whole, and goes on where the record says.

// leaveShares is for the shares of a group of which c has been the last member here.
// groups.mu is held, and c entered.
func (gs *groups) leaveShares(g *group, c *Client) {
	for _, k := range g.kept() {
		if k.ends.Load() && (c.status.has(isGone) || gs.elsewhere(g.key)) {
			gs.left = append(slices.Clone(gs.left), k)
			k.d.busy.Add(1)
			k.home().add(&groupLeft{k})
		} else {
			k.end()
		}
	}
}

// elsewhere reports whether a group has members on other nodes.
func (gs *groups) elsewhere(key GroupKey) bool {
	c := gs.br.cluster.Load()
	if c == nil {
		return false
	}
	members, _ := c.Peers.Members(key)
	return members > 0
}

// takeBackLeft is takeBack for shares that are about to be released.
func (gs *groups) takeBackLeft(b *Batch, key GroupKey, held []session.Delivery) []session.Delivery {
	gs.mu.Lock()
	left := gs.left
	gs.mu.Unlock()
	for _, k := range left {
		if k.g.key == key && len(held) > 0 {
			held = k.takeBack(b, held)
		}
	}
	return held
}

// groupLeft is the task to release a share, or to look again whether that is
// possible.
type groupLeft struct{ k *groupLog }

// dispatch is task's.
func (l *groupLeft) dispatch(_ *Batch, s *shard) {
	k := l.k
	k.turn.Lock()
	if !k.ended {
		k.ended = true
		s.d.durables.Add(-1)
		k.layDown()
	}
	k.turn.Unlock()
	k.release()
	s.d.busy.Add(-1)
}

// layDown gives up what waits for a member: it is to be read again. turn is held.
func (k *groupLog) layDown() {
	count := &k.d.br.count
	n := k.missed + int64(len(k.back)+k.bounds)
	count.queued.Add(-n)
	count.movedOut.Add(uint64(n))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = true
	for _, m := range k.back {
		k.unhold(m.At())
	}
	for _, all := range k.bound {
		for _, m := range all {
			k.unhold(m.At())
		}
	}
	k.missed, k.back, k.bounds = 0, nil, 0
	k.chunk, k.after = nil, 0
	clear(k.bound)
}

// unhold notes that nobody has a message that was taken. mu is held.
func (k *groupLog) unhold(at mqtt.At) {
	if k.open[at] == taken {
		k.open[at] = unheld
		k.redo++
		k.change()
	}
}

// giveUp notes that a client doesn't have a message any more that it had when the
// share was left. False: it wasn't left, but has ended. turn is held.
func (k *groupLog) giveUp(at mqtt.At) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left {
		k.unhold(at)
		k.lookAgain()
		k.d.br.count.movedOut.Inc()
	}
	return k.left
}

// lookAgain has it tried to release the share, if it was left. mu is held.
func (k *groupLog) lookAgain() {
	if k.left && !k.over {
		k.d.busy.Add(1)
		k.home().add(&groupLeft{k})
	}
}

// release lets a share go that was left here, if no client has anything of it. If one
// has, or the record is being saved, it is called again at the end of that.
func (k *groupLog) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.left || k.over || k.saving || len(k.open) > k.redo+k.early {
		return
	}
	k.over = true
	r := k.record()
	r.Next = slices.Clone(r.Next)
	k.d.release(k.g.key, k.share, r, func() { k.d.br.groups.released(k) })
}

// released ends that.
func (gs *groups) released(k *groupLog) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.left = slices.DeleteFunc(slices.Clone(gs.left), func(other *groupLog) bool { return other == k })
}

// release has the record of a share kept as nobody's, and then calls done.
func (d *durability) release(key GroupKey, share uint64, r *durable.Group, done func()) {
	d.busy.Add(1)
	if !d.begin(func() {
		defer d.busy.Add(-1)
		for err := d.disown(key, share, r); err != nil; err = d.disown(key, share, r) {
			d.br.logs.notSaved.warn(d.br.log, Now(), "what a shared group has left on this node can't be released, it is tried again", "group", key.Name, "filter", key.Filter, "err", err)
			select {
			case <-time.After(saveAgain * time.Millisecond):
			case <-d.ctx.Done():
				return
			}
		}
		done()
	}) {
		d.busy.Add(-1) // the next start does it
	}
}

// disown tries to keep r, the record of a share, as nobody's. nil: it is, or is
// another node's by now.
func (d *durability) disown(key GroupKey, share uint64, r *durable.Group) error {
	return d.contend(func() error {
		of := durable.GroupShare{Name: key.Name, Filter: key.Filter, Number: share}.Key()
		was, revision, err := d.shareAt(of)
		if err != nil || was == nil || was.Node != d.self() {
			return err
		}
		r.Node = ""
		_, err = d.putAt(d.states, of, durable.AppendGroup(nil, r), revision)
		return err
	})
}
