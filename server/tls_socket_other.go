//go:build !unix

package server

// read waits for the network.
func (t *tlsSocket) read() error {
	if t.chunk == nil {
		t.chunk = bursts.Get().(*[streamBurst]byte)
	}
	n, err := t.TCPConn.Read(t.chunk[t.to:])
	t.to += n
	if t.to == 0 {
		bursts.Put(t.chunk)
		t.chunk = nil
	}
	return err
}

// tryRead isn't needed here.
func (t *tlsSocket) tryRead(uintptr) bool { return true }
