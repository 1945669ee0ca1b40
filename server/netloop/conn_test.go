//go:build linux

package netloop

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 32 {
		t.Errorf("a Conn takes %d bytes, want at most 32", size)
	}
}

// echoRandom sends pieces of random sizes and wants the same bytes back.
func echoRandom(t *testing.T, c *net.TCPConn, seed uint64, pieces, largest int) {
	r := rand.New(rand.NewPCG(seed, 1))
	sent := make(chan []byte, pieces)
	go func() {
		defer close(sent)
		for range pieces {
			b := make([]byte, 1+r.IntN(largest))
			for i := range b {
				b[i] = byte(seed) + byte(i)
			}
			if _, err := c.Write(b); err != nil {
				t.Error(err)
				return
			}
			sent <- b
		}
	}()
	got := make([]byte, largest)
	for b := range sent {
		if _, err := io.ReadFull(c, got[:len(b)]); err != nil {
			t.Error(err)
			return
		}
		if !bytes.Equal(b, got[:len(b)]) {
			t.Error("other bytes came back")
			return
		}
	}
}

func TestEcho(t *testing.T) {
	tests := []struct {
		name                          string
		loops, conns, pieces, largest int
	}{
		{"many small", 1, 200, 50, 300},
		{"larger than the read buffer", 1, 8, 10, 300 << 10},
		{"several loops", 3, 100, 50, 3000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(t, tt.loops, ListenOptions{}, nil)
			var wg sync.WaitGroup
			for i := range tt.conns {
				c, h := w.dial()
				wg.Go(func() {
					echoRandom(t, c, uint64(i), tt.pieces, tt.largest)
					c.Close()
					h.wantClosed("EOF")
				})
			}
			wg.Wait()
		})
	}
}

func TestHalfClose(t *testing.T) {
	w := serve(t, 1, ListenOptions{}, nil)
	c, h := w.dial()
	c.Write([]byte("last words"))
	c.CloseWrite()
	got, err := io.ReadAll(c)
	if string(got) != "last words" || err != nil {
		t.Errorf("read %q, %v after the half-close", got, err)
	}
	h.wantClosed("EOF")
	if _, err := h.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Closed: %v, want net.ErrClosed", err)
	}
	if n, err := h.Writev([][]byte{{1}}); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Writev after Closed: %d, %v, want net.ErrClosed", n, err)
	}
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func TestReset(t *testing.T) {
	w := serve(t, 1, ListenOptions{}, nil)
	c, h := w.dial()
	reset(c)
	h.wantClosed("connection reset by peer")
}

func TestResetIsSeenWhilePaused(t *testing.T) {
	w := serve(t, 1, ListenOptions{}, func(h *peer) { h.PauseRead() })
	c, h := w.dial()
	c.Write([]byte("never read"))
	reset(c)
	h.wantClosed("connection reset by peer")
}

// A slow reader: the socket is full, and WantWrite brings Writable when it isn't.
func TestSlowReader(t *testing.T) {
	w := serve(t, 1, ListenOptions{SendBuffer: 64 << 10}, nil)
	c, h := w.dial()
	c.SetReadBuffer(64 << 10)
	want := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MB
	go func() {
		for b := want; len(b) > 0; b = b[min(len(b), 64<<10):] {
			if _, err := c.Write(b[:min(len(b), 64<<10)]); err != nil {
				t.Error(err)
			}
		}
	}()
	eventually(t, "the socket is full", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.full
	})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("other bytes came back")
	}
}

// While reading is paused TCP stops the sender; afterwards nothing is missing.
func TestPauseIsBackPressure(t *testing.T) {
	var mu sync.Mutex
	var got int
	w := serve(t, 1, ListenOptions{RecvBuffer: 32 << 10}, func(h *peer) {
		h.PauseRead()
		h.readable = func(_ Pass, data []byte) {
			mu.Lock()
			defer mu.Unlock()
			got += len(data)
		}
	})
	c, h := w.dial()
	c.SetWriteBuffer(32 << 10)
	chunk, sent := make([]byte, 32<<10), 0
	for sent < 64<<20 {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := c.Write(chunk)
		sent += n
		if err != nil {
			break
		}
	}
	if sent == 64<<20 {
		t.Fatal("the sender was never stopped")
	}
	if got != 0 {
		t.Errorf("%d bytes were read while paused", got)
	}
	h.ResumeRead()
	c.SetWriteDeadline(time.Now().Add(deadline))
	n, err := c.Write(chunk)
	if sent += n; err != nil {
		t.Fatalf("after ResumeRead: %v", err)
	}
	c.Close()
	h.wantClosed("EOF")
	if got != sent {
		t.Errorf("%d bytes sent, %d read", sent, got)
	}
}

// A handler may pause in the middle of what has arrived, as for an answer that
// must be waited for, and resume from anywhere.
func TestPauseInsideReadable(t *testing.T) {
	const total = 1 << 20
	got, done := 0, make(chan struct{})
	var h *peer
	w := serve(t, 1, ListenOptions{}, func(p *peer) {
		h = p
		p.readable = func(_ Pass, data []byte) {
			p.PauseRead()
			if got += len(data); got == total {
				close(done)
			}
			go p.ResumeRead()
		}
	})
	c, _ := w.dial()
	go c.Write(make([]byte, total))
	receive(t, done)
	c.Close()
	h.wantClosed("EOF")
}

func TestWakeComesToTheLoop(t *testing.T) {
	woken := make(chan struct{}, 1)
	w := serve(t, 1, ListenOptions{}, func(h *peer) { h.woken = func(Pass) { woken <- struct{}{} } })
	_, h := w.dial()
	for range 100 {
		h.Wake()
		receive(t, woken)
	}
	h.Close(nil)
	h.wantClosed("<nil>")
	h.Wake()
}

// Many wakes of a loop that is busy bring one call.
func TestWakesCoalesce(t *testing.T) {
	started, release, calls := make(chan struct{}), make(chan struct{}), make(chan struct{}, 100)
	w := serve(t, 1, ListenOptions{}, func(h *peer) {
		h.readable = func(Pass, []byte) { close(started); <-release }
		h.woken = func(Pass) { calls <- struct{}{} }
	})
	c, h := w.dial()
	c.Write([]byte("x"))
	receive(t, started)
	for range 50 {
		h.Wake()
	}
	close(release)
	receive(t, calls)
	h.Close(nil)
	h.wantClosed("<nil>")
	if n := len(calls); n != 0 {
		t.Errorf("%d more calls of Woken, want none", n)
	}
}

// What a handler has written in the pass in which it closes is flushed first.
func TestShutdownDeliversWhatWasWritten(t *testing.T) {
	w := serve(t, 1, ListenOptions{}, func(h *peer) {
		h.readable = func(p Pass, data []byte) {
			h.echo(p, data[:5])
			h.Shutdown(io.ErrUnexpectedEOF)
		}
	})
	c, h := w.dial()
	c.Write([]byte("hello, and much that nobody is going to read"))
	h.wantClosed(io.ErrUnexpectedEOF.Error())
	c.Write(make([]byte, 1<<20)) // would make a plain close reset the connection
	got, err := io.ReadAll(c)
	if string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v; want hello and the end of the stream", got, err)
	}
	c.Close()
	eventuallyReleased(t, h)
}

func eventuallyReleased(t *testing.T, h *peer) {
	t.Helper()
	eventually(t, "the descriptor is released", func() bool { return h.state.Load()&users == 0 })
}

func TestShutdownEndsWithoutThePeer(t *testing.T) {
	w := serve(t, 1, ListenOptions{}, nil)
	_, h := w.dial()
	h.Shutdown(nil)
	h.wantClosed("<nil>")
	eventuallyReleased(t, h)
}

func TestCloseTwiceIsClosedOnce(t *testing.T) {
	w := serve(t, 1, ListenOptions{}, nil)
	c, h := w.dial()
	c.Close()
	for range 10 {
		go h.Close(io.ErrClosedPipe)
	}
	if err := receive(t, h.closed); err != io.EOF && err != io.ErrClosedPipe {
		t.Errorf("Closed(%v)", err)
	}
	eventuallyReleased(t, h)
	if len(h.closed) != 0 {
		t.Error("Closed was called again")
	}
}

// Close, Write, Wake, pauses and WantWrite from other goroutines in the middle of traffic.
func TestCloseDuringTraffic(t *testing.T) {
	w := serve(t, 2, ListenOptions{}, nil)
	var wg sync.WaitGroup
	for i := range 100 {
		c, h := w.dial()
		wg.Go(func() {
			buf := make([]byte, 4096)
			for {
				if _, err := c.Write(buf); err != nil {
					return
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			for range 20 + i {
				h.PauseRead()
				h.Wake()
				h.WantWrite()
				h.RemoteAddr()
				h.ResumeRead()
			}
			if i%2 == 0 {
				h.Close(io.ErrClosedPipe)
			} else {
				h.Shutdown(io.ErrClosedPipe)
			}
			for range 20 {
				h.mu.Lock()
				h.Write([]byte("late"))
				h.mu.Unlock()
			}
			h.wantClosed(io.ErrClosedPipe.Error())
			c.SetLinger(0)
			c.Close()
		})
	}
	wg.Wait()
	eventually(t, "all connections are gone", func() bool { return w.Stats().Conns == 0 })
}

func TestWritev(t *testing.T) {
	w := serve(t, 1, ListenOptions{}, nil)
	c, h := w.dial()
	var bufs [][]byte
	want := ""
	for i := range maxIovecs + 8 {
		piece := "piece " + string(rune('A'+i)) + "."
		bufs = append(bufs, []byte(piece), nil)
		if i < maxIovecs {
			want += piece
		}
	}
	if n, err := h.Writev(bufs); n != len(want) || err != nil {
		t.Errorf("Writev took %d bytes, %v; want the %d of the first %d slices", n, err, len(want), maxIovecs)
	}
	if n, err := h.Writev([][]byte{nil, {}}); n != 0 || err != nil {
		t.Errorf("Writev of nothing: %d, %v", n, err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestFullSocketIsNoError(t *testing.T) {
	w := serve(t, 1, ListenOptions{SendBuffer: 4096}, nil)
	_, h := w.dial()
	chunk, total := make([]byte, 128<<10), 0
	for range 1000 {
		n, err := h.Write(chunk)
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n == 0 {
			return
		}
	}
	t.Errorf("the socket took %d bytes that nobody read", total)
}

func TestAddresses(t *testing.T) {
	check := func(listen, network string) {
		t.Helper()
		w := serve(t, 1, ListenOptions{Address: listen}, nil)
		_, port, _ := net.SplitHostPort(w.ln.Addr().String())
		host := "127.0.0.1"
		if network == "tcp6" {
			host = "::1"
		}
		c, err := net.Dial(network, net.JoinHostPort(host, port))
		if err != nil {
			t.Fatalf("%s: %v", listen, err)
		}
		defer c.Close()
		h := receive(t, w.peers)
		if got, want := h.RemoteAddr().String(), c.LocalAddr().String(); got != want {
			t.Errorf("%s: RemoteAddr %s, want %s", listen, got, want)
		}
		if got, want := h.LocalAddr().String(), c.RemoteAddr().String(); got != want {
			t.Errorf("%s: LocalAddr %s, want %s", listen, got, want)
		}
		h.Close(nil)
		h.wantClosed("<nil>")
		eventuallyReleased(t, h)
		if h.RemoteAddr().IsValid() {
			t.Error("an address after the end")
		}
	}
	check("127.0.0.1:0", "tcp4")
	check("localhost:0", "tcp4")
	check(":0", "tcp4")
	if ln, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		ln.Close()
		check("[::1]:0", "tcp6")
		check(":0", "tcp6")
	}
}

func TestNoDelayIsInherited(t *testing.T) {
	w := serve(t, 1, ListenOptions{SendBuffer: 64 << 10}, nil)
	_, h := w.dial()
	option := func(level, name, want int) {
		t.Helper()
		if got, err := unix.GetsockoptInt(int(h.fd), level, name); got != want || err != nil {
			t.Errorf("option %d: %d, %v; want %d", name, got, err, want)
		}
	}
	option(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	option(unix.SOL_SOCKET, unix.SO_SNDBUF, 128<<10)
}

// Descriptors are reused at once: whatever is late must not reach the next owner.
func TestReuseStorm(t *testing.T) {
	storm := 10000
	if testing.Short() {
		storm = 1000
	}
	w := serve(t, 2, ListenOptions{}, nil)
	before := len(openFDs(t))
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := range storm / 8 {
				c, err := net.Dial("tcp", w.ln.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(deadline))
				word := []byte{byte(k), byte(i), byte(i >> 8)}
				c.Write(word)
				got := make([]byte, 3)
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, word) {
					t.Errorf("wrote %v, read %v, %v", word, got, err)
				}
				if i%2 == 0 {
					reset(c.(*net.TCPConn))
				} else {
					c.Close()
				}
			}
		})
		wg.Go(func() { // the other ends, some of them closed from here
			for i := range storm / 8 {
				h := receive(t, w.peers)
				if i%3 == 0 {
					<-h.closed
					h.Close(nil)
					h.Write([]byte("to nobody"))
					h.WantWrite()
					h.ResumeRead()
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "all connections are gone", func() bool { return w.Stats().Conns == 0 })
	eventually(t, "all descriptors are back", func() bool { return len(openFDs(t)) <= before })
}
