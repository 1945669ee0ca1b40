//go:build unix

package server

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// read waits for the network without a buffer in hand.
func (t *tlsSocket) read() error {
	if err := t.raw.Read(t.try); err != nil {
		return err
	}
	return t.err
}

// tryRead reads what is there; false: nothing.
func (t *tlsSocket) tryRead(fd uintptr) bool {
	if t.chunk == nil {
		t.chunk = bursts.Get().(*[streamBurst]byte)
	}
	n, err := syscall.Read(int(fd), t.chunk[t.to:])
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(int(fd), t.chunk[t.to:])
	}
	t.to += max(n, 0)
	switch {
	case err != nil:
		t.err = os.NewSyscallError("read", err)
	case n == 0:
		t.err = io.EOF
	default:
		t.err = nil
	}
	if t.to == 0 {
		bursts.Put(t.chunk)
		t.chunk = nil
	}
	return !errors.Is(err, syscall.EAGAIN)
}
