package broker

import (
	"time"

	"github.com/dunlin-mq/dunlin/engine"
)

// In a cluster all nodes append to one log, and each gives its own durable
// sessions what it has taken, whoever has appended it, in its order. What this
// node has appended goes to its sessions in memory, and by way of Peers to those
// of other nodes, as soon as the log has it; that needs no order but this node's.
//
// The shards ask the log for what they haven't got themselves: after others have
// appended, and after a gap, which is what an append leaves behind that was
// reported to have failed and is in the log all the same.

const (
	followMost  = 256                  // entries that are read at a time
	followPause = 2 * time.Millisecond // until what others have appended is looked for again that has not come to this node
	followAgain = time.Second          // after an error
)

// catchUp has the entries read that the log has and that were not dispatched, on
// a goroutine that ends when there are none.
func (s *shard) catchUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more = true; !s.reading {
		s.reading = s.d.begin(s.read)
	}
}

// read is that goroutine. One portion is on its way to be dispatched at a time.
func (s *shard) read() {
	for s.goesOn() {
		for s.d.ctx.Err() == nil && s.behind() {
			p, err := s.portion()
			switch {
			case err != nil:
				s.d.br.logs.notRead.warn(s.d.br.log, Now(), "the log of messages can't be followed, it is tried again", "shard", s.number, "err", err)
				s.pause(followAgain)
			case p == nil:
				s.pause(followPause)
			default:
				s.add(p)
				select {
				case <-p.done:
				case <-s.d.ctx.Done():
				}
			}
		}
	}
}

// goesOn reports whether there may be something to read.
func (s *shard) goesOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.more = s.more && s.d.ctx.Err() == nil, false
	return s.reading
}

// behind reports whether the log has more than was dispatched.
func (s *shard) behind() bool {
	_, last := s.d.log.Bounds(s.number)
	return s.dispatched.Load() < last
}

func (s *shard) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.d.ctx.Done():
	}
}

// portion reads what comes next; nil: it isn't there yet. While nobody here
// reads the log all that is in it is passed over.
func (s *shard) portion() (*portion, error) {
	age := s.age.Load()
	if s.d.durables.Load() == 0 {
		_, last := s.d.log.Bounds(s.number)
		return &portion{over: true, age: age, next: last + 1, done: make(chan struct{})}, nil
	}
	from := s.dispatched.Load() + 1
	entries, next, err := s.d.log.Read(s.d.ctx, s.number, from, nil, followMost)
	if err != nil || next <= from {
		return nil, err
	}
	return &portion{entries: entries, age: age, next: next, done: make(chan struct{})}, nil
}

// portion is the task to dispatch what was read.
type portion struct {
	entries []engine.Entry
	over    bool   // nobody wants what is in it
	age     uint64 // of the log
	next    uint64 // behind the last
	done    chan struct{}
}

// dispatch is task's.
func (p *portion) dispatch(b *Batch, s *shard) {
	defer close(p.done)
	if p.age != s.age.Load() {
		return
	}
	for i := range p.entries {
		s.pass(b, &p.entries[i])
		if i%flushAfter == flushAfter-1 {
			b.End()
		}
	}
	s.passed(p)
}

// passed notes that a portion was dispatched. Whoever becomes durable counts
// before it looks where the shard is (makeDurable): one of the two sees the other.
func (s *shard) passed(p *portion) {
	s.turn.Lock()
	defer s.turn.Unlock()
	was := s.dispatched.Load()
	s.dispatched.Store(max(was, p.next-1))
	if p.over && s.d.durables.Load() != 0 {
		s.dispatched.Store(was)
	}
}

// pass gives an entry to the durable sessions and to the groups that read the log,
// unless they have been given it.
func (s *shard) pass(b *Batch, e *engine.Entry) {
	m := s.d.parse(s.number, e)
	s.turn.Lock()
	defer s.turn.Unlock()
	if e.Seq <= s.dispatched.Load() {
		return
	}
	s.dispatched.Store(e.Seq)
	if m == nil {
		return
	}
	br := s.d.br
	routes := br.index.Match(m.Topic, b.routes[:0])
	b.forget()
	for i, r := range routes {
		switch to := r.to.Subscriber.(type) {
		case *Client:
			if to.status.has(isDurable) && reads(m, r.QoS) {
				to.Deliver(b, m, &r.Subscription)
			}
		case *group:
			to.deliverLogged(b, m)
		}
		routes[i] = nil
	}
	b.forget()
	b.closeEntry()
	b.routes = routes[:0]
}
