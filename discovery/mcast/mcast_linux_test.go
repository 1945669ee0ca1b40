package mcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inside says that the process runs in a network of its own, whose bridge br0
// the machines of a test are linked to.
const inside = "MCAST_TEST_INSIDE"

// alone runs a test again in a process whose network is its own, and reports
// whether this is that process.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	for _, tool := range []string{"unshare", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
				t.Fatalf("%s is missing and DUNLIN_REQUIRE_PEERS=1: run scripts/setup-debian.sh", tool)
			}
			t.Skipf("%s is missing: scripts/setup-debian.sh installs it", tool)
		}
	}
	t.Parallel()
	args := []string{"--net", "--kill-child", "--fork"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	args = append(args, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "5m")
	c := exec.CommandContext(t.Context(), "unshare", args...)
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a network of its own: %v\n%s", err, out)
	}
	return false
}

func ip(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v\n%s", command, err, out) // not Fatal, which would end a machine's thread
	}
}

// machine is a network namespace with one link to the bridge, and a thread
// that is in it.
type machine struct {
	t    *testing.T
	n    int
	do   chan func()
	done chan struct{}
	tid  int
}

// addr is the machine's address on the bridge.
func (m *machine) addr() string { return fmt.Sprintf("10.9.0.%d", m.n) }
func (m *machine) link() string { return fmt.Sprintf("m%d", m.n) }

// machines makes a bridge and machines linked to it.
func machines(t *testing.T, count int) []*machine {
	t.Helper()
	ip(t, "link set lo up")
	ip(t, "link add br0 type bridge mcast_snooping 0")
	ip(t, "link set br0 up")
	all := make([]*machine, count)
	for i := range all {
		all[i] = newMachine(t, i+1)
	}
	return all
}

func newMachine(t *testing.T, n int) *machine {
	t.Helper()
	m := &machine{t: t, n: n, do: make(chan func()), done: make(chan struct{})}
	failed := make(chan error)
	go func() {
		defer close(m.done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		m.tid = unix.Gettid()
		failed <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range m.do {
			f()
		}
	}()
	if err := <-failed; err != nil {
		t.Fatalf("a network namespace: %v", err)
	}
	t.Cleanup(func() {
		close(m.do)
		<-m.done
	})
	ip(t, fmt.Sprintf("link add %s type veth peer name eth0 netns %d", m.link(), m.tid))
	ip(t, "link set "+m.link()+" master br0 up")
	m.run(func() {
		ip(t, "link set lo up")
		ip(t, "addr add "+m.addr()+"/24 dev eth0")
		ip(t, "link set eth0 up")
		ip(t, "route add default dev eth0")
	})
	return m
}

// run has the machine's thread do something.
func (m *machine) run(f func()) {
	done := make(chan struct{})
	m.do <- func() { defer close(done); f() }
	<-done
}

// node is one that runs on a machine.
type node struct {
	*Nodes
	on  *machine
	log *testlog.Log
}

// start makes a registered node with the defaults, changed.
func (m *machine) start(name string, change func(*discovery.Mcast, *discovery.Self)) *node {
	m.t.Helper()
	log := new(testlog.Log)
	var c discovery.Mcast
	c.SetDefaults()
	self := discovery.Self{Name: name, Cluster: "emqxcl", Cookie: string(cookie), Log: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&c, &self)
	}
	n := &node{New(c, self), m, log}
	m.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			m.t.Error(err)
		}
	})
	n.register()
	return n
}

func (n *node) register() {
	n.on.t.Helper()
	var err error
	n.on.run(func() { err = n.Register(context.Background()) })
	if err != nil {
		n.on.t.Fatalf("register %s: %v", n.self.Name, err)
	}
}

func (n *node) find() string {
	var nodes []string
	var err error
	n.on.run(func() { nodes, err = n.Discover(context.Background()) })
	if err != nil {
		return err.Error()
	}
	return strings.Join(nodes, " ")
}

// finds expects nodes to be found by several at once, as that takes seconds.
func finds(t *testing.T, want string, askers ...*node) {
	t.Helper()
	var all sync.WaitGroup
	for _, n := range askers {
		all.Go(func() {
			got := ""
			for range 2 { // all three packets may be lost on a busy machine
				if got = n.find(); got == want {
					return
				}
			}
			t.Errorf("%s finds %q, want %q\n%s", n.self.Name, got, want, n.log)
		})
	}
	all.Wait()
}

// TestBridge: nodes on one network with the same cluster and cookie find each
// other, and no stranger finds or is found.
func TestBridge(t *testing.T) {
	if !alone(t) {
		return
	}
	m := machines(t, 4)
	a := m[0].start("a@10.9.0.1", nil)
	b := m[1].start("b@10.9.0.2", nil)
	c := m[2].start("c@10.9.0.3", func(c *discovery.Mcast, _ *discovery.Self) { c.Ports = []uint16{4370, 4369} })
	other := m[3].start("o@10.9.0.4", func(_ *discovery.Mcast, s *discovery.Self) { s.Cluster = "plant2" })
	otherToo := m[0].start("p@10.9.0.1", func(_ *discovery.Mcast, s *discovery.Self) { s.Cluster = "plant2" })
	stranger := m[1].start("s@10.9.0.2", func(_ *discovery.Mcast, s *discovery.Self) { s.Cookie = "guess" })
	finds(t, "a@10.9.0.1 b@10.9.0.2 c@10.9.0.3", a, b, c)
	finds(t, "o@10.9.0.4 p@10.9.0.1", other, otherToo)
	finds(t, "s@10.9.0.2", stranger)
	if got := b.log.String(); strings.Count(got, "packets of strangers") != 1 || !strings.Contains(got, "cookies differ") {
		t.Errorf("of the stranger the log says once a minute:\n%s", got)
	}

	if err := b.Unregister(t.Context()); err != nil {
		t.Error(err)
	}
	finds(t, "a@10.9.0.1 c@10.9.0.3", a, b, c)
	b.register()
	b.register() // again: one answer or two, it is the same node
	finds(t, "a@10.9.0.1 b@10.9.0.2 c@10.9.0.3", a, b)
}

// TestSplit: a link that is cut and comes back, even as another one.
func TestSplit(t *testing.T) {
	if !alone(t) {
		return
	}
	m := machines(t, 3)
	a, b, c := m[0].start("a@10.9.0.1", nil), m[1].start("b@10.9.0.2", nil), m[2].start("c@10.9.0.3", nil)
	ip(t, "link set m3 nomaster")
	finds(t, "a@10.9.0.1 b@10.9.0.2", a, b)
	finds(t, "c@10.9.0.3", c)
	ip(t, "link set m3 master br0")
	finds(t, "a@10.9.0.1 b@10.9.0.2 c@10.9.0.3", a, b, c)

	ip(t, "link del m3") // and eth0 of the machine with it
	if got := c.find(); !strings.Contains(got, "network is unreachable") {
		t.Errorf("without a network it finds %s", got)
	}
	var err error
	m[2].run(func() { err = c.Register(context.Background()) })
	if err == nil || !strings.Contains(err.Error(), "listen to multicast at 239.192.0.1:4369: ") {
		t.Errorf("without a network it registers: %v", err)
	}
	ip(t, fmt.Sprintf("link add m3 type veth peer name eth0 netns %d", m[2].tid))
	ip(t, "link set m3 master br0 up")
	m[2].run(func() {
		ip(t, "addr add 10.9.0.3/24 dev eth0")
		ip(t, "link set eth0 up")
		ip(t, "route add default dev eth0")
	})
	c.register()
	finds(t, "a@10.9.0.1 b@10.9.0.2 c@10.9.0.3", a, b, c)
}

// TestKeys: iface, ttl, loop, ports and buffers do what they say.
func TestKeys(t *testing.T) {
	if !alone(t) {
		return
	}
	m := machines(t, 2)
	m[0].run(func() { // a second network, which has the default route now
		ip(t, "link add eth1 type veth peer name nobody")
		ip(t, "addr add 10.8.0.1/24 dev eth1")
		ip(t, "link set nobody up")
		ip(t, "link set eth1 up")
		ip(t, "route replace default dev eth1")
	})
	b := m[1].start("b@10.9.0.2", nil)
	astray := m[0].start("x@10.9.0.1", nil)
	onLink := func(c *discovery.Mcast, _ *discovery.Self) { c.Iface = "10.9.0.1" }
	bound := m[0].start("a@10.9.0.1", onLink)
	silent := m[0].start("q@10.9.0.1", func(c *discovery.Mcast, s *discovery.Self) { onLink(c, s); c.Loop = false })
	short := m[0].start("t@10.9.0.1", func(c *discovery.Mcast, s *discovery.Self) { onLink(c, s); c.TTL = 0 })
	elsewhere := m[0].start("e@10.9.0.1", func(c *discovery.Mcast, s *discovery.Self) { onLink(c, s); c.Ports = []uint16{4444} })
	group := m[0].start("g@10.9.0.1", func(c *discovery.Mcast, s *discovery.Self) {
		onLink(c, s)
		c.Addr = "239.192.0.2"
		c.SendBuf = config.MB
	})

	// x@10.9.0.1 takes any interface, and gets what others have joined for.
	finds(t, "a@10.9.0.1 b@10.9.0.2 q@10.9.0.1 t@10.9.0.1 x@10.9.0.1", bound)
	finds(t, "b@10.9.0.2 q@10.9.0.1", silent)
	finds(t, "a@10.9.0.1 q@10.9.0.1 t@10.9.0.1 x@10.9.0.1", short)
	finds(t, "x@10.9.0.1", astray)
	finds(t, "e@10.9.0.1", elsewhere)
	finds(t, "g@10.9.0.1", group)
	finds(t, "a@10.9.0.1 b@10.9.0.2 q@10.9.0.1 t@10.9.0.1 x@10.9.0.1", b)
}

// TestAskedAlone: a question that was sent to a machine and not to the group
// gets no answer, be it from a member of the cluster.
func TestAskedAlone(t *testing.T) {
	if !alone(t) {
		return
	}
	m := machines(t, 2)
	m[0].start("a@10.9.0.1", nil)
	ask := func(to string) error {
		var err error
		m[1].run(func() {
			var conn net.PacketConn
			if conn, err = net.ListenPacket("udp4", ":0"); err != nil {
				return
			}
			defer conn.Close()
			for range 5 {
				if _, err = conn.WriteTo(sample(ping).seal(cookie), &net.UDPAddr{IP: net.ParseIP(to), Port: 4369}); err != nil {
					return
				}
				conn.SetReadDeadline(time.Now().Add(time.Second / 2))
				if _, _, err = conn.ReadFrom(make([]byte, longest)); err == nil {
					return
				}
			}
		})
		return err
	}
	if err := ask("239.192.0.1"); err != nil {
		t.Errorf("asked as one of the group: %v", err)
	}
	if err := ask("10.9.0.1"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("asked alone it answers: %v", err)
	}
}

func TestErrors(t *testing.T) {
	if !alone(t) {
		return
	}
	m := machines(t, 1)[0]
	a := m.start("a@10.9.0.1", nil)

	gone := New(a.c, a.self)
	gone.c.Iface = "10.1.1.1"
	m.run(func() {
		_, discover := gone.Discover(context.Background())
		register := gone.Register(context.Background())
		for _, err := range []error{discover, register} {
			if err == nil || err.Error() != "no network interface has the address 10.1.1.1 of cluster.mcast.iface" {
				t.Errorf("an interface that is gone: %v", err)
			}
		}
	})

	// A port that another program has is left out, as long as there are others.
	m.run(func() {
		taken, err := net.ListenPacket("udp4", ":5000")
		if err != nil {
			t.Error(err)
			return
		}
		defer taken.Close()
		n := New(a.c, a.self)
		n.c.Ports = []uint16{5000}
		if err := n.Register(context.Background()); err == nil || !strings.Contains(err.Error(), "239.192.0.1:5000: ") {
			t.Errorf("the only port is taken: %v", err)
		}
		n.c.Ports = []uint16{5000, 5001}
		if err := n.Register(context.Background()); err != nil || len(n.listeners) != 1 {
			t.Errorf("one of two ports is taken: %v", err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})

	m.run(func() {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(100*time.Millisecond, cancel)
		if nodes, err := a.Discover(ctx); err == nil || ctx.Err() == nil {
			t.Errorf("a search that was called off finds %v, %v", nodes, err)
		}
	})
}
