package cluster

import (
	"slices"
	"strings"
	"sync"

	"github.com/dunlin-mq/dunlin/topic"
)

// own are the filters that this node's clients hold, counted, and what the other
// nodes have been told of them. Counting locks for itself, so that clients on
// all goroutines may subscribe while the rest happens.
type own struct {
	seed uint64
	wake func() // called when there is news for the others; must not block

	mu     sync.Mutex
	shards [ownShards]topic.Table[*ownRoute]
	dirty  []*ownRoute // of which something may have changed
	digest uint64      // of what has been told
	told   int         // routes that the others have been told of
}

// ownShards divide the filters by their hash into parts that a snapshot can be
// cut at.
const ownShards = 256

// ownRoute is a filter with the subscriptions that this node's clients have.
type ownRoute struct {
	filter         string
	plain, durable uint32     // subscriptions; a durable one counts as plain as well
	groups         *ownGroups // nil: no shared group
	isDirty        bool
	toldPlain      bool
	toldDurable    bool
}

// ownGroups are the shared groups of a filter, now and as told.
type ownGroups struct{ now, told []GroupCount }

func newOwn(seed uint64, wake func()) *own {
	o := &own{seed: seed, wake: wake}
	for i := range o.shards {
		o.shards[i] = *topic.NewTable(func(r *ownRoute) string { return r.filter })
	}
	return o
}

func shardOf(filter string) int { return int(hashText(filter) % ownShards) }

// add counts one subscription to a bare filter, or with by = -1 the end of one.
func (o *own) add(filter string, durable bool, by int) {
	o.change(filter, func(r *ownRoute) {
		r.plain += uint32(by)
		if durable {
			r.durable += uint32(by)
		}
	})
}

// setGroup notes how many members a shared group has here now; 0: it is gone.
func (o *own) setGroup(filter, name string, members, online int) {
	o.change(filter, func(r *ownRoute) {
		if r.groups == nil {
			r.groups = new(ownGroups)
		}
		g := r.groups
		i, found := slices.BinarySearchFunc(g.now, name, func(c GroupCount, name string) int { return strings.Compare(c.Name, name) })
		now := slices.Clone(g.now) // what has been told may be the same slice
		switch {
		case members == 0 && found:
			now = slices.Delete(now, i, i+1)
		case members == 0:
		case found:
			now[i].Members, now[i].Online = uint32(members), uint32(online)
		default:
			now = slices.Insert(now, i, GroupCount{name, uint32(members), uint32(online)})
		}
		g.now = now
	})
}

func (o *own) change(filter string, change func(*ownRoute)) {
	o.mu.Lock()
	shard := &o.shards[shardOf(filter)]
	r, ok := shard.Get(filter)
	if !ok {
		r = &ownRoute{filter: filter}
		shard.Put(r)
	}
	change(r)
	first := false
	told, now := r.told(), r.interest()
	switch {
	case r.isDirty:
	case !told.equal(now):
		r.isDirty = true
		o.dirty = append(o.dirty, r)
		first = len(o.dirty) == 1
	case now.none():
		shard.Delete(filter)
	}
	o.mu.Unlock()
	if first {
		o.wake()
	}
}

func (r *ownRoute) interest() Interest {
	in := Interest{Plain: r.plain > 0, Durable: r.durable > 0}
	if r.groups != nil {
		in.Groups = r.groups.now
	}
	return in
}

func (r *ownRoute) told() Interest {
	in := Interest{Plain: r.toldPlain, Durable: r.toldDurable}
	if r.groups != nil {
		in.Groups = r.groups.told
	}
	return in
}

// news calls f with each route that has changed since it was told, and takes it
// as told now.
func (o *own) news(f func(filter string, in Interest)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, r := range o.dirty {
		o.dirty[i], r.isDirty = nil, false
		before, now := r.told(), r.interest()
		if !before.equal(now) {
			o.tell(r, before, now)
			f(r.filter, now)
		}
		if now.none() {
			o.shards[shardOf(r.filter)].Delete(r.filter)
		}
	}
	o.dirty = o.dirty[:0]
	if cap(o.dirty) > 4096 { // of a storm
		o.dirty = nil
	}
}

func (o *own) tell(r *ownRoute, before, now Interest) {
	o.digest += routeHash(o.seed, r.filter, now) - routeHash(o.seed, r.filter, before)
	if before.none() {
		o.told++
	}
	if now.none() {
		o.told--
	}
	r.toldPlain, r.toldDurable = now.Plain, now.Durable
	if r.groups != nil {
		r.groups.told = now.Groups
		if len(now.Groups) == 0 {
			r.groups = nil
		}
	}
}

// shard appends what has been told of one shard's filters.
func (o *own) shard(i int, dst []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	for r := range o.shards[i].All {
		if in := r.told(); !in.none() {
			dst = appendRoute(dst, r.filter, in)
		}
	}
	return dst
}

// sum is the digest of what has been told, and how many routes those are.
func (o *own) sum() (digest uint64, told int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.digest, o.told
}

func (o *own) hasNews() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.dirty) > 0
}

// group is how many members a shared group has here now.
func (o *own) group(filter, name string) GroupCount {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r, ok := o.shards[shardOf(filter)].Get(filter); ok && r.groups != nil {
		for _, c := range r.groups.now {
			if c.Name == name {
				return c
			}
		}
	}
	return GroupCount{}
}
