//go:build linux

package netloop

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	window     = 100 * time.Millisecond // one measurement of a loop's load
	patience   = 10                     // windows in a row before anything is changed: a second
	hotLoad    = 800                    // per mille of the time a loop works: it needs help
	coldLoad   = 500                    // per mille of all loops together: the first can do it alone
	worthwhile = 300                    // the difference, per mille, that moving connections is worth
	timeEvery  = 32                     // passes without a wait between two looks at the clock
)

// meter measures which part of the time a loop is working.
type meter struct {
	idle   time.Duration // slept in this window
	since  time.Duration // begin of this window
	passes int           // since the last look at the clock
	seen   int           // connections considered for moving
	hot    int           // windows in a row above hotLoad
	cold   int           // windows in a row in which all loops together were below coldLoad

	load  atomic.Int64 // per mille, in the last window
	ended atomic.Int64 // when that window ended, a time.Duration
}

func (m *meter) start(now time.Duration) {
	m.since = now
	m.ended.Store(int64(now))
}

// window closes the current window if it is over and reports whether it did.
func (m *meter) window(now time.Duration) bool {
	length := now - m.since
	if length < window {
		return false
	}
	m.load.Store(1000 - int64(1000*min(m.idle, length)/length))
	m.ended.Store(int64(now))
	m.idle, m.since = 0, now
	return true
}

// recent is the load, 0 if the loop has slept through some windows since.
func (m *meter) recent(now time.Duration) int64 {
	if now-time.Duration(m.ended.Load()) > patience*window {
		return 0
	}
	return m.load.Load()
}

// balance runs at the end of a pass, where no handler is at work: the only place
// where a connection can move. It moves connections that were active in this very
// pass, some per window, and looks again: so the load moves, not the idle ones,
// and it can't overshoot by much.
func (l *loop) balance(events []unix.EpollEvent) {
	m := &l.meter
	if m.passes++; m.idle == 0 && m.passes < timeEvery {
		return
	}
	m.passes = 0
	now := l.group.now()
	if l.group.config.MaxLoops == 1 || !m.window(now) {
		return
	}
	switch action, to := l.verdict(now); action {
	case spread:
		l.shed(events, to, 2)
	case gather:
		l.shed(events, to, 1)
	case grow:
		m.hot = 0
		if to, err := l.group.addLoop(); err == nil && to != nil {
			l.shed(events, to, 2)
		}
	}
}

type action int

const (
	nothing action = iota
	spread         // give half of what is active to a loop with room
	grow           // the same, to a new loop
	gather         // give all that is active back to the first loop
)

// verdict looks at all loops at the end of a window and says what to do.
func (l *loop) verdict(now time.Duration) (action, *loop) {
	loops := *l.group.loops.Load()
	own, all, coolest := l.meter.load.Load(), int64(0), l
	for _, o := range loops {
		load := o.meter.recent(now)
		all += load
		if load < coolest.meter.recent(now) {
			coolest = o
		}
	}
	m := &l.meter
	m.hot = runOf(m.hot, own >= hotLoad)
	m.cold = runOf(m.cold, all < coldLoad)
	switch {
	case m.hot >= patience && own-coolest.meter.recent(now) >= worthwhile:
		return spread, coolest
	case m.hot >= patience && len(loops) < l.group.config.MaxLoops:
		return grow, nil
	case m.cold >= patience && l != loops[0]:
		return gather, loops[0]
	}
	return nothing, nil
}

func runOf(n int, goesOn bool) int {
	if goesOn {
		return n + 1
	}
	return 0
}

// shed gives every nth connection that was active in this pass to another loop. It
// counts on from one time to the next, as a pass may have a single connection.
func (l *loop) shed(events []unix.EpollEvent, to *loop, nth int) {
	for i := range events {
		if events[i].Pad != tagConn {
			continue
		}
		c := l.group.table.get(events[i].Fd)
		if c == nil || c.loop.Load() != l || c.state.Load()&closing != 0 {
			continue
		}
		if l.meter.seen++; l.meter.seen%nth == 0 {
			l.move(c, to)
		}
	}
}

// move gives a connection away. From the moment c.loop is another loop's, this
// one must not touch it. A call of ask between the two system calls fails; that
// is why the new registration asks for everything.
func (l *loop) move(c *Conn, to *loop) {
	fd := int(c.fd)
	epollCtl(l.epfd, unix.EPOLL_CTL_DEL, fd, 0, 0)
	l.conns.Add(-1)
	to.conns.Add(1)
	l.stats.moves.Add(1)
	c.loop.Store(to)
	c.register(to, allEvents)
}

// pick returns the loop for a new connection: the first that has room, so that
// little load stays together on one loop, else the least busy.
func (g *Group) pick() *loop {
	loops := *g.loops.Load()
	now := g.now()
	best := loops[0]
	for _, l := range loops {
		if l.meter.recent(now) < hotLoad-worthwhile {
			return l
		}
		if l.meter.recent(now) < best.meter.recent(now) {
			best = l
		}
	}
	return best
}
