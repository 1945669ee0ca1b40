package durable

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Map is where records are kept, as engine.Map does: a call returns at once,
// and done runs later, or at once if the change is refused, on any goroutine.
// Changes of one key are kept in the order of the calls. value must not be
// changed until done has run.
type Map interface {
	PutLater(key string, value []byte, done func(error))
	DeleteLater(key string, done func(error))
}

// ErrBusy says that so much waits to be kept that no more may.
var ErrBusy = errors.New("too many records wait to be kept")

// Keeper writes records to a map. Of one key there is at most one change under
// way; what comes meanwhile waits, and the latest of it goes next, for all who
// wait. So a record that changes quickly is written as often as the map can,
// and no more. Use NewKeeper.
type Keeper struct {
	to      Map
	most    int64
	bytes   atomic.Int64 // of the changes under way or waiting
	seed    maphash.Seed
	shards  [64]keeperShard
	busy    atomic.Int64  // keys with a change under way
	settled chan struct{} // has an element when busy may have become 0
}

type keeperShard struct {
	mu   sync.Mutex
	keys map[string]*keeping // those with a change under way
}

// keeping is one key.
type keeping struct {
	now, next change
}

// change is a record that is to be kept, or its deletion.
type change struct {
	by    Map // that makes it
	value []byte
	gone  bool
	done  []func(error) // who waits; empty: there is no change
}

// perChange is what a change costs beside its record.
const perChange = 200

// NewKeeper makes a keeper that refuses changes while more than mostBytes are
// under way or waiting.
func NewKeeper(to Map, mostBytes int64) *Keeper {
	return &Keeper{to: to, most: mostBytes, seed: maphash.MakeSeed(), settled: make(chan struct{}, 1)}
}

// Put keeps value, which is the keeper's from now on, under key. done runs
// once: with nil when this value, or a later one that has taken its place, is
// kept; with the error if not, after which nobody knows whether it is. It runs
// in the order of the calls for a key (but for ErrBusy, which comes at once),
// never inside Put, so that the caller may hold a lock that done needs, mostly
// on a goroutine of the map, which it must not block. It may call the keeper.
func (k *Keeper) Put(key string, value []byte, done func(error)) {
	k.PutBy(k.to, key, value, done)
}

// PutBy is Put by way of a map that stands before the keeper's, and may delay or
// refuse the change.
func (k *Keeper) PutBy(by Map, key string, value []byte, done func(error)) {
	k.keep(key, change{by: by, value: value, done: []func(error){done}})
}

// Delete removes the record; done is as for Put.
func (k *Keeper) Delete(key string, done func(error)) {
	k.DeleteBy(k.to, key, done)
}

// DeleteBy is Delete by way of another map, as PutBy.
func (k *Keeper) DeleteBy(by Map, key string, done func(error)) {
	k.keep(key, change{by: by, gone: true, done: []func(error){done}})
}

func (k *Keeper) keep(key string, c change) {
	cost := c.cost()
	if k.bytes.Add(cost) > k.most {
		k.bytes.Add(-cost)
		go c.done[0](ErrBusy)
		return
	}
	sh := k.shard(key)
	sh.mu.Lock()
	if at := sh.keys[key]; at != nil {
		c.done = append(at.next.done, c.done...)
		k.bytes.Add(-int64(len(at.next.value)))
		at.next = c
		sh.mu.Unlock()
		return
	}
	at := &keeping{now: c}
	if sh.keys == nil {
		sh.keys = make(map[string]*keeping)
	}
	sh.keys[key] = at
	k.busy.Add(1)
	sh.mu.Unlock()
	k.write(sh, key, at)
}

func (c *change) cost() int64 { return int64(len(c.value)) + perChange*int64(len(c.done)) }

func (k *Keeper) shard(key string) *keeperShard {
	return &k.shards[maphash.String(k.seed, key)%uint64(len(k.shards))]
}

// write sends the change that is at its turn. A map that answers before the
// call is over, because it refuses the change, is heard on another goroutine.
func (k *Keeper) write(sh *keeperShard, key string, at *keeping) {
	var first atomic.Bool // of two: the call is over, the answer is there
	var answer error
	done := func(err error) {
		if answer = err; first.Swap(true) {
			k.written(sh, key, at, err)
		}
	}
	if at.now.gone {
		at.now.by.DeleteLater(key, done)
	} else {
		at.now.by.PutLater(key, at.now.value, done)
	}
	if first.Swap(true) {
		go k.written(sh, key, at, answer)
	}
}

// written tells those who waited for the change, and begins the next one.
func (k *Keeper) written(sh *keeperShard, key string, at *keeping, err error) {
	for _, done := range at.now.done {
		done(err)
	}
	k.bytes.Add(-at.now.cost())
	sh.mu.Lock()
	at.now, at.next = at.next, change{}
	more := len(at.now.done) > 0
	if !more {
		delete(sh.keys, key)
	}
	sh.mu.Unlock()
	if more {
		k.write(sh, key, at)
	} else if k.busy.Add(-1) == 0 {
		select {
		case k.settled <- struct{}{}:
		default:
		}
	}
}

// Wait returns when nothing is under way, for the end of a process: nobody may
// call Put or Delete any more but from a done. The error is ctx's.
func (k *Keeper) Wait(ctx context.Context) error {
	for k.busy.Load() > 0 {
		select {
		case <-k.settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
