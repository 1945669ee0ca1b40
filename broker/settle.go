package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// A node reads its own copy of the maps and of the log, which may be behind what
// a member that has just died was told to be kept. So before a node goes on with
// what another has left, it writes a mark, and waits until that has come to its
// own copy: all that was kept before lies in front of it, and engine.Map reads
// nothing older from then on.

const (
	settleWithin = 10 * time.Second // for a mark to come back
	settleStep   = 5 * time.Millisecond
	startWithin  = time.Minute // for other nodes when this one starts, as in the engine
	startStep    = 100 * time.Millisecond
)

var errNotHere = errors.New("what was kept has not come to this node yet")

// settling shares marks among all who wait for one.
type settling struct {
	mu      sync.Mutex
	next    *settleRound // that has not begun; nil: nobody waits for it
	running bool
	marks   uint64
}

type settleRound struct {
	over chan struct{}
	err  error
}

// settled returns when this node's copies of the maps have all that was kept
// before the call.
func (d *durability) settled() error {
	if !d.several() && !d.orphans.Load() {
		return nil
	}
	s := &d.settling
	s.mu.Lock()
	if s.next == nil {
		s.next = &settleRound{over: make(chan struct{})}
	}
	r := s.next
	if !s.running {
		s.running = d.begin(d.markOn)
	}
	s.mu.Unlock()
	select {
	case <-r.over:
		return r.err
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

// settledAtStart is settled for a node that starts: the others may be starting
// too, or have just gone again, so that it takes a while until enough are there.
func (d *durability) settledAtStart() error {
	for end := time.Now().Add(startWithin); ; {
		err := d.settled()
		passes := errors.Is(err, engine.ErrNoQuorum) || errors.Is(err, errNotHere)
		if !passes || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(startStep):
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
	}
}

// markOn is the goroutine that does one round after the other.
func (d *durability) markOn() {
	s := &d.settling
	for {
		s.mu.Lock()
		r := s.next
		s.next = nil
		s.running = r != nil
		s.marks++
		mark := strconv.AppendUint(strconv.AppendInt(nil, time.Now().UnixNano(), 36), s.marks, 36)
		s.mu.Unlock()
		if r == nil {
			return
		}
		began := time.Now().UnixNano()
		if r.err = d.mark(mark); r.err == nil {
			d.settledAt.Store(began)
		}
		close(r.over)
	}
}

// mark writes a mark into both maps and waits until it is back.
func (d *durability) mark(mark []byte) error {
	key := durable.MarkKey(d.self())
	kept := make(chan error, 2)
	for _, m := range []Map{d.sessions, d.states} {
		m.PutLater(key, mark, func(err error) { kept <- err })
	}
	for range 2 {
		select {
		case err := <-kept:
			if err != nil {
				return err
			}
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
	}
	return d.until(func() (bool, error) {
		for _, m := range []Map{d.sessions, d.states} {
			if value, _, _, err := m.GetAt(key); err != nil || !bytes.Equal(value, mark) {
				return false, err
			}
		}
		return true, nil
	})
}

// until asks again and again whether something has come to this node.
func (d *durability) until(here func() (bool, error)) error {
	for end := time.Now().Add(settleWithin); ; {
		if is, err := here(); is || err != nil {
			return err
		}
		if time.Now().After(end) {
			return errNotHere
		}
		select {
		case <-time.After(settleStep):
		case <-d.ctx.Done():
			return d.ctx.Err()
		}
	}
}

// markLog writes a mark into a shard of the log, waits until that has come to this
// node, and returns its position: what was given to the log before lies in front
// of it, or will never be there.
func (d *durability) markLog(shard int) (last uint64, err error) {
	m := &mqtt.Message{Topic: d.topicOf(shard), Timestamp: Now()}
	type result struct {
		at  engine.At
		err error
	}
	kept := make(chan result, 1)
	d.log.Append(m.Topic, durable.AppendMessage(nil, durable.Message{Message: m}), func(at engine.At, err error) { kept <- result{at, err} })
	select {
	case r := <-kept:
		if r.err != nil {
			return 0, r.err
		}
		last = r.at.Seq
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	_, _, err = d.readAt(d.ctx, shard, last)
	return last, err
}

// topicOf is the topic of a mark in a shard: nobody gets messages of QoS 0 from
// the log.
func (d *durability) topicOf(shard int) string {
	for n := 0; ; n++ {
		if name := fmt.Sprint("$mark/", n); d.log.Shard(name) == shard {
			return name
		}
	}
}

// readAt reads the entry at a position, when that has come to this node. False:
// retention has deleted it, or the log never had it.
func (d *durability) readAt(ctx context.Context, shard int, seq uint64) (e engine.Entry, there bool, err error) {
	err = d.until(func() (bool, error) {
		entries, next, err := d.log.Read(ctx, shard, seq, nil, 1)
		if err != nil || len(entries) > 0 {
			if there = len(entries) > 0 && entries[0].Seq == seq; there {
				e = entries[0]
			}
			return true, err
		}
		_, last := d.log.Bounds(shard)
		return next > seq || !d.several() && seq > last, nil
	})
	return e, there, err
}
