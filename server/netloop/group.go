//go:build linux

package netloop

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Config has the settings of a Group.
type Config struct {
	// MaxLoops bounds the loops; 0 means GOMAXPROCS. There is one at first.
	MaxLoops int
	// ReadBuffer is the size of each loop's read buffer in bytes; 0 means 64 KiB.
	ReadBuffer int
	// NewPass makes the Pass of one loop. It is required.
	NewPass func() Pass
}

const (
	defaultReadBuffer = 64 << 10
	maxDescriptors    = 1 << 22
)

// Group is a set of loops that share the work.
type Group struct {
	config    Config
	begun     time.Time
	table     table
	loops     atomic.Pointer[[]*loop] // replaced, never changed
	listeners atomic.Pointer[[]*Listener]
	closing   atomic.Bool
	running   sync.WaitGroup
	mu        sync.Mutex // serialises what replaces loops and listeners
}

// New starts a group with one loop. Close releases it.
func New(cfg Config) (*Group, error) {
	if cfg.NewPass == nil {
		return nil, errors.New("netloop: Config.NewPass is missing")
	}
	if cfg.MaxLoops <= 0 {
		cfg.MaxLoops = runtime.GOMAXPROCS(0)
	}
	if cfg.ReadBuffer <= 0 {
		cfg.ReadBuffer = defaultReadBuffer
	}
	g := &Group{config: cfg, begun: time.Now(), table: newTable(maxDescriptors)}
	g.loops.Store(new([]*loop))
	g.listeners.Store(new([]*Listener))
	if _, err := g.addLoop(); err != nil {
		return nil, err
	}
	return g, nil
}

// addLoop starts one more loop; it returns nil when there are enough of them.
func (g *Group) addLoop() (*loop, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := *g.loops.Load()
	if len(old) >= g.config.MaxLoops || g.closing.Load() {
		return nil, nil
	}
	l, err := newLoop(g)
	if err != nil {
		return nil, err
	}
	loops := append(old[:len(old):len(old)], l)
	g.loops.Store(&loops)
	g.running.Go(l.run)
	return l, nil
}

// now is the time on the group's own monotonic clock.
func (g *Group) now() time.Duration { return time.Since(g.begun) }

// Close stops listening, stops all loops and closes all connections, whose
// Closed gets net.ErrClosed. It returns when all descriptors are released and
// must not be called from a handler.
func (g *Group) Close() {
	g.mu.Lock()
	closed := g.closing.Swap(true)
	g.mu.Unlock()
	if closed {
		g.running.Wait()
		return
	}
	for _, ln := range *g.listeners.Load() {
		ln.Close()
	}
	loops := *g.loops.Load()
	for _, l := range loops {
		l.wake()
	}
	g.running.Wait()
	g.table.all(func(c *Conn) { c.Close(net.ErrClosed) })
	for _, l := range loops { // in the place of the loops, which are no more
		l.workNotes()
	}
	for _, l := range loops { // notes that were forwarded, lingering connections
		l.workNotes()
		l.pass.End()
		for _, lg := range l.lingering {
			l.dead = append(l.dead, lg.conn)
		}
		l.bury()
		l.closeFDs()
	}
}

// Stats says what the loops have done since the group began.
type Stats struct {
	Loops  int
	Conns  int
	Passes uint64 // turns of all loops
	Events uint64 // what epoll reported to them
	Waits  uint64 // how often a loop slept; an idle one sleeps once
	Moves  uint64 // connections given from one loop to another
}

type loopStats struct{ passes, events, waits, moves atomic.Uint64 }

// Stats returns the counters as they are now. They are read one after another,
// not at one instant.
func (g *Group) Stats() Stats {
	loops := *g.loops.Load()
	s := Stats{Loops: len(loops)}
	for _, l := range loops {
		s.Conns += int(l.conns.Load())
		s.Passes += l.stats.passes.Load()
		s.Events += l.stats.events.Load()
		s.Waits += l.stats.waits.Load()
		s.Moves += l.stats.moves.Load()
	}
	return s
}
