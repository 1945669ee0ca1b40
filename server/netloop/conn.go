//go:build linux

package netloop

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Conn is one accepted connection. All methods may be called by any goroutine
// and none of them blocks.
type Conn struct {
	handler Handler // the owning loop's; nil once Closed was called
	loop    atomic.Pointer[loop]
	fd      int32
	state   atomic.Uint32
}

// The state of a connection: who uses its descriptor, and what was asked of it.
const (
	users   = 1<<16 - 1 // how many hold the descriptor: one for the loop, one for each call under way
	closing = 1 << 16   // Close was called or the connection has ended
	paused  = 1 << 17   // PauseRead
	missed  = 1 << 18   // something arrived while paused
	want    = 1 << 19   // WantWrite
	woken   = 1 << 20   // Wake was called, Woken not yet
	mute    = 1 << 21   // Closed was called: no more writes
	gone    = 1 << 22   // the loop has given the descriptor back
)

// Events are edge-triggered: one system call registers a connection for good,
// and any goroutine may ask for an event again (EPOLL_CTL_MOD reports what is
// already true) without a lock and without knowing what another one asked for.
const (
	readEvents = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	allEvents  = readEvents | unix.EPOLLOUT
	endEvents  = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
)

// hold keeps the descriptor open until release, so that a late call can never
// reach another connection that was given the same number.
func (c *Conn) hold() bool {
	for {
		s := c.state.Load()
		if s&users == 0 {
			return false
		}
		if c.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

func (c *Conn) release() {
	if c.state.Add(^uint32(0))&users == 0 {
		unix.Close(int(c.fd))
	}
}

// Write gives p to the socket and returns how much it took: less than len(p),
// or 0 with no error, when its buffer is full. Then call WantWrite. The caller
// makes sure that one goroutine at a time writes. After Closed it returns net.ErrClosed.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.state.Load()&mute != 0 || !c.hold() {
		return 0, net.ErrClosed
	}
	n, errno := send(int(c.fd), p)
	c.release()
	return written(n, errno)
}

// maxIovecs bounds what one Writev gathers; it stands on the stack.
const maxIovecs = 32

// Writev is Write for several slices, in one system call. It may take less than
// all of them even though the socket has room, as it gathers 32 slices at most.
func (c *Conn) Writev(bufs [][]byte) (int, error) {
	var iov [maxIovecs]unix.Iovec
	n := 0
	for _, b := range bufs {
		if len(b) > 0 && n < maxIovecs {
			iov[n].Base = &b[0]
			iov[n].SetLen(len(b))
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	if c.state.Load()&mute != 0 || !c.hold() {
		return 0, net.ErrClosed
	}
	n, errno := sendv(int(c.fd), iov[:n])
	c.release()
	return written(n, errno)
}

func written(n int, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return n, nil
	case unix.EAGAIN, unix.EINTR, unix.ENOBUFS:
		return 0, nil
	}
	return 0, os.NewSyscallError("write", errno)
}

// WantWrite asks for one call of Writable when the socket takes bytes (again).
func (c *Conn) WantWrite() {
	if c.state.Or(want)&want == 0 {
		c.ask()
	}
}

// PauseRead stops reading, so that TCP holds the sender back. On the owning loop
// no Readable follows; elsewhere one that is under way may still end. A peer that
// ends its stream is not noticed until ResumeRead, one that resets it is.
func (c *Conn) PauseRead() { c.state.Or(paused) }

// ResumeRead takes PauseRead back.
func (c *Conn) ResumeRead() {
	if c.state.And(^uint32(paused|missed))&missed != 0 {
		c.ask()
	}
}

// ask makes the loop look at the connection again. When a move to another loop
// is under way this may fail, and nothing is lost: the new loop looks anyway.
func (c *Conn) ask() {
	if c.hold() {
		epollCtl(c.loop.Load().epfd, unix.EPOLL_CTL_MOD, int(c.fd), allEvents, tagConn)
		c.release()
	}
}

// Wake asks for one call of Woken on the owning loop. It is for results that
// arrive on another goroutine; the result itself waits with the handler.
func (c *Conn) Wake() {
	if c.state.Or(woken)&(woken|closing) == 0 {
		c.loop.Load().post(note{conn: c, kind: noteWake})
	}
}

// Close ends the connection at once: Closed(err) follows on the owning loop.
// Bytes that the peer sent and nobody read make the kernel reset the connection,
// and the peer may then lose what was last written to it: see Shutdown.
func (c *Conn) Close(err error) { c.close(note{conn: c, kind: noteClose, err: err}) }

// Shutdown ends the connection like Close, but in such a way that the peer can
// read what was written before: after Closed(err) the loop sends the end of the
// stream and discards what still arrives, for a second at most.
func (c *Conn) Shutdown(err error) { c.close(note{conn: c, kind: noteShutdown, err: err}) }

func (c *Conn) close(n note) {
	if c.state.Or(closing)&closing == 0 {
		c.loop.Load().post(n)
	}
}

// RemoteAddr asks the kernel for the peer's address. It is the zero AddrPort
// once the connection is closed or reset.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.addr(unix.SYS_GETPEERNAME) }

// LocalAddr asks the kernel for the connection's address on this side.
func (c *Conn) LocalAddr() netip.AddrPort { return c.addr(unix.SYS_GETSOCKNAME) }

func (c *Conn) addr(call uintptr) netip.AddrPort {
	if !c.hold() {
		return netip.AddrPort{}
	}
	defer c.release()
	return sockname(call, int(c.fd))
}

// register makes l watch the connection, which belongs to it from now on.
func (c *Conn) register(l *loop, events uint32) {
	if errno := epollCtl(l.epfd, unix.EPOLL_CTL_ADD, int(c.fd), events, tagConn); errno != 0 {
		c.Close(os.NewSyscallError("epoll_ctl", errno))
	}
}
