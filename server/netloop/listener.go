//go:build linux

package netloop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ListenOptions says where and how to listen. Zero means the system's default.
type ListenOptions struct {
	Address    string // "host:port", "[v6]:port" or ":port", which is both families
	Backlog    int    // 0 means the system's limit
	SendBuffer int    // SO_SNDBUF in bytes; the kernel doubles it
	RecvBuffer int    // SO_RCVBUF in bytes; the kernel doubles it
	NoDelay    bool   // TCP_NODELAY
	ReuseAddr  bool   // SO_REUSEADDR
	// MaxRate bounds the connections accepted in a second; 0 is no bound. Those
	// beyond it are not refused: they wait in the backlog.
	MaxRate int
	// OnListen, if set, is told the address, with its port, before anything is
	// accepted.
	OnListen func(netip.AddrPort)
	// OnError, if set, is called on a loop when accepting fails, most likely for
	// want of descriptors. Accepting goes on after a pause.
	OnError func(error)
}

const (
	maxAccepts  = 64                     // in one pass, so that a storm of connections doesn't starve traffic
	acceptPause = 100 * time.Millisecond // when descriptors or memory are short
	ratePause   = 10 * time.Millisecond  // when the rate is used up: not a wake-up for each connection
)

// Listener accepts connections on the first loop of its group.
type Listener struct {
	group   *Group
	options ListenOptions
	accept  func(*Conn) Handler
	addr    netip.AddrPort

	fd     int
	mu     sync.Mutex // keeps Close from happening in the middle of accept4
	closed bool

	// On the loop only:
	queued bool          // in the loop's list of due listeners
	resume time.Duration // when accepting may go on
	tokens float64
	filled time.Duration // when tokens were counted

	maxRate                   atomic.Int64 // of options, or what it was set to
	accepted, refused, errors atomic.Uint64
}

// SetMaxRate puts another MaxRate in force.
func (ln *Listener) SetMaxRate(rate int) { ln.maxRate.Store(int64(rate)) }

// Listen begins to listen. For each new connection accept is called on a loop, and
// must not block; it returns the connection's handler, or nil to refuse it. The
// handler may be called, on another loop even, from the moment accept returns.
func (g *Group) Listen(o ListenOptions, accept func(*Conn) Handler) (*Listener, error) {
	fd, err := listenSocket(o)
	if err != nil {
		return nil, fmt.Errorf("netloop: listen on %q: %w", o.Address, err)
	}
	ln := &Listener{group: g, options: o, accept: accept, fd: fd, filled: g.now(), tokens: float64(o.MaxRate)}
	ln.maxRate.Store(int64(o.MaxRate))
	ln.addr = sockname(unix.SYS_GETSOCKNAME, fd)
	if o.OnListen != nil {
		o.OnListen(ln.addr)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing.Load() {
		unix.Close(fd)
		return nil, net.ErrClosed
	}
	old := *g.listeners.Load()
	all := append(old[:len(old):len(old)], ln)
	g.listeners.Store(&all)
	loop := (*g.loops.Load())[0]
	if errno := epollCtl(loop.epfd, unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLET, tagListener); errno != 0 {
		g.listeners.Store(&old)
		unix.Close(fd)
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	return ln, nil
}

// listenSocket sets every option before it listens: accepted sockets inherit
// them, which spares a system call for each, and window scaling is agreed on in
// the handshake.
func listenSocket(o ListenOptions) (fd int, err error) {
	tcp, err := net.ResolveTCPAddr("tcp", o.Address)
	if err != nil {
		return -1, err
	}
	if tcp.IP == nil { // any address: of both families, if there are both
		if fd, err = bound(o, unix.AF_INET6, &unix.SockaddrInet6{Port: tcp.Port}); err == nil {
			return fd, nil
		}
		tcp.IP = net.IPv4zero
	}
	if ip := tcp.IP.To4(); ip != nil {
		return bound(o, unix.AF_INET, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(ip)})
	}
	sa := &unix.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(tcp.IP.To16())}
	if tcp.Zone != "" {
		ifi, err := net.InterfaceByName(tcp.Zone)
		if err != nil {
			return -1, err
		}
		sa.ZoneId = uint32(ifi.Index)
	}
	return bound(o, unix.AF_INET6, sa)
}

func bound(o ListenOptions, family int, sa unix.Sockaddr) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	set := func(wanted bool, level, option, value int) {
		if wanted && err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
		}
	}
	any6, ok := sa.(*unix.SockaddrInet6)
	set(ok && any6.Addr == [16]byte{}, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	set(o.ReuseAddr, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	set(o.SendBuffer > 0, unix.SOL_SOCKET, unix.SO_SNDBUF, o.SendBuffer)
	set(o.RecvBuffer > 0, unix.SOL_SOCKET, unix.SO_RCVBUF, o.RecvBuffer)
	set(o.NoDelay, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sa))
	}
	backlog := o.Backlog
	if backlog <= 0 {
		backlog = 1 << 16 // the kernel cuts it to net.core.somaxconn
	}
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Addr is the address it listens on, with the port that was given for port 0.
func (ln *Listener) Addr() netip.AddrPort { return ln.addr }

// Counts says how many connections were accepted, how many of these the accept
// function refused, and how often accepting failed.
func (ln *Listener) Counts() (accepted, refused, errors uint64) {
	return ln.accepted.Load(), ln.refused.Load(), ln.errors.Load()
}

// Close ends listening; what was accepted stays. The port is free on return.
func (ln *Listener) Close() {
	g := ln.group
	g.mu.Lock()
	defer g.mu.Unlock()
	var rest []*Listener
	for _, o := range *g.listeners.Load() {
		if o != ln {
			rest = append(rest, o)
		}
	}
	g.listeners.Store(&rest)
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if !ln.closed {
		ln.closed = true
		unix.Close(ln.fd)
	}
}

// accept4 takes one connection from the backlog; EBADF means closed.
func (ln *Listener) accept4() (int, unix.Errno) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed {
		return -1, unix.EBADF
	}
	return accept(ln.fd)
}

func (l *loop) acceptable(fd int32) {
	for _, ln := range *l.group.listeners.Load() {
		if ln.fd == int(fd) && !ln.queued {
			ln.queued = true
			l.due = append(l.due, ln)
		}
	}
}

// acceptDue keeps in the list the listeners that are not done.
func (l *loop) acceptDue() {
	now, kept := l.group.now(), 0
	for _, ln := range l.due {
		if ln.resume <= now {
			ln.queued = ln.acceptSome(l, now)
		}
		if ln.queued {
			l.due[kept] = ln
			kept++
		}
	}
	clear(l.due[kept:])
	l.due = l.due[:kept]
}

// acceptSome accepts until the backlog is empty and returns false, or until the
// rate, the pass or the process has enough.
func (ln *Listener) acceptSome(l *loop, now time.Duration) (more bool) {
	for range maxAccepts {
		if ln.pauseForRate(now) {
			return true
		}
		fd, errno := ln.accept4()
		switch errno {
		case 0:
			ln.tokens--
			ln.accepted.Add(1)
			ln.begin(l, fd)
		case unix.EAGAIN, unix.EBADF:
			return false
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			ln.fail(os.NewSyscallError("accept", errno))
			ln.resume = now + acceptPause
			return true
		default: // it broke while it waited, or a signal: on to the next one
			ln.fail(os.NewSyscallError("accept", errno))
		}
	}
	return true
}

// pauseForRate counts one token per accepted connection, of which MaxRate are
// made in a second and at most so many are kept.
func (ln *Listener) pauseForRate(now time.Duration) bool {
	rate := float64(ln.maxRate.Load())
	if rate <= 0 || ln.tokens >= 1 {
		return false
	}
	ln.tokens = min(rate, ln.tokens+rate*(now-ln.filled).Seconds())
	ln.filled = now
	if ln.tokens >= 1 {
		return false
	}
	ln.resume = now + max(ratePause, time.Duration((1-ln.tokens)/rate*float64(time.Second)))
	return true
}

func (ln *Listener) fail(err error) {
	ln.errors.Add(1)
	if ln.options.OnError != nil {
		ln.options.OnError(err)
	}
}

// begin gives a new connection to a loop. Until it has a handler it belongs to
// the accepting loop, which passes on what is asked of it meanwhile.
func (ln *Listener) begin(l *loop, fd int) {
	c := &Conn{fd: int32(fd)}
	c.state.Store(1)
	c.loop.Store(l)
	if c.handler = ln.accept(c); c.handler == nil {
		ln.refused.Add(1)
		c.state.Or(closing | mute | gone)
		c.release()
		return
	}
	to := ln.group.pick()
	to.conns.Add(1)
	if !ln.group.table.set(c.fd, c) {
		c.Close(unix.EMFILE)
	}
	c.loop.Store(to)
	c.register(to, readEvents)
	if c.state.Load()&want != 0 { // asked for too early to be heard
		c.ask()
	}
}
