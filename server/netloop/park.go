//go:build linux

package netloop

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A thread that blocks in a system call costs least per wake-up when there are
// thousands a second. But each time it comes back, the runtime's monitor
// thread gets up as well and looks around for a millisecond or two; with a
// hundred wake-ups a second that is most of what a quiet broker spends. So a
// loop whose waits are long on average parks in Go's own poller instead.
const (
	calm = 5 * time.Millisecond // the average wait from which a loop parks
	busy = 2 * time.Millisecond // and below which it blocks again
)

// parker lets a loop wait in Go's poller, which watches the epoll descriptor as
// if it were a connection: no thread blocks in a system call, and the runtime
// sleeps as a whole. While there is a parker each event costs a look of the
// runtime as well, so that there is none on a busy loop.
type parker struct {
	file  *os.File // a duplicate of the epoll descriptor
	conn  syscall.RawConn
	poll  func(uintptr) bool
	n     int  // events that poll has found
	timed bool // a deadline is set
}

// newParker is nil if the descriptor can't be watched.
func newParker(epfd int, events []unix.EpollEvent) *parker {
	fd, err := unix.FcntlInt(uintptr(epfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	if unix.SetNonblock(fd, true) != nil {
		unix.Close(fd)
		return nil
	}
	p := &parker{file: os.NewFile(uintptr(fd), "epoll")}
	p.poll = func(uintptr) bool {
		p.n = epollPoll(epfd, events)
		return p.n > 0
	}
	if p.conn, err = p.file.SyscallConn(); err != nil || p.file.SetReadDeadline(time.Time{}) != nil {
		p.file.Close()
		return nil
	}
	return p
}

// wait returns the number of events; 0 after the timeout, which is negative for
// none.
func (p *parker) wait(timeout time.Duration) int {
	if timeout >= 0 || p.timed {
		var at time.Time
		if timeout >= 0 {
			at = time.Now().Add(timeout)
		}
		p.timed = timeout >= 0
		if p.file.SetReadDeadline(at) != nil {
			return 0
		}
	}
	p.n = 0
	if p.conn.Read(p.poll) != nil {
		return 0
	}
	return p.n
}

// block waits for events in the way that suits the loop's load.
func (l *loop) block(timeout time.Duration) int {
	switch {
	case l.park == nil && l.slept >= calm:
		l.park = newParker(l.epfd, l.events)
	case l.park != nil && l.slept < busy:
		l.park.file.Close()
		l.park = nil
	}
	if l.park != nil {
		return l.park.wait(timeout)
	}
	return epollBlock(l.epfd, l.events, milliseconds(timeout))
}
