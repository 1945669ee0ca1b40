//go:build linux

package netloop

import (
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// What an epoll event belongs to, stored beside the descriptor.
const (
	tagConn = iota
	tagListener
	tagWake
)

const (
	maxEvents  = 512         // connections served in one pass: bounds the time between two flushes
	lingerTime = time.Second // what Shutdown waits for the peer's end of stream

	// yieldEvery is how often other goroutines get the processor before the loop blocks.
	// Each time may wake a thread, so not before every wait; but more often than every
	// 10 ms, after which the scheduler preempts by signals whoever has not yielded.
	yieldEvery = 5 * time.Millisecond
)

type noteKind uint8

const (
	noteWake noteKind = iota
	noteClose
	noteShutdown
)

// note is what another goroutine, or a handler, asks of the owning loop. There
// are at most two per connection at any time, a wake and an end.
type note struct {
	conn *Conn
	err  error
	kind noteKind
}

type (
	unread struct { // a connection that may have more to read without a new event
		conn   *Conn
		events uint32
	}
	lingerer struct {
		conn  *Conn
		until time.Duration
	}
)

// loop serves its connections on one goroutine. A pass is: notes, events, what
// the last pass left unread, new connections, End, then the descriptors of ended
// connections are closed. Closing last keeps a number from being reused while
// events of its former owner are still in the batch.
type loop struct {
	group  *Group
	epfd   int
	wakefd int
	pass   Pass
	timed  Timed // pass, if it is one
	buf    []byte
	events []unix.EpollEvent

	yielded   time.Duration
	slept     time.Duration // how long the last waits were, on average
	park      *parker       // nil while the loop is busy
	again     []unread
	spare     []unread
	dead      []*Conn
	lingering []lingerer  // in the order of their deadlines
	due       []*Listener // with connections still to accept, now or when their pause is over

	mu     sync.Mutex
	notes  []note
	read   []note // the other half of notes, being worked off
	asleep atomic.Bool

	conns atomic.Int64
	meter meter
	stats loopStats
}

func newLoop(g *Group) (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(epfd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &loop{
		group: g, epfd: epfd, wakefd: wakefd, pass: g.config.NewPass(),
		buf: make([]byte, g.config.ReadBuffer), events: make([]unix.EpollEvent, maxEvents),
	}
	l.timed, _ = l.pass.(Timed)
	// Edge-triggered: each wake is a new edge, so nobody has to read the counter.
	if errno := epollCtl(epfd, unix.EPOLL_CTL_ADD, wakefd, unix.EPOLLIN|unix.EPOLLET, tagWake); errno != 0 {
		l.closeFDs()
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	return l, nil
}

func (l *loop) closeFDs() {
	if l.park != nil {
		l.park.file.Close()
	}
	unix.Close(l.epfd)
	unix.Close(l.wakefd)
}

func (l *loop) run() {
	l.meter.start(l.group.now())
	for !l.group.closing.Load() {
		n := l.wait()
		l.turn(l.events[:n])
		l.balance(l.events[:n])
	}
	l.asleep.Store(false) // wakefd is about to be closed: nobody may write to it
}

// wait returns the number of events, possibly none.
func (l *loop) wait() int {
	timeout := l.timeout()
	if l.park == nil || timeout == 0 { // parking looks by itself, and lets others run
		if n := epollPoll(l.epfd, l.events); n > 0 || timeout == 0 {
			return n
		}
	}
	from := l.group.now()
	if l.park == nil && from-l.yielded >= yieldEvery {
		l.yielded = from
		runtime.Gosched()
		if n := epollPoll(l.epfd, l.events); n > 0 {
			return n
		}
	}
	l.asleep.Store(true)
	if l.group.closing.Load() || l.hasNotes() { // whoever comes later is going to wake us
		l.asleep.Store(false)
		return 0
	}
	n := l.block(timeout)
	l.asleep.Store(false)
	slept := l.group.now() - from
	l.slept += (slept - l.slept) / 8
	l.meter.idle += slept
	l.stats.waits.Add(1)
	return n
}

// milliseconds rounds up, so that a wait never ends before its time.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int(min((d+time.Millisecond-1)/time.Millisecond, 1<<30))
}

// timeout is how long the loop may wait: 0 when work is left, negative for ever.
func (l *loop) timeout() time.Duration {
	if len(l.again) > 0 {
		return 0
	}
	d := time.Duration(-1)
	sooner := func(x time.Duration) {
		if x >= 0 && (d < 0 || x < d) {
			d = x
		}
	}
	if l.timed != nil {
		sooner(l.timed.Next())
	}
	if len(l.lingering) > 0 {
		sooner(max(0, l.lingering[0].until-l.group.now()))
	}
	for _, ln := range l.due {
		sooner(max(0, ln.resume-l.group.now()))
	}
	return d
}

func (l *loop) turn(events []unix.EpollEvent) {
	l.workNotes()
	again := l.again
	l.again = l.spare[:0]
	for i := range events {
		switch ev := &events[i]; ev.Pad {
		case tagConn:
			l.event(ev.Fd, ev.Events)
		case tagListener:
			l.acceptable(ev.Fd)
		}
	}
	for _, u := range again {
		if u.conn.loop.Load() == l {
			l.readable(u.conn, u.events)
		}
	}
	clear(again)
	l.spare = again
	if len(l.due) > 0 {
		l.acceptDue()
	}
	if len(l.lingering) > 0 {
		l.endLingering()
	}
	l.pass.End()
	l.bury()
	l.stats.passes.Add(1)
	l.stats.events.Add(uint64(len(events)))
}

// event serves one connection. An event may be stale, as its descriptor was
// closed late and is a new connection's by now: that one finds nothing to read.
func (l *loop) event(fd int32, events uint32) {
	c := l.group.table.get(fd)
	if c == nil || c.loop.Load() != l {
		return
	}
	if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 && c.state.Load()&(want|closing) == want {
		c.state.And(^uint32(want))
		c.handler.Writable(l.pass)
	}
	if events&(unix.EPOLLIN|endEvents) != 0 {
		l.readable(c, events&^unix.EPOLLOUT)
	}
}

// readable reads once. A full buffer or an end that was announced but not reached
// yet puts the connection at the end of the queue, for the next pass.
func (l *loop) readable(c *Conn, events uint32) {
	if !l.mayRead(c, events) {
		return
	}
	n, errno := recv(int(c.fd), l.buf)
	switch {
	case errno == unix.EAGAIN:
		return
	case errno == unix.EINTR:
		n = 0
	case errno != 0:
		l.end(c, os.NewSyscallError("read", errno))
		return
	case n == 0:
		l.end(c, io.EOF)
		return
	case c.handler != nil:
		c.handler.Readable(l.pass, l.buf[:n])
	}
	if n == len(l.buf) || errno != 0 || events&endEvents != 0 {
		l.again = append(l.again, unread{c, events})
	}
}

// mayRead notes for ResumeRead that a paused connection has missed something.
func (l *loop) mayRead(c *Conn, events uint32) bool {
	for {
		s := c.state.Load()
		switch {
		case s&closing != 0:
			return c.handler == nil && s&gone == 0 // lingering
		case s&paused == 0:
			return true
		case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0:
			l.end(c, brokenBy(c))
			return false
		case c.state.CompareAndSwap(s, s|missed):
			return false
		}
	}
}

// brokenBy asks what broke a connection without touching its unread bytes.
func brokenBy(c *Conn) error {
	errno, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || errno == 0 { // reported before, to a write
		errno = int(unix.ECONNRESET)
	}
	return os.NewSyscallError("read", unix.Errno(errno))
}

// end closes a connection that the peer has ended, unless Close came first: then
// its note tells the reason.
func (l *loop) end(c *Conn, err error) {
	switch {
	case c.handler == nil:
		l.dead = append(l.dead, c)
	case c.state.Or(closing)&closing == 0:
		l.finish(note{conn: c, kind: noteClose, err: err})
	}
}

func (l *loop) finish(n note) {
	c, h := n.conn, n.conn.handler
	c.state.Or(mute)
	c.handler = nil
	l.conns.Add(-1)
	h.Closed(l.pass, n.err)
	if n.kind == noteShutdown && unix.Shutdown(int(c.fd), unix.SHUT_WR) == nil {
		l.lingering = append(l.lingering, lingerer{c, l.group.now() + lingerTime})
		l.again = append(l.again, unread{c, 0}) // an edge may have passed unread
		return
	}
	l.dead = append(l.dead, c)
}

func (l *loop) endLingering() {
	now, n := l.group.now(), 0
	for n < len(l.lingering) && (l.lingering[n].until <= now || l.lingering[n].conn.state.Load()&gone != 0) {
		l.dead = append(l.dead, l.lingering[n].conn)
		n++
	}
	l.lingering = append(l.lingering[:0], l.lingering[n:]...)
	clear(l.lingering[len(l.lingering) : len(l.lingering)+n])
}

// bury gives the descriptors of ended connections back. A connection may be in
// the list twice, as lingering ends by the peer and by the clock.
func (l *loop) bury() {
	for i, c := range l.dead {
		l.dead[i] = nil
		if c.state.Or(gone)&gone == 0 {
			l.group.table.set(c.fd, nil)
			c.release()
		}
	}
	l.dead = l.dead[:0]
}

func (l *loop) post(n note) {
	l.mu.Lock()
	l.notes = append(l.notes, n)
	l.mu.Unlock()
	l.wake()
}

func (l *loop) wake() {
	if l.asleep.CompareAndSwap(true, false) {
		one := [8]byte{1}
		unix.Write(l.wakefd, one[:]) //nolint:errcheck // it fails only if the counter is full, and then a wake is on its way
	}
}

func (l *loop) hasNotes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.notes) > 0
}

// workNotes runs before the events of a pass, hence after the End of the pass in
// which a handler called Close: what was touched then has been flushed.
func (l *loop) workNotes() {
	l.mu.Lock()
	l.notes, l.read = l.read[:0], l.notes
	l.mu.Unlock()
	for _, n := range l.read {
		owner := n.conn.loop.Load()
		switch {
		case owner != l: // it has moved
			owner.post(n)
		case n.conn.handler == nil: // refused
		case n.kind != noteWake:
			l.finish(n)
		case n.conn.state.And(^uint32(woken))&closing == 0:
			n.conn.handler.Woken(l.pass)
		}
	}
	clear(l.read)
}
