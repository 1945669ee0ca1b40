package broker

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// A node that hangs knows nothing of what others do with the records of its shares
// meanwhile: they note what sessions that they have recalled hold, and when it is no
// member any more they take the shares over. So a record is changed, and deleted,
// only as it was seen last, as those of sessions are.

// shareRecord is the record of one share that is this node's.
type shareRecord struct {
	d    *durability
	of   durable.GroupShare
	seen atomic.Uint64 // its revision; unseen: it has to be looked up
}

func (d *durability) shareRecord(g GroupKey, share, revision uint64) *shareRecord {
	r := &shareRecord{d: d, of: durable.GroupShare{Name: g.Name, Filter: g.Filter, Number: share}}
	r.seen.Store(revision)
	return r
}

// change keeps a value, or with nil deletes the record. If that isn't what was seen
// last and is still this node's, again is asked, unless it is nil, for the value to
// keep beside what there is. errTaken: the record isn't this node's any more, or has
// gone.
func (r *shareRecord) change(value []byte, again func(now *durable.Group) []byte, done func(error)) {
	contest := func() { r.d.contest(func() error { return r.decide(again) }, done) }
	was := engine.AnyRevision
	if r.d.several() {
		was = r.seen.Load()
	}
	if was == unseen {
		contest()
		return
	}
	r.at(value, was, func(err error) {
		if errors.Is(err, engine.ErrChanged) {
			contest()
			return
		}
		done(err)
	})
}

func (r *shareRecord) at(value []byte, was uint64, done func(error)) {
	over := func(revision uint64, err error) {
		if err == nil {
			r.seen.Store(revision)
		}
		done(err)
	}
	if value == nil {
		r.d.states.DeleteAt(r.of.Key(), was, over)
	} else {
		r.d.states.PutAt(r.of.Key(), value, was, over)
	}
}

// decide makes the change if the record is this node's behind a mark.
func (r *shareRecord) decide(again func(now *durable.Group) []byte) error {
	d := r.d
	if err := d.settled(); err != nil {
		return err
	}
	return d.contend(func() error {
		record, revision, there, err := d.states.GetAt(r.of.Key())
		if err != nil {
			return err
		}
		now := new(durable.Group)
		if there {
			if parsed, err := durable.ParseGroup(record); err == nil { // else it is written anew
				now = parsed
			} else {
				now.Node = d.self()
			}
		}
		if !there || now.Node != d.self() {
			return errTaken
		}
		var value []byte
		if again != nil {
			value = again(now)
		}
		return d.await(func(done func(error)) { r.at(value, revision, done) })
	})
}

// recordWith is the record, when others have noted in it what is done with.
func (k *groupLog) recordWith(now *durable.Group) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.adopt(now)
	return durable.AppendGroup(nil, k.record())
}

// adopt takes over what a record says to be done with. mu is held.
func (k *groupLog) adopt(now *durable.Group) {
	if len(now.Next) != len(k.next) {
		return
	}
	open := make(map[mqtt.At]bool, len(now.Open))
	for _, at := range now.Open {
		open[at] = true
		if at.Seq >= max(now.Next[at.Shard], k.next[at.Shard]) && k.open[at] != early {
			k.open[at] = early
			k.early++
		}
	}
	for at, who := range k.open {
		if who == early || open[at] == (at.Seq < now.Next[at.Shard]) {
			continue
		}
		if who == unheld {
			k.redo--
		}
		delete(k.open, at)
	}
	k.lookAgain()
}

// lose gives up a share that another node has taken: what waits here is for that
// one's members.
func (k *groupLog) lose() {
	gs := &k.d.br.groups
	k.turn.Lock()
	defer k.turn.Unlock()
	gs.mu.Lock()
	defer gs.mu.Unlock()
	k.mu.Lock()
	over := k.over
	k.over = true
	k.mu.Unlock()
	if over {
		return
	}
	if !k.ended {
		k.ended = true
		k.g.without(k)
		k.layDown()
	}
	gs.left = slices.DeleteFunc(slices.Clone(gs.left), func(other *groupLog) bool { return other == k })
	k.d.br.log.Info("what a shared group has to get is given up, another node has taken it over meanwhile", "group", k.g.key.Name, "filter", k.g.key.Filter)
}
