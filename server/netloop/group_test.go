//go:build linux

package netloop

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestNewNeedsAPass(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("New without NewPass gave no error")
	}
}

func TestDefaults(t *testing.T) {
	g := newGroup(t, 0)
	if got, want := g.config.MaxLoops, runtime.GOMAXPROCS(0); got != want {
		t.Errorf("MaxLoops %d, want %d", got, want)
	}
	if got := len((*g.loops.Load())[0].buf); got != 64<<10 {
		t.Errorf("a read buffer of %d bytes, want 65536", got)
	}
	if s := g.Stats(); s.Loops != 1 {
		t.Errorf("%d loops at first, want 1", s.Loops)
	}
}

// Close in the middle of traffic: each Closed comes, and nothing stays behind.
func TestGroupClose(t *testing.T) {
	fds, goroutines := len(openFDs(t)), runtime.NumGoroutine()
	for range 5 {
		w := serve(t, 3, ListenOptions{}, nil)
		for range 2 {
			if _, err := w.addLoop(); err != nil {
				t.Fatal(err)
			}
		}
		var conns []*net.TCPConn
		var peers []*peer
		var clients sync.WaitGroup
		for i := range 30 {
			c, h := w.dial()
			conns, peers = append(conns, c), append(peers, h)
			clients.Go(func() {
				for buf := make([]byte, 1000); ; {
					if _, err := c.Write(buf); err != nil {
						return
					}
					if _, err := c.Read(buf); err != nil {
						return
					}
					if i%3 == 0 {
						h.Wake()
					}
				}
			})
		}
		peers[0].Shutdown(net.ErrClosed) // is lingering when the group closes
		w.Close()
		w.Close()
		for _, h := range peers {
			select {
			case err := <-h.closed:
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Closed(%v), want net.ErrClosed", err)
				}
			default:
				t.Error("Close returned before Closed")
			}
			h.Wake() // late calls do nothing
			h.Close(nil)
			if _, err := h.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write: %v, want net.ErrClosed", err)
			}
		}
		for _, c := range conns {
			c.Close()
		}
		clients.Wait()
		if _, err := w.Listen(ListenOptions{Address: "127.0.0.1:0"}, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Listen: %v, want net.ErrClosed", err)
		}
	}
	eventually(t, "all descriptors are released", func() bool { return len(openFDs(t)) <= fds })
	eventually(t, "all goroutines have ended", func() bool {
		if runtime.NumGoroutine() > goroutines {
			t.Log(stacks())
		}
		return runtime.NumGoroutine() <= goroutines
	})
}

func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Loops with connections but without traffic are not woken, not even once.
func TestIdleCostsNothing(t *testing.T) {
	w := serve(t, 2, ListenOptions{}, nil)
	if _, err := w.addLoop(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		w.dial()
	}
	asleep := func() bool {
		for _, l := range *w.loops.Load() {
			if !l.asleep.Load() {
				return false
			}
		}
		return true
	}
	eventually(t, "the loops sleep", asleep)
	var woken bool
	var used time.Duration
	for range 10 { // what was under way may end late, and the runtime has work of its own now and then
		before, cpu := w.Stats(), cpuTime(t)
		time.Sleep(500 * time.Millisecond)
		woken, used = w.Stats() != before, cpuTime(t)-cpu
		if !woken && used <= 50*time.Millisecond {
			return
		}
	}
	t.Errorf("in 500 ms of nothing: %v CPU, loops woken: %v", used, woken)
}

// timedPass wants a pass every 20 ms, five times.
type timedPass struct {
	ends atomic.Int32
	done chan struct{}
}

func (p *timedPass) End() {
	if p.ends.Add(1) == 5 {
		close(p.done)
	}
}

func (p *timedPass) Next() time.Duration {
	if p.ends.Load() >= 5 {
		return -1
	}
	return 20 * time.Millisecond
}

func TestTimedPass(t *testing.T) {
	p := &timedPass{done: make(chan struct{})}
	begin := time.Now()
	g, err := New(Config{MaxLoops: 1, NewPass: func() Pass { return p }})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	receive(t, p.done)
	if took := time.Since(begin); took < 75*time.Millisecond {
		t.Errorf("five passes took %v, want 80 ms or more", took)
	}
	eventually(t, "the loop sleeps", func() bool { return (*g.loops.Load())[0].asleep.Load() })
	ends := p.ends.Load()
	time.Sleep(100 * time.Millisecond)
	if n := p.ends.Load(); n != ends {
		t.Errorf("%d more passes, want none", n-ends)
	}
}

func TestMilliseconds(t *testing.T) {
	check := func(d time.Duration, want int) {
		t.Helper()
		if got := milliseconds(d); got != want {
			t.Errorf("milliseconds(%v) = %d, want %d", d, got, want)
		}
	}
	check(-1, -1)
	check(0, 0)
	check(1, 1)
	check(time.Millisecond, 1)
	check(time.Millisecond+1, 2)
	check(1<<62, 1<<30)
}

func TestTable(t *testing.T) {
	tab := newTable(10 * pageSize)
	a, b := new(Conn), new(Conn)
	put := func(fd int32, c *Conn, ok bool) {
		t.Helper()
		if got := tab.set(fd, c); got != ok {
			t.Errorf("set(%d) = %v, want %v", fd, got, ok)
		}
	}
	has := func(fd int32, want *Conn) {
		t.Helper()
		if got := tab.get(fd); got != want {
			t.Errorf("get(%d) = %p, want %p", fd, got, want)
		}
	}
	has(3, nil)
	put(3, a, true)
	put(5*pageSize, b, true)
	put(1<<30, a, false)
	has(3, a)
	has(4, nil)
	has(5*pageSize, b)
	has(1<<30, nil)
	n := 0
	tab.all(func(*Conn) { n++ })
	if n != 2 {
		t.Errorf("all found %d, want 2", n)
	}
	put(3, nil, true)
	has(3, nil)
}
