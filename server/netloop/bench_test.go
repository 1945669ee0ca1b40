//go:build linux

package netloop

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// plain counts and answers nothing, or echoes without keeping anything.
type plain struct {
	*Conn
	echo bool
}

func (h *plain) Readable(_ Pass, data []byte) {
	if h.echo {
		h.Write(data)
	}
}
func (h *plain) Writable(Pass)      {}
func (h *plain) Woken(Pass)         {}
func (h *plain) Closed(Pass, error) {}

type noPass struct{}

func (noPass) End() {}

// stillLoop is a loop that does not run, with connections whose other ends are
// returned: the benchmark makes its passes itself.
func stillLoop(b *testing.B, conns int, echo bool) (*loop, []int) {
	g := &Group{config: Config{ReadBuffer: defaultReadBuffer, NewPass: func() Pass { return noPass{} }}, table: newTable(1 << 16)}
	l, err := newLoop(g)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.closeFDs)
	var others []int
	for range conns {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
		c := &Conn{fd: int32(pair[0])}
		c.state.Store(1)
		c.handler = &plain{c, echo}
		g.table.set(c.fd, c)
		c.loop.Store(l)
		c.register(l, readEvents)
		others = append(others, pair[1])
	}
	return l, others
}

// BenchmarkPass is the cost of a pass in which so many connections have a message
// to read, per pass; the sender's write is part of it.
func BenchmarkPass(b *testing.B) {
	for _, ready := range []int{0, 1, 16, 256} {
		b.Run(fmt.Sprintf("ready=%d", ready), func(b *testing.B) {
			l, others := stillLoop(b, max(ready, 1), false)
			msg, seen := make([]byte, 64), 0
			b.ReportAllocs()
			for b.Loop() {
				for _, fd := range others[:ready] {
					send(fd, msg)
				}
				n := epollPoll(l.epfd, l.events)
				seen += n
				l.turn(l.events[:n])
			}
			if seen < ready*b.N {
				b.Errorf("%d events in %d passes of %d", seen, b.N, ready)
			}
		})
	}
}

// BenchmarkEcho reads and answers in each pass.
func BenchmarkEcho(b *testing.B) {
	l, others := stillLoop(b, 64, true)
	msg, back := make([]byte, 64), make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		for _, fd := range others {
			send(fd, msg)
		}
		n := epollPoll(l.epfd, l.events)
		l.turn(l.events[:n])
		for _, fd := range others {
			if n, errno := recv(fd, back); n != 64 {
				b.Fatal(n, errno)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(others)), "ns/message")
}

func BenchmarkWrite(b *testing.B) {
	l, others := stillLoop(b, 1, false)
	c := l.group.table.get(connOf(l))
	msg, back := make([]byte, 64), make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if n, _ := c.Write(msg); n == 0 {
			recv(others[0], back)
		}
	}
}

func BenchmarkWritev(b *testing.B) {
	l, others := stillLoop(b, 1, false)
	c := l.group.table.get(connOf(l))
	bufs, back := [][]byte{make([]byte, 5), make([]byte, 20), make([]byte, 64)}, make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if n, _ := c.Writev(bufs); n == 0 {
			recv(others[0], back)
		}
	}
}

// connOf is the descriptor of some connection of the loop.
func connOf(l *loop) (fd int32) {
	l.group.table.all(func(c *Conn) { fd = c.fd })
	return fd
}

// BenchmarkWake is a wake of a loop that is working: no system call.
func BenchmarkWake(b *testing.B) {
	l, _ := stillLoop(b, 1, false)
	c := l.group.table.get(connOf(l))
	b.ReportAllocs()
	for b.Loop() {
		c.Wake()
		l.workNotes()
	}
}
