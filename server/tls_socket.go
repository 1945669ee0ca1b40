package server

import (
	"encoding/binary"
	"net"
	"syscall"
)

// tlsSocket is the TCP connection below TLS. It does two things that the
// net.Conn of the library doesn't.
//
// It hands out one record of TLS at a time, so that nothing is left unread
// above it when a record has been read. So the stream can wait here, on a
// small stack and without a buffer, and call TLS when there is something to
// read: that is half of what an idle connection would cost.
//
// In a handshake it computes only while it holds one of few turns, and waits
// for the peer without one. So a thousand handshakes at once keep the
// processors busy, but those who carry messages don't stand in line behind a
// thousand goroutines.
type tlsSocket struct {
	*net.TCPConn
	raw syscall.RawConn
	try func(fd uintptr) bool // t.tryRead; made once

	chunk    *[streamBurst]byte // what was read and not yet taken, chunk[from:to]; nil: nothing
	from, to int
	record   int   // bytes of the current record that TLS hasn't taken
	err      error // of the last tryRead

	turns chan struct{} // nil: the handshake is over
	mine  bool          // holds a turn
}

const recordHead = 5 // bytes of a record's header, the last two its length (RFC 8446 clause 5.1)

func newTLSSocket(nc *net.TCPConn, turns chan struct{}) (*tlsSocket, error) {
	raw, err := nc.SyscallConn()
	t := &tlsSocket{TCPConn: nc, raw: raw, turns: turns}
	t.try = t.tryRead
	return t, err
}

// Read is net.Conn's: it brings the rest of one record at most.
func (t *tlsSocket) Read(p []byte) (int, error) {
	want := 1
	if t.record == 0 {
		want = recordHead
	}
	for t.to-t.from < want {
		if err := t.fill(); err != nil {
			return 0, err
		}
	}
	if t.record == 0 {
		t.record = recordHead + int(binary.BigEndian.Uint16(t.unread()[recordHead-2:]))
	}
	n := copy(p, t.unread()[:min(t.record, t.to-t.from)])
	t.record -= n
	t.took(n)
	return n, nil
}

// unread is what was read from the network and not taken.
func (t *tlsSocket) unread() []byte { return t.chunk[t.from:t.to] }

// took drops n bytes of unread, and the chunk when it is empty.
func (t *tlsSocket) took(n int) {
	t.from += n
	if t.from == t.to {
		bursts.Put(t.chunk)
		t.chunk, t.from, t.to = nil, 0, 0
	}
}

// wait returns when there is something to read.
func (t *tlsSocket) wait() error {
	if t.from < t.to {
		return nil
	}
	return t.fill()
}

// fill adds to what is unread; it blocks until there is something.
func (t *tlsSocket) fill() error {
	if t.from > 0 { // the beginning of a header
		t.to = copy(t.chunk[:], t.unread())
		t.from = 0
	}
	if t.turns == nil {
		return t.read()
	}
	t.yield()
	err := t.read()
	t.turns <- struct{}{}
	t.mine = true
	return err
}

func (t *tlsSocket) yield() {
	if t.mine {
		t.mine = false
		<-t.turns
	}
}

// endTurns ends the taking of turns.
func (t *tlsSocket) endTurns() {
	t.yield()
	t.turns = nil
}
