package server

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
)

// tapeListener makes connections without a network.
type tapeListener struct {
	*listener
	pass *pass
}

// newTapeListener is the first of the listeners given, which doesn't listen.
func newTapeListener(t testing.TB, text string) *tapeListener {
	t.Helper()
	ts := newTestServer(t, text)
	l := ts.newListener(ts.options.Listeners[0])
	l.startFraming()
	return &tapeListener{l, newPass(ts.broker)}
}

// tape is a link that is played by hand and keeps what is written to it.
type tape struct {
	listener *tapeListener
	conn     *conn
	room     int // bytes that Write takes still

	mu     sync.Mutex
	out    bytes.Buffer
	closed bool // by this side
	over   bool // the connection has been told
}

// connect makes a connection that ends with the test.
func (l *tapeListener) connect(t testing.TB) *tape {
	k := &tape{listener: l, room: 1 << 30}
	k.conn = l.admit(k, netip.MustParseAddrPort("127.0.0.1:1"))
	t.Cleanup(k.hangUp)
	return k
}

// bring has data arrive, in a buffer that is used again afterwards.
func (k *tape) bring(data []byte) {
	buf := bytes.Clone(data)
	if !k.closed {
		k.conn.Readable(k.listener.pass, buf)
		k.listener.pass.End()
	}
	for i := range buf {
		buf[i] = 0xa5
	}
}

// hangUp ends the connection, from the other side if it is open still.
func (k *tape) hangUp() {
	if !k.over {
		k.closed, k.over = true, true
		k.conn.Closed(k.listener.pass, nil)
		k.listener.pass.End()
	}
}

func (k *tape) written() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Clone(k.out.Bytes())
}

func (k *tape) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(len(p), k.room)
	k.room -= n
	return k.out.Write(p[:n])
}

func (k *tape) Writev(bufs [][]byte) (int, error) { return k.Write(bytes.Join(bufs, nil)) }
func (k *tape) WantWrite()                        {}
func (k *tape) PauseRead()                        {}
func (k *tape) ResumeRead()                       {}
func (k *tape) Wake()                             {}
func (k *tape) Shutdown(error)                    { k.closed = true }
func (k *tape) Close(error)                       { k.closed = true }
