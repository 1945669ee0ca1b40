package broker

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
)

const (
	takeEvery = 30 * time.Second // look for shares that others have released
	takeSoon  = 50 * time.Millisecond
	takeUntil = 10 * time.Second // is the longest time between two looks when somebody has come, and may have left one
)

// taker takes over the shares that other nodes have released, or had when they ceased
// to be members, for the groups that have members here.
type taker struct {
	d    *durability
	wake chan struct{}

	mu    sync.Mutex  // guards what follows; held while the records are gone through
	seen  *membership // when that was done last
	known []durable.GroupShare
}

// look has it look now, and a few times more.
func (t *taker) look() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// restored is for the end of a start. A node alone has taken all there is.
func (t *taker) restored() {
	if t.d.several() {
		t.look()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = t.d.nodes.Load()
}

// run is its goroutine.
func (t *taker) run() {
	pause := takeEvery
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause *= 2
		case <-t.wake:
			pause = takeSoon
		case <-t.d.ctx.Done():
			return
		}
		timer.Stop()
		if !t.round() || pause > takeUntil {
			pause = takeEvery
		}
	}
}

// round takes what is nobody's. more: there is something that another node has, and
// may be about to release.
func (t *taker) round() (more bool) {
	if !t.d.br.groups.any() {
		return false
	}
	more, err := t.takeAll()
	if err != nil {
		t.d.br.logs.notSettled.warn(t.d.br.log, Now(), "what other nodes have left for shared groups can't be looked after, it is tried again", "err", err)
	}
	return more || err != nil
}

func (t *taker) takeAll() (more bool, err error) {
	all, err := t.find(t.d.br.groups.lacks)
	if err != nil || len(all) == 0 {
		return false, err
	}
	if err := t.d.settled(); err != nil {
		return false, err
	}
	for _, s := range all {
		others, err := t.take(s)
		if err != nil {
			return false, err
		}
		more = more || others
	}
	return more, nil
}

// find returns those of all shares that are wanted, by their numbers. It goes through
// the records when the nodes have changed: while there are several, none begins a
// share.
func (t *taker) find(wanted func(durable.GroupShare) bool) (all []durable.GroupShare, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.d.nodes.Load(); t.seen == nil || !maps.Equal(t.seen.alive, n.alive) {
		if err := t.d.settled(); err != nil {
			return nil, err
		}
		t.known = nil
		err := t.d.states.Each(func(key string, _ []byte) error {
			if s, is := durable.ParseGroupKey(key); is {
				t.known = append(t.known, s)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(t.known, func(a, b durable.GroupShare) int { return cmp.Compare(a.Number, b.Number) })
		t.seen = n
	}
	for _, s := range t.known {
		if wanted(s) {
			all = append(all, s)
		}
	}
	return all, nil
}

// take takes a share over if no member has it. others: it is another node's that is
// there.
func (t *taker) take(s durable.GroupShare) (others bool, err error) {
	d := t.d
	r, revision, err := d.shareAt(s.Key())
	if err != nil || r == nil {
		return false, err
	}
	if alive, member := d.nodes.Load().alive[r.Node]; member {
		return alive && r.Node != d.self(), nil
	} else if r.Node != "" {
		if err := d.keepAllFlights(s, r); err != nil {
			return false, err
		}
	}
	r.Node = d.self()
	if revision, err = d.putAt(d.states, s.Key(), durable.AppendGroup(nil, r), revision); errors.Is(err, engine.ErrChanged) {
		return true, nil
	}
	if err == nil {
		d.br.groups.take(s, r, revision)
	}
	return false, err
}

// shareAt reads the record of a share; nil: there is none that can be read, which the
// start of a node says.
func (d *durability) shareAt(key string) (r *durable.Group, revision uint64, err error) {
	value, revision, there, err := d.states.GetAt(key)
	if err != nil || !there {
		return nil, revision, err
	}
	if r, err = durable.ParseGroup(value); err != nil {
		return nil, revision, nil //nolint:nilerr // said above
	}
	return r, revision, nil
}

// any reports whether there is a group with members here, and what is kept of them
// is restored.
func (gs *groups) any() bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return len(gs.all) > 0 && !gs.br.durable.restoring
}

// lacks reports whether a share is of a group that has members here, and isn't this
// node's.
func (gs *groups) lacks(s durable.GroupShare) bool {
	g := gs.get(GroupKey{s.Name, s.Filter})
	return g != nil && !slices.ContainsFunc(g.kept(), func(k *groupLog) bool { return k.share == s.Number })
}

// take goes on with a share that has become this node's.
func (gs *groups) take(s durable.GroupShare, r *durable.Group, revision uint64) {
	d, key := gs.br.durable, GroupKey{s.Name, s.Filter}
	gs.mu.Lock()
	g := gs.all[key]
	if g == nil { // the last member has just left
		gs.mu.Unlock()
		d.release(key, s.Number, r, func() {})
		return
	}
	k := newGroupLog(g, d, s.Number, revision)
	k.load(r)
	k.rewind()
	g.begin(k)
	gs.share = max(gs.share, s.Number)
	gs.mu.Unlock()
	d.br.log.Info("what another node has left for a shared group is taken over", "group", s.Name, "filter", s.Filter)
	b := gs.br.NewBatch()
	defer b.End()
	k.pump(b)
}
