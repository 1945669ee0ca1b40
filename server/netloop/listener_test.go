//go:build linux

package netloop

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRefusedByAccept(t *testing.T) {
	g := newGroup(t, 1)
	ln, err := g.Listen(ListenOptions{Address: "127.0.0.1:0"}, func(c *Conn) Handler {
		if !c.RemoteAddr().IsValid() {
			t.Error("no RemoteAddr while accepting")
		}
		c.Wake()
		c.Close(nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(deadline))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read from a refused connection: %v, want EOF", err)
	}
	if accepted, refused, failed := ln.Counts(); accepted != 1 || refused != 1 || failed != 0 {
		t.Errorf("Counts: %d, %d, %d; want 1, 1, 0", accepted, refused, failed)
	}
	if n := g.Stats().Conns; n != 0 {
		t.Errorf("%d connections, want none", n)
	}
}

// What the accept function asks of its connection holds, whichever loop gets it.
func TestAskedWhileAccepting(t *testing.T) {
	writable := make(chan struct{}, 1)
	w := serve(t, 1, ListenOptions{}, func(h *peer) {
		h.Write([]byte("welcome"))
		h.woken = func(Pass) { h.WantWrite(); writable <- struct{}{} }
		h.Wake()
	})
	c, _ := w.dial()
	got := make([]byte, 7)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "welcome" {
		t.Errorf("read %q, %v", got, err)
	}
	receive(t, writable)

	w = serve(t, 1, ListenOptions{}, func(h *peer) { h.Close(io.ErrClosedPipe) })
	_, h := w.dial()
	h.wantClosed(io.ErrClosedPipe.Error())
}

type writableOnce struct {
	peer
	came chan struct{}
}

func (h *writableOnce) Writable(Pass) { close(h.came) }

func TestWantWriteWhileAccepting(t *testing.T) {
	g, came := newGroup(t, 1), make(chan struct{})
	ln, err := g.Listen(ListenOptions{Address: "127.0.0.1:0"}, func(c *Conn) Handler {
		c.WantWrite()
		return &writableOnce{peer{Conn: c, t: t, closed: make(chan error, 1)}, came}
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	receive(t, came)
}

func TestListenErrors(t *testing.T) {
	g := newGroup(t, 1)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	check := func(address, want string) {
		t.Helper()
		before := len(openFDs(t))
		_, err := g.Listen(ListenOptions{Address: address}, func(*Conn) Handler { return nil })
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), address) {
			t.Errorf("Listen(%q): %v, want %q", address, err, want)
		}
		if n := len(openFDs(t)); n != before {
			t.Errorf("Listen(%q) left %d descriptors open", address, n-before)
		}
	}
	check(taken.Addr().String(), "address already in use")
	check("no port", "missing port")
	check("[fe80::1%nowhere]:0", "nowhere")
	check("192.0.2.1:0", "cannot assign")
}

func TestListenerCloseFreesThePort(t *testing.T) {
	w := serve(t, 1, ListenOptions{ReuseAddr: true}, nil)
	c, _ := w.dial()
	for range 20 {
		w.ln.Close()
		w.ln.Close()
		ln, err := w.Listen(ListenOptions{Address: w.ln.Addr().String(), ReuseAddr: true}, func(*Conn) Handler { return nil })
		if err != nil {
			t.Fatal(err)
		}
		w.ln = ln
	}
	w.ln.Close()
	if _, err := net.Dial("tcp", w.ln.Addr().String()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial after Close: %v, want connection refused", err)
	}
	echoRandom(t, c, 1, 10, 100) // what was accepted stays
}

func TestAcceptRate(t *testing.T) {
	const rate, total = 20, 30
	w := serve(t, 1, ListenOptions{MaxRate: rate}, nil)
	begin := time.Now()
	for range total {
		c, err := net.Dial("tcp", w.ln.Addr().String()) // the backlog takes them all at once
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	for range total {
		receive(t, w.peers)
	}
	took := time.Since(begin)
	if least := time.Second * (total - rate) / rate; took < least*9/10 {
		t.Errorf("%d connections in %v, want at least %v", total, took, least)
	}
	if accepted, refused, _ := w.ln.Counts(); accepted != total || refused != 0 {
		t.Errorf("accepted %d, refused %d; want %d, 0", accepted, refused, total)
	}
}

func TestRateTokens(t *testing.T) {
	ln := new(Listener)
	ln.SetMaxRate(1000)
	at := func(now time.Duration, tokens float64, pause bool) {
		t.Helper()
		if got := ln.pauseForRate(now); got != pause {
			t.Errorf("at %v: pause %v, want %v", now, got, pause)
		}
		if ln.tokens != tokens {
			t.Errorf("at %v: %v tokens, want %v", now, ln.tokens, tokens)
		}
		ln.tokens = 0
	}
	at(0, 0, true)
	if ln.resume != ratePause {
		t.Errorf("resumes at %v, want %v", ln.resume, ratePause)
	}
	at(10*time.Millisecond, 10, false)
	at(time.Hour, 1000, false) // a second's worth is kept, no more
}

// Without descriptors accepting pauses, says so, does not spin, and goes on.
func TestOutOfDescriptors(t *testing.T) {
	if os.Getenv("NETLOOP_FEW_FDS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), "NETLOOP_FEW_FDS=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	failed := make(chan error, 1000)
	w := serve(t, 1, ListenOptions{OnError: func(err error) { failed <- err }}, nil)
	c, h := w.dial()
	waiting := make([]int, 10)
	for i := range waiting { // sockets first: connecting needs no descriptor
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		waiting[i] = fd
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 5, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	for _, fd := range waiting {
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(w.ln.Addr().Port()), Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := receive(t, failed); !errors.Is(err, unix.EMFILE) {
		t.Errorf("OnError(%v), want EMFILE", err)
	}
	passes := w.Stats().Passes
	echoRandom(t, c, 1, 1, 100) // others are served meanwhile
	time.Sleep(5 * acceptPause)
	if n := w.Stats().Passes - passes; n > 30 {
		t.Errorf("%d passes in %v without descriptors", n, 5*acceptPause)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for range waiting {
		receive(t, w.peers)
	}
	if _, _, n := w.ln.Counts(); n < 2 || n > 20 {
		t.Errorf("accepting failed %d times, want a few", n)
	}
	c.Close()
	h.wantClosed("EOF")
}
