package server

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	streamBurst = 16 << 10 // what is read at once: a whole record of TLS

	// lingerTime is how long the last bytes may take after Shutdown, and how
	// long the peer may take to close its side.
	lingerTime = time.Second
)

// stream is the link over a net.Conn: TLS, QUIC, and plain connections where
// there are no epoll loops. One goroutine reads, and closes in the end;
// another lives while there is something to write.
type stream struct {
	nc     net.Conn
	wait   func() error // blocks until there is something to read; nil: Read does
	conn   *conn
	passes *sync.Pool

	mu      sync.Mutex
	changed sync.Cond // paused, woken or closed
	next    []byte    // waits for the writing goroutine
	reason  error
	writing bool // the writing goroutine lives
	want    bool // WantWrite
	paused  bool
	woken   bool
	closing bool // Shutdown: close when what was taken has been written
	closed  bool
}

// newStream is a stream that serves a connection which is set before serve.
func newStream(nc net.Conn, passes *sync.Pool) *stream {
	s := &stream{nc: nc, passes: passes}
	s.changed.L = &s.mu
	return s
}

// bursts are what streams read into, for as long as there is something to read.
var bursts = sync.Pool{New: func() any { return new([streamBurst]byte) }}

// serve reads until the connection ends, and closes the net.Conn.
func (s *stream) serve() {
	for s.ready() {
		var err error
		if s.wait != nil {
			err = s.wait()
		}
		if err == nil {
			err = s.read()
		}
		if err != nil {
			s.Close(err)
		}
	}
	p := s.pass()
	s.conn.Closed(p, s.reason)
	s.end(p)
	s.farewell()
}

// read passes on what there is to read. It is a function of its own so that
// the stack is small while serve waits.
//
//go:noinline
func (s *stream) read() error {
	buf := bursts.Get().(*[streamBurst]byte)
	defer bursts.Put(buf)
	n, err := s.nc.Read(buf[:])
	s.deliver(buf[:n])
	return err
}

func (s *stream) deliver(data []byte) {
	if len(data) == 0 {
		return
	}
	p := s.pass()
	s.conn.Readable(p, data)
	s.end(p)
}

func (s *stream) pass() *pass { return s.passes.Get().(*pass) }

func (s *stream) end(p *pass) {
	p.End()
	s.passes.Put(p)
}

// ready waits while reading is paused; false: the stream is closed.
func (s *stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.woken && !s.closed {
			s.woken = false
			s.mu.Unlock()
			p := s.pass()
			s.conn.Woken(p)
			s.end(p)
			s.mu.Lock()
			continue
		}
		if s.closed || !s.paused {
			return !s.closed
		}
		s.changed.Wait()
	}
}

// farewell closes the net.Conn. After Shutdown it first ends this side alone
// and waits for the peer to end the other: a connection that is closed with
// unread bytes is reset, and the peer may then lose what was last sent to it.
func (s *stream) farewell() {
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok && s.closing {
		s.nc.SetDeadline(time.Now().Add(lingerTime))
		err := half.CloseWrite()
		for rest := make([]byte, 512); err == nil; {
			_, err = s.nc.Read(rest)
		}
	}
	s.nc.Close()
}

// Write is link's. It takes all it is given, or nothing while bytes wait that
// it took before.
func (s *stream) Write(b []byte) (int, error) { return s.Writev([][]byte{b}) }

// Writev is link's.
func (s *stream) Writev(bufs [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if s.next != nil {
		return 0, nil
	}
	s.next = slices.Concat(bufs...)
	n := len(s.next)
	s.write()
	return n, nil
}

// WantWrite is link's.
func (s *stream) WantWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = true
	s.write()
}

// write starts the writing goroutine if it doesn't live; mu is held.
func (s *stream) write() {
	if !s.writing && !s.closed {
		s.writing = true
		go s.writeAll()
	}
}

// writeAll writes until nothing waits any more.
func (s *stream) writeAll() {
	for {
		b, want, more := s.take()
		if !more {
			return
		}
		for len(b) > 0 {
			n := min(len(b), streamBurst)
			s.mayWrite()
			if _, err := s.nc.Write(b[:n]); err != nil {
				s.writeFailed(err)
				break
			}
			b = b[n:]
		}
		if want {
			p := s.pass()
			s.conn.Writable(p)
			s.end(p)
		}
	}
}

// take is the next thing to do for the writing goroutine; more is false when
// it has to end.
func (s *stream) take() (b []byte, want, more bool) {
	s.mu.Lock()
	b, want = s.next, s.want
	s.next, s.want = nil, false
	s.writing = !s.closed && (b != nil || want)
	end := !s.writing && s.closing && !s.closed
	if !s.writing && !s.closed && !s.closing {
		s.nc.SetWriteDeadline(time.Time{}) // TLS has something to say by itself at times
	}
	more = s.writing
	s.mu.Unlock()
	if end {
		s.Close(nil)
	}
	return b, want, more
}

// mayWrite gives the peer the listener's send_timeout to take some bytes, or,
// after Shutdown, what is left of its time. What a Write took is out of the
// connection's sight, so it is watched here.
func (s *stream) mayWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.conn.listener; l.cfg.SendTimeoutClose && !s.closing && !s.closed {
		s.nc.SetWriteDeadline(time.Now().Add(l.cfg.SendTimeout))
	}
}

func (s *stream) writeFailed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = syscall.ETIMEDOUT
	}
	s.Close(err)
}

// PauseRead is link's. What is being read at that moment still arrives.
func (s *stream) PauseRead() { s.set(&s.paused, true) }

// ResumeRead is link's.
func (s *stream) ResumeRead() { s.set(&s.paused, false) }

// Wake is link's; Woken comes when the stream has been paused, or when it has
// read something.
func (s *stream) Wake() { s.set(&s.woken, true) }

func (s *stream) set(field *bool, to bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*field = to
	s.changed.Broadcast()
}

// Shutdown is link's.
func (s *stream) Shutdown(err error) {
	s.mu.Lock()
	if s.closed || s.closing {
		s.mu.Unlock()
		return
	}
	s.closing, s.reason = true, err
	writing := s.writing
	if writing {
		s.nc.SetWriteDeadline(time.Now().Add(lingerTime))
	}
	s.mu.Unlock()
	if !writing {
		s.Close(err)
	}
}

// Close is link's. The reading goroutine does the rest: its Read ends, as the
// deadline is over.
func (s *stream) Close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if !s.closing {
		s.reason = err
	}
	s.changed.Broadcast()
	s.nc.SetDeadline(time.Unix(1, 0))
}

// RemoteAddr is link's.
func (s *stream) RemoteAddr() netip.AddrPort { return addrPort(s.nc.RemoteAddr()) }
