package bench

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const haveEpoll = true

// epollEngine runs plain TCP connections on one epoll, without a goroutine or
// a buffer for any of them.
type epollEngine struct {
	fd      int
	brokers []unix.Sockaddr // by client.broker
	family  int
	locals  []unix.Sockaddr
	to      sink
	sockets []socket // by client number
	buf     []byte
	events  []unix.EpollEvent
	clients []*client // of the sockets that are open
}

// socket is one connection of the engine; what epoll knows of it is events.
type socket struct {
	fd         int
	generation int32 // tells a socket from its forerunner of the same client
	events     uint32
	open       bool
	connecting bool
	paused     bool
}

// reserve is the number of descriptors a process needs beside its connections.
const reserve = 32

func newEpollEngine(brokers []*net.TCPAddr, locals []*net.TCPAddr, clients int, to sink) (engine, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < uint64(clients+reserve) {
		return nil, fmt.Errorf("%d connections need as many file descriptors, the limit is %d: raise it with ulimit -n", clients, limit.Cur)
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	e := &epollEngine{
		fd: fd, to: to,
		sockets: make([]socket, clients), clients: make([]*client, clients),
		buf: make([]byte, 256<<10), events: make([]unix.EpollEvent, 1024),
	}
	for i, b := range brokers {
		a, family := sockaddr(b)
		if i > 0 && family != e.family {
			return nil, fmt.Errorf("--host: %v and %v are of two families", brokers[0].IP, b.IP)
		}
		e.brokers, e.family = append(e.brokers, a), family
	}
	for _, l := range locals {
		a, family := sockaddr(l)
		if family != e.family {
			return nil, fmt.Errorf("--ifaddr: %v and the broker's %v are of two families", l.IP, brokers[0].IP)
		}
		e.locals = append(e.locals, a)
	}
	return e, nil
}

func sockaddr(a *net.TCPAddr) (unix.Sockaddr, int) {
	if ip := a.IP.To4(); ip != nil || len(a.IP) == 0 {
		s := &unix.SockaddrInet4{Port: a.Port}
		copy(s.Addr[:], ip)
		return s, unix.AF_INET
	}
	s := &unix.SockaddrInet6{Port: a.Port}
	copy(s.Addr[:], a.IP)
	return s, unix.AF_INET6
}

func (e *epollEngine) dial(c *client) {
	s := &e.sockets[c.number]
	fd, err := e.connect(c)
	if err != nil {
		e.to.closed(c, err)
		return
	}
	*s = socket{fd: fd, generation: s.generation + 1, open: true, connecting: true}
	e.clients[c.number] = c
	s.events = unix.EPOLLIN | unix.EPOLLOUT
	e.control(unix.EPOLL_CTL_ADD, c.number)
}

// connect starts a connection and returns its descriptor.
func (e *epollEngine) connect(c *client) (int, error) {
	fd, err := unix.Socket(e.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return -1, errors.Join(os.NewSyscallError("setsockopt", err), unix.Close(fd))
	}
	if len(e.locals) > 0 {
		// The port is chosen at connect, so that one port serves many destinations.
		err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err == nil {
			err = unix.Bind(fd, e.locals[c.number%len(e.locals)])
		}
		if err != nil {
			return -1, errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
		}
	}
	if err := unix.Connect(fd, e.brokers[c.broker]); err != nil && err != unix.EINPROGRESS {
		return -1, errors.Join(os.NewSyscallError("connect", err), unix.Close(fd))
	}
	return fd, nil
}

func (e *epollEngine) flush(c *client) {
	s := &e.sockets[c.number]
	if !s.open || s.connecting || len(c.out) == 0 {
		return
	}
	n, err := unix.Write(s.fd, c.out)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		e.fail(c, os.NewSyscallError("write", err))
		return
	default:
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	e.want(c.number)
}

func (e *epollEngine) pause(c *client, on bool) {
	if s := &e.sockets[c.number]; s.open {
		s.paused = on
		e.want(c.number)
	}
}

// want tells epoll which events the socket waits for now.
func (e *epollEngine) want(number int) {
	s := &e.sockets[number]
	events := uint32(0)
	if !s.paused {
		events |= unix.EPOLLIN
	}
	if len(e.clients[number].out) > 0 {
		events |= unix.EPOLLOUT
	}
	if events != s.events {
		s.events = events
		e.control(unix.EPOLL_CTL_MOD, number)
	}
}

func (e *epollEngine) control(op, number int) {
	s := &e.sockets[number]
	event := unix.EpollEvent{Events: s.events, Fd: int32(number), Pad: s.generation}
	if err := unix.EpollCtl(e.fd, op, s.fd, &event); err != nil {
		e.fail(e.clients[number], os.NewSyscallError("epoll_ctl", err))
	}
}

func (e *epollEngine) close(c *client) {
	s := &e.sockets[c.number]
	if !s.open {
		return
	}
	s.open = false
	e.clients[c.number] = nil
	unix.Close(s.fd) // nothing can be done about an error, and the descriptor is free in any case
}

func (e *epollEngine) fail(c *client, why error) {
	if e.sockets[c.number].open {
		e.close(c)
		e.to.closed(c, why)
	}
}

func (e *epollEngine) poll(wait time.Duration) error {
	ms := int((wait + time.Millisecond - 1) / time.Millisecond)
	n, err := unix.EpollWait(e.fd, e.events, ms)
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("epoll_wait", err)
	}
	for _, event := range e.events[:n] {
		s := &e.sockets[event.Fd]
		if s.open && s.generation == event.Pad {
			e.handle(e.clients[event.Fd], s, event.Events)
		}
	}
	return nil
}

func (e *epollEngine) handle(c *client, s *socket, events uint32) {
	if s.connecting {
		e.connected(c, s)
		return
	}
	if events&unix.EPOLLOUT != 0 {
		e.flush(c)
	}
	ended := events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	switch {
	case !s.open:
	case s.paused && ended: // or epoll would report it again and again
		e.fail(c, errClosedByBroker)
	case !s.paused && (ended || events&unix.EPOLLIN != 0):
		e.read(c, s)
	}
}

func (e *epollEngine) connected(c *client, s *socket) {
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		e.fail(c, os.NewSyscallError("connect", err))
		return
	}
	s.connecting = false
	e.to.opened(c)
	if s.open {
		e.want(c.number)
	}
}

func (e *epollEngine) read(c *client, s *socket) {
	n, err := unix.Read(s.fd, e.buf)
	switch {
	case n > 0:
		e.to.received(c, e.buf[:n])
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil && err != unix.ECONNRESET:
		e.fail(c, os.NewSyscallError("read", err))
	default:
		e.fail(c, errClosedByBroker)
	}
}

func (e *epollEngine) stop() {
	for _, c := range e.clients {
		if c != nil {
			e.close(c)
		}
	}
	unix.Close(e.fd) // only this engine knew it
}
