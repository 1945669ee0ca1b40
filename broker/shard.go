package broker

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// shard routes the messages that one shard of the log has taken, in its order,
// on a goroutine of its own: a log that waits for nothing is faster than one
// that waits for subscribers, and what has gathered meanwhile is flushed at
// once.
type shard struct {
	number     int
	d          *durability
	turn       sync.Mutex    // held while a message is dispatched
	dispatched atomic.Uint64 // position of the message that is being dispatched, or was the last
	age        atomic.Uint64 // how often the log has become another one
	ahead      atomic.Uint64 // the last one that sessions in memory got before its turn

	mu      sync.Mutex
	ready   []task // messages among them are bounded by maxPending, saves by the clients
	reading bool   // there is a goroutine that reads what was appended elsewhere,
	more    bool   // and it has to look once more
	wake    chan struct{}
}

// task is what the engine has done, and what follows from it; the engine's own
// goroutines must not wait for clients.
type task interface {
	dispatch(b *Batch, s *shard)
}

// flushAfter is how many tasks are done before their output is flushed.
const flushAfter = 64

// shardOf is the shard whose goroutine does what concerns one client.
func (d *durability) shardOf(c *Client) *shard {
	return d.shards[maphash.Comparable(d.seed, c)%uint64(len(d.shards))]
}

func (s *shard) add(t task) {
	s.mu.Lock()
	s.ready = append(s.ready, t)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *shard) take(used []task) []task {
	clear(used)
	s.mu.Lock()
	defer s.mu.Unlock()
	ready := s.ready
	s.ready = used[:0]
	return ready
}

// run dispatches until the broker closes.
func (s *shard) run() {
	b := s.d.br.NewBatch()
	var all []task
	for {
		all = s.take(all)
		for i, t := range all {
			t.dispatch(b, s)
			if i%flushAfter == flushAfter-1 {
				b.End()
			}
		}
		b.End()
		if len(all) > 0 {
			continue
		}
		select {
		case <-s.wake:
		case <-s.d.ctx.Done():
			return
		}
	}
}
