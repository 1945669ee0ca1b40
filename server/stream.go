package server

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	streamBuffer = 1 << 10  // what an idle stream holds to be read into
	streamBurst  = 32 << 10 // what a busy one reads into
)

// stream is the link over a net.Conn: TLS, QUIC, and plain connections where
// there are no epoll loops. One goroutine reads; another lives while there is
// something to write.
type stream struct {
	nc     net.Conn
	conn   *conn
	passes *sync.Pool

	mu      sync.Mutex
	changed sync.Cond // paused, woken or closed
	paused  bool
	woken   bool
	writing bool
	want    bool // WantWrite
	closing bool // Shutdown: close when what is being written has gone out
	closed  bool
	reason  error
}

// newStream is a stream that serves a connection which is set before serve.
func newStream(nc net.Conn, passes *sync.Pool) *stream {
	s := &stream{nc: nc, passes: passes}
	s.changed.L = &s.mu
	return s
}

// serve reads until the connection ends.
func (s *stream) serve() {
	idle := make([]byte, streamBuffer)
	buf := idle
	for s.ready() {
		n, err := s.nc.Read(buf)
		if n > 0 {
			s.with(func(p *pass) { s.conn.Readable(p, buf[:n]) })
		}
		if err != nil {
			s.Close(err)
			break
		}
		switch {
		case n == len(buf):
			buf = make([]byte, streamBurst)
		case n < streamBuffer:
			buf = idle
		}
	}
	s.with(func(p *pass) { s.conn.Closed(p, s.reason) })
}

// ready waits while reading is paused; false: the stream is closed.
func (s *stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.woken {
			s.woken = false
			s.mu.Unlock()
			s.with(func(p *pass) { s.conn.Woken(p) })
			s.mu.Lock()
			continue
		}
		if s.closed || !s.paused {
			return !s.closed
		}
		s.changed.Wait()
	}
}

func (s *stream) with(f func(*pass)) {
	p := s.passes.Get().(*pass)
	f(p)
	p.End()
	s.passes.Put(p)
}

// Write is link's. What it takes is written by a goroutine; until that has
// finished it takes nothing more.
func (s *stream) Write(b []byte) (int, error) { return s.Writev([][]byte{b}) }

// Writev is link's.
func (s *stream) Writev(bufs [][]byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if s.writing || s.closing {
		return 0, nil
	}
	s.writing = true
	b := slices.Concat(bufs...)
	go s.write(b)
	return len(b), nil
}

func (s *stream) write(b []byte) {
	_, err := s.nc.Write(b)
	s.mu.Lock()
	s.writing = false
	want, closing := s.want, s.closing
	s.want = false
	s.mu.Unlock()
	switch {
	case err != nil:
		s.Close(err)
	case closing:
		s.Close(s.reason)
	case want:
		s.with(func(p *pass) { s.conn.Writable(p) })
	}
}

// WantWrite is link's.
func (s *stream) WantWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = true
	if !s.writing && !s.closed {
		s.writing = true
		go s.write(nil)
	}
}

// PauseRead is link's.
func (s *stream) PauseRead() { s.set(func() { s.paused = true }) }

// ResumeRead is link's.
func (s *stream) ResumeRead() { s.set(func() { s.paused = false }) }

// Wake is link's.
func (s *stream) Wake() { s.set(func() { s.woken = true }) }

func (s *stream) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed.Broadcast()
}

// lingerTime is how long the last bytes may take after Shutdown.
const lingerTime = time.Second

// Shutdown is link's.
func (s *stream) Shutdown(err error) {
	s.mu.Lock()
	if s.closed || s.closing {
		s.mu.Unlock()
		return
	}
	s.closing, s.reason = true, err
	writing := s.writing
	s.mu.Unlock()
	if writing {
		s.nc.SetWriteDeadline(time.Now().Add(lingerTime))
		return
	}
	s.Close(err)
}

// Close is link's.
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
	go s.nc.Close() // TLS says goodbye, which may take a while
}

// RemoteAddr is link's.
func (s *stream) RemoteAddr() netip.AddrPort { return addrPort(s.nc.RemoteAddr()) }
