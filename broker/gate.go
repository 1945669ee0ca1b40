package broker

import (
	"sync"
	"sync/atomic"
	"time"
)

// gate is what a node writes of its sessions through. While other nodes may have
// taken sessions of this one without its hearing of it, because they have not heard
// of it, it is closed: what would be written waits, and is written when it is
// clear which sessions are still this node's. When that can't be found out since
// too few nodes are there, it fails.
type gate struct {
	open    atomic.Bool
	mu      sync.Mutex
	running bool
	asked   int   // how often it was closed
	err     error // why it can't be opened; nil: that isn't known yet
	wake    chan struct{}
	waiting []func(error)
}

const gateAgain = 500 * time.Millisecond // until it is tried again to open it

// pass calls f at once, or when it is clear whether it may be done, with why not
// if it may not. f doesn't block.
func (g *gate) pass(f func(error)) {
	if g.open.Load() {
		f(nil)
		return
	}
	g.mu.Lock()
	err := g.err
	switch {
	case g.open.Load():
	case err == nil:
		g.waiting = append(g.waiting, f)
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	f(err)
}

// check closes the gate, and opens it when it is clear what is this node's.
func (g *gate) check(d *durability) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open.Store(false)
	if g.asked++; !g.running {
		g.running = d.begin(func() { g.run(d) })
	}
}

// closed reports whether it isn't clear what is this node's.
func (g *gate) closed() bool { return !g.open.Load() }

// again has it tried at once to open the gate.
func (g *gate) again() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *gate) run(d *durability) {
	for d.ctx.Err() == nil {
		g.mu.Lock()
		asked := g.asked
		g.mu.Unlock()
		err := d.check()
		if g.end(asked, err) {
			return
		}
		if err != nil {
			d.br.logs.notSettled.warn(d.br.log, Now(), "it is not known which sessions are this node's, as too few nodes can be reached; it is tried again", "err", err)
			select {
			case <-time.After(gateAgain):
			case <-g.wake:
			case <-d.ctx.Done():
			}
		}
	}
	g.end(-1, d.ctx.Err())
}

// end lets what waits go on, in its order, and reports whether the gate is open.
func (g *gate) end(asked int, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil && asked != g.asked {
		return false
	}
	for g.err = err; len(g.waiting) > 0; {
		all := g.waiting
		g.waiting = nil
		g.mu.Unlock()
		for _, f := range all {
			f(err)
		}
		g.mu.Lock()
		if g.err = err; err == nil && asked != g.asked {
			return false
		}
	}
	if err == nil {
		g.open.Store(true)
		g.running = false
	}
	return err == nil
}
