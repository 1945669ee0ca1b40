package clustertest

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Node is one `dunlin` process, its address and its data directory. It is
// killed when the test ends, and what it printed is shown if that failed. Its
// methods belong to the goroutine of the test, but for Dial.
type Node struct {
	Name string // node.name, dunlin@ADDRESS
	Dir  string // node.data_dir

	t        testing.TB
	program  string
	before   []string // a command that runs the one behind it
	settings []string
	network  *Network
	log      string // file
	place    atomic.Pointer[place]
	cmd      *exec.Cmd
	gone     chan struct{} // closed when the process has exited
	shown    bool          // its log has been
}

// place is where a node is to be found.
type place struct {
	home       home
	addr       netip.Addr     // by other nodes
	mqtt, rest netip.AddrPort // by clients
}

// home is the part of the network that a node lives in.
type home interface {
	do(f func()) // in it
	dial(addr netip.AddrPort) (net.Conn, error)
}

// loopback is home to nodes that never lose each other.
type loopback struct{}

func (loopback) do(f func()) { f() }

func (loopback) dial(addr netip.AddrPort) (net.Conn, error) { return dial(addr) }

// dial works on the calling goroutine alone, so that the socket belongs to its
// thread's namespace. A node that hangs takes no more connections one day.
func dial(addr netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: 2 * time.Second}
	return d.Dial("tcp4", addr.String())
}

// NewNode prepares a node of that program, which Start starts: on the network,
// or on a loopback address of its own if that is nil. Settings are "key=value".
func NewNode(t testing.TB, program string, network *Network, settings ...string) *Node {
	t.Helper()
	return newNode(t, program, t.TempDir(), network, settings...)
}

// newNode is NewNode with a data directory.
func newNode(t testing.TB, program, dir string, network *Network, settings ...string) *Node {
	t.Helper()
	n := &Node{t: t, program: program, network: network, settings: settings, Dir: dir}
	n.log = filepath.Join(t.TempDir(), "log")
	n.move()
	n.Name = "dunlin@" + n.Addr().String()
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			n.show()
		}
	})
	return n
}

// show logs the end of what the node has printed, once.
func (n *Node) show() {
	n.t.Helper()
	if n.gone != nil && !n.shown {
		n.shown = true
		n.t.Logf("what %s printed:\n%s", n.Name, n.tail())
	}
}

// fail ends the test with what the nodes printed, and then the reason: the last
// lines say what is wrong.
func fail(t testing.TB, nodes []*Node, format string, args ...any) {
	t.Helper()
	for _, n := range nodes {
		n.show()
	}
	t.Fatalf(format, args...)
}

// move gives the node another address.
func (n *Node) move() {
	if n.network != nil {
		s := n.network.add()
		at := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		n.place.Store(&place{s, s.addr, netip.AddrPortFrom(at, 1883), netip.AddrPortFrom(at, 8081)}) // nobody else is there
		return
	}
	for {
		r := rand.Uint32()
		at := netip.AddrFrom4([4]byte{127, byte(r), byte(r >> 8), 1 + byte(r>>16)%254})
		// Below what outgoing connections get, so that it is free after a restart too.
		port := 18000 + uint16(r>>16)%14000
		p := &place{loopback{}, at, netip.AddrPortFrom(at, port), netip.AddrPortFrom(at, port+1)}
		if isFree(p.mqtt) && isFree(p.rest) {
			n.place.Store(p)
			return
		}
	}
}

func isFree(at netip.AddrPort) bool {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Addr is the address at which other nodes find this one.
func (n *Node) Addr() netip.Addr { return n.place.Load().addr }

// Listener is the address at which clients find the node.
func (n *Node) Listener() string { return n.place.Load().mqtt.String() }

// Configure adds settings for the next Start.
func (n *Node) Configure(settings ...string) { n.settings = append(n.settings, settings...) }

// Furnish has the node find other files in the system's places than the test
// does: the script, of sh, puts them into a mount namespace that is the node's
// alone, at each start. It needs the rights of root.
func (n *Node) Furnish(script string) {
	n.t.Helper()
	err := exec.Command("unshare", "--mount", "true").Run()
	need(n.t, err == nil, "the right to make mount namespaces, and the program unshare", err)
	n.before = []string{"unshare", "--mount", "sh", "-ec", script + "\nexec \"$@\"", "sh"}
}

// Start starts the node, with the data directory it had before, and returns
// when it accepts connections.
func (n *Node) Start() {
	n.t.Helper()
	if err := n.Launch(); err != nil {
		n.t.Fatal(err)
	}
}

// Launch is Start for a node that may refuse to start.
func (n *Node) Launch() error {
	n.t.Helper()
	began, err := n.start()
	if err != nil {
		return err
	}
	return n.await(began)
}

// start starts the process and returns where in the log its words will be.
func (n *Node) start() (began int64, err error) {
	out, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	if began, err = out.Seek(0, io.SeekEnd); err != nil {
		return 0, err
	}
	argv := append(slices.Clip(n.before), n.program)
	n.cmd = exec.Command(argv[0], argv[1:]...)
	n.cmd.Env = n.environment()
	n.cmd.Dir = n.Dir
	n.cmd.Stdout, n.cmd.Stderr = out, out
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	n.place.Load().home.do(func() { err = n.cmd.Start() })
	if err != nil {
		return 0, err
	}
	n.gone = make(chan struct{})
	go func(cmd *exec.Cmd, gone chan struct{}) {
		cmd.Wait() //nolint:errcheck // its verdict is in ProcessState
		close(gone)
	}(n.cmd, n.gone)
	return began, nil
}

// environment is all that a node is told.
func (n *Node) environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "GOTRACEBACK=all"}
	set := func(setting string) {
		key, value, _ := strings.Cut(setting, "=")
		env = append(env, "DUNLIN_"+strings.ToUpper(strings.ReplaceAll(key, ".", "__"))+"="+value)
	}
	at := n.place.Load()
	for _, s := range []string{
		"node.name=" + n.Name, "node.data_dir=" + n.Dir, "listener.tcp.external=" + at.mqtt.String(),
		"management.listener.http=" + at.rest.String(), "management.default_application.secret=" + secret, "dashboard.listener.http=off",
	} {
		set(s)
	}
	for _, s := range n.settings {
		set(s)
	}
	return env
}

// secret opens the REST interface of nodes, as admin.
const secret = "only-for-tests"

// await waits until the process says that it accepts connections.
func (n *Node) await(began int64) error {
	n.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ended := !n.Running() // before the log is read, which is whole then
		text, err := os.ReadFile(n.log)
		switch said := string(text[min(began, int64(len(text))):]); {
		case err != nil:
			return err
		case strings.Contains(said, "is running now!"):
			return nil
		case ended:
			return fmt.Errorf("%s ended at start: %v:\n%s", n.Name, n.cmd.ProcessState, said)
		case time.Now().After(deadline):
			n.Kill()
			return fmt.Errorf("%s is not ready after %v:\n%s", n.Name, patience, said)
		}
		select {
		case <-n.gone:
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// StartAndKill starts the node and kills it after that time, however far it has
// come.
func (n *Node) StartAndKill(after time.Duration) {
	n.t.Helper()
	if _, err := n.start(); err != nil {
		n.t.Fatal(err)
	}
	time.Sleep(after)
	n.Kill()
}

// Running reports whether the process is there.
func (n *Node) Running() bool {
	if n.gone == nil {
		return false
	}
	select {
	case <-n.gone:
		return false
	default:
		return true
	}
}

// Kill ends the process without a chance to do anything, if it runs.
func (n *Node) Kill() {
	if n.Running() {
		n.cmd.Process.Kill() //nolint:errcheck // it may have ended by itself just now
		<-n.gone
	}
}

// Stop ends the node as an operator would.
func (n *Node) Stop() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.gone:
	case <-time.After(patience):
		n.t.Errorf("%s runs %v after SIGTERM", n.Name, patience)
		n.Kill()
	}
}

// Restart kills the node and starts it again.
func (n *Node) Restart() {
	n.t.Helper()
	n.Kill()
	n.Start()
}

// Readdress kills the node and starts it with its data at another address; its
// name stays what it was.
func (n *Node) Readdress() {
	n.t.Helper()
	n.Kill()
	n.move()
	n.Start()
}

// Pause stops the process in the middle of what it does, and returns when none
// of its threads runs any more: a node that hangs. Its connections stay open.
func (n *Node) Pause() {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
	for {
		err := unix.Waitid(unix.P_PID, n.cmd.Process.Pid, nil, unix.WSTOPPED, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			n.t.Fatalf("wait until %s has stopped: %v", n.Name, err)
		}
		return
	}
}

// Resume ends a Pause.
func (n *Node) Resume() { n.t.Helper(); n.signal(syscall.SIGCONT) }

func (n *Node) signal(s os.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatalf("signal to %s: %v", n.Name, err)
	}
}

// Dial opens a connection to the node's MQTT listener. Any goroutine may.
func (n *Node) Dial() (net.Conn, error) {
	at := n.place.Load()
	conn, err := at.home.dial(at.mqtt)
	if err != nil {
		return nil, err
	}
	return nodeConn{conn, n.Name}, nil
}

// Get is Call for what is only read.
func (n *Node) Get(path string, data any) error { return n.Call(http.MethodGet, path, "", data) }

// Call asks the node's REST interface, POST "/banned" for instance, with a body
// in JSON or none. What the member data of the answer has goes into data, unless
// that is nil. Any goroutine may.
func (n *Node) Call(method, path, body string, data any) error {
	at := n.place.Load()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		Dial:              func(string, string) (net.Conn, error) { return at.home.dial(at.rest) }, //nolint:staticcheck // no context to obey
	}}
	request, err := http.NewRequest(method, "http://"+at.rest.String()+"/api/v4"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.SetBasicAuth("admin", secret)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode != http.StatusOK || answer.Code != 0 {
		return fmt.Errorf("%s %s: %s, code %d %s", method, path, response.Status, answer.Code, answer.Message)
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(answer.Data, data)
}

// tail is the end of what the node has printed.
func (n *Node) tail() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	const enough = 4 << 10
	return string(text[max(0, len(text)-enough):])
}
