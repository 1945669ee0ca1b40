//go:build linux

package netloop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience of the tests: reached only when something is broken.
const deadline = 20 * time.Second

// touchedPass flushes what a pass has touched, as the owner of a real group does.
type touchedPass struct {
	touched []*peer
	after   func(touched []*peer) // if set, what End does last
}

func (p *touchedPass) End() {
	for _, h := range p.touched {
		h.mu.Lock()
		h.queued = false
		h.mu.Unlock()
		h.flush()
	}
	if p.after != nil {
		p.after(p.touched)
	}
	p.touched = p.touched[:0]
}

// peer is the handler of the tests: it echoes, or does what its hooks say, and
// checks the contract on the way: one call at a time, Closed once and last.
type peer struct {
	*Conn
	t        *testing.T
	readable func(p Pass, data []byte)
	woken    func(p Pass)
	closed   chan error

	busy   atomic.Int32
	over   atomic.Bool
	mu     sync.Mutex
	out    []byte
	full   bool
	queued bool
}

func newPeer(t *testing.T, c *Conn) *peer {
	return &peer{Conn: c, t: t, closed: make(chan error, 2)}
}

func (h *peer) enter(call string) func() {
	if h.busy.Add(1) != 1 {
		h.t.Errorf("%s runs beside another call", call)
	}
	if h.over.Load() {
		h.t.Errorf("%s after Closed", call)
	}
	return func() { h.busy.Add(-1) }
}

func (h *peer) Readable(p Pass, data []byte) {
	defer h.enter("Readable")()
	if h.readable != nil {
		h.readable(p, data)
		return
	}
	h.echo(p, data)
}

func (h *peer) echo(p Pass, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out = append(h.out, data...)
	if len(h.out) > 1<<20 {
		h.PauseRead()
	}
	if !h.queued {
		h.queued = true
		p.(*touchedPass).touched = append(p.(*touchedPass).touched, h)
	}
}

func (h *peer) Writable(Pass) {
	defer h.enter("Writable")()
	h.mu.Lock()
	h.full = false
	h.mu.Unlock()
	h.flush()
}

func (h *peer) Woken(p Pass) {
	defer h.enter("Woken")()
	if h.woken != nil {
		h.woken(p)
	}
}

func (h *peer) Closed(_ Pass, err error) {
	defer h.enter("Closed")()
	h.over.Store(true)
	h.closed <- err
}

func (h *peer) flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.full || len(h.out) == 0 {
		return
	}
	n, err := h.Write(h.out)
	if err != nil {
		h.Close(err)
		return
	}
	if h.out = append(h.out[:0], h.out[n:]...); len(h.out) > 0 {
		h.full = true
		h.WantWrite()
	} else {
		h.ResumeRead()
	}
}

// wantClosed waits for Closed and checks its error by a part of its text.
func (h *peer) wantClosed(want string) {
	h.t.Helper()
	select {
	case err := <-h.closed:
		if fmt.Sprint(err) != want && !strings.Contains(fmt.Sprint(err), want) {
			h.t.Errorf("Closed(%v), want %q", err, want)
		}
	case <-time.After(deadline):
		h.t.Error("Closed was not called")
	}
}

func newGroup(t testing.TB, loops int) *Group {
	t.Helper()
	return newGroupOf(t, loops, func() Pass { return new(touchedPass) })
}

func newGroupOf(t testing.TB, loops int, newPass func() Pass) *Group {
	t.Helper()
	g, err := New(Config{MaxLoops: loops, NewPass: newPass})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// world is a group with one listener whose connections arrive on a channel.
type world struct {
	*Group
	ln    *Listener
	peers chan *peer
	t     *testing.T
}

// serve listens; prepare, if not nil, sees each peer before its first call.
func serve(t *testing.T, loops int, o ListenOptions, prepare func(*peer)) *world {
	t.Helper()
	return serveOn(t, newGroup(t, loops), o, prepare)
}

func serveOn(t *testing.T, g *Group, o ListenOptions, prepare func(*peer)) *world {
	t.Helper()
	w := &world{Group: g, peers: make(chan *peer, 20000), t: t}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	o.NoDelay = true
	ln, err := w.Listen(o, func(c *Conn) Handler {
		h := newPeer(t, c)
		if prepare != nil {
			prepare(h)
		}
		w.peers <- h
		return h
	})
	if err != nil {
		t.Fatal(err)
	}
	w.ln = ln
	return w
}

// dial connects and returns both ends.
func (w *world) dial() (*net.TCPConn, *peer) {
	w.t.Helper()
	c, err := net.Dial("tcp", w.ln.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(deadline))
	return c.(*net.TCPConn), receive(w.t, w.peers)
}

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(deadline):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// eventually waits for something that another goroutine or the kernel brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// openFDs lists what the process has open, so that a test can compare.
func openFDs(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var fds []string
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if errors.Is(err, os.ErrNotExist) { // the one that lists
			continue
		}
		fds = append(fds, e.Name()+" "+to)
	}
	slices.Sort(fds)
	return fds
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
