package mqtttest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/build"
	"github.com/dunlin-mq/dunlin/internal/testlog"
)

// Broker starts brokers for scenarios.
type Broker interface {
	// Start runs a broker with the settings "key = value" on free ports of the loopback, with a WebSocket listener if ws, and
	// returns when it answers. It lives until Stop or the end of the test. ErrUnsupported: it can't have these settings.
	Start(t testing.TB, settings []string, ws bool) (Node, error)
}

// ErrUnsupported is returned for settings that a broker does not know.
var ErrUnsupported = errors.New("the broker does not have these settings")

// Dunlin runs the project's own command as a process, configured by the environment alone.
type Dunlin struct {
	once sync.Once
	bin  string
	err  error
}

// Build compiles the command into dir, once.
func (d *Dunlin) Build(dir string) error {
	d.once.Do(func() { d.bin, d.err = build.Program(dir) })
	return d.err
}

// Start implements Broker.
func (d *Dunlin) Start(t testing.TB, settings []string, ws bool) (Node, error) {
	cmd := exec.Command(d.bin)
	cmd.Env = append(foreign(os.Environ()), envSettings(append(ownSettings(t.TempDir(), ws), settings...))...)
	node := Node{}
	err := start(t, &node, cmd, func(output string) bool {
		if !strings.Contains(output, "is running now!") {
			return false
		}
		node.TCP, node.WS = addressIn(output, "tcp"), addressIn(output, "ws")
		return true
	})
	return node, err
}

// ownSettings are those of a node with a data directory and ports of its own, which the system chooses: a port that was
// found free before can be somebody else's a moment later.
func ownSettings(dir string, ws bool) []string {
	s := []string{"node.data_dir = " + dir, "listener.tcp.external = 127.0.0.1:0", "listener.tcp.external.zone = external",
		"management.listener.http = off", "dashboard.listener.http = off"}
	if ws {
		s = append(s, "listener.ws.external = 127.0.0.1:0", "listener.ws.external.zone = external")
	}
	return s
}

// addressIn finds in what Dunlin prints at its start where its listener "external" of the kind is; "" if it has none.
func addressIn(output, kind string) string {
	for line := range strings.Lines(output) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == kind && f[1] == "external" {
			return f[2]
		}
	}
	return ""
}

// envSettings turns "zone.external.max_inflight = 2" into DUNLIN_ZONE__EXTERNAL__MAX_INFLIGHT=2. The later of two settings
// of one key wins.
func envSettings(settings []string) []string {
	var env []string
	for _, s := range settings {
		key, val, _ := strings.Cut(s, "=")
		name := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(key), ".", "__"))
		env = append(env, "DUNLIN_"+name+"="+strings.TrimSpace(val))
	}
	return env
}

// Mosquitto runs Eclipse Mosquitto, the yardstick that shows whether a scenario asks for what the standard says. It knows
// none of the project's settings.
type Mosquitto struct{}

// Start implements Broker.
func (Mosquitto) Start(t testing.TB, settings []string, ws bool) (Node, error) {
	if len(settings) > 0 {
		return Node{}, ErrUnsupported
	}
	node, err := freeNode(ws)
	if err != nil {
		return Node{}, err
	}
	answer := func(string) bool { return answers(node.TCP) && (node.WS == "" || answers(node.WS)) }
	listener := func(addr string) string {
		host, port, _ := net.SplitHostPort(addr)
		return "listener " + port + " " + host + "\n"
	}
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := "allow_anonymous true\n" + listener(node.TCP)
	if ws {
		text += listener(node.WS) + "protocol websockets\n"
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return Node{}, err
	}
	err = start(t, &node, exec.Command("mosquitto", "-c", conf), answer)
	return node, err
}

// foreign is an environment without what would configure the broker.
func foreign(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "DUNLIN_") || strings.HasPrefix(v, "EMQX_")
	})
}

// patience is how long a broker may take to start or to stop, on a machine that has other things to do.
const patience = time.Minute

// start runs the process, waits until it is ready, for which ready may look at what it has printed, and fills in Stop.
func start(t testing.TB, node *Node, cmd *exec.Cmd, ready func(output string) bool) error {
	var output testlog.Log
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait() // its verdict is of no interest: a broker that dies makes its scenarios fail
		close(exited)
	}()
	var once sync.Once
	node.Stop = func() {
		once.Do(func() {
			cmd.Process.Signal(syscall.SIGTERM) // fails only when it is gone already
			select {
			case <-exited:
			case <-time.After(patience):
				t.Errorf("the broker did not stop within %v of SIGTERM", patience)
				cmd.Process.Kill()
				<-exited
			}
		})
	}
	t.Cleanup(func() {
		node.Stop()
		if t.Failed() && testing.Verbose() {
			t.Logf("broker output:\n%s", output.String())
		}
	})
	return awaitReady(ready, exited, &output)
}

func awaitReady(ready func(output string) bool, exited <-chan struct{}, output *testlog.Log) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-exited:
			return fmt.Errorf("the broker ended at start:\n%s", output.String())
		case <-time.After(10 * time.Millisecond):
		}
		if ready(output.String()) {
			return nil
		}
	}
	return fmt.Errorf("the broker is not ready after %v:\n%s", patience, output.String())
}

func answers(addr string) bool {
	nc, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	nc.Close()
	return true
}

// freeNode asks the kernel for addresses nobody listens on; both are held until both are known, so they differ.
func freeNode(ws bool) (Node, error) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Node{}, err
	}
	defer tcp.Close()
	node := Node{TCP: tcp.Addr().String()}
	if !ws {
		return node, nil
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Node{}, err
	}
	defer web.Close()
	node.WS = web.Addr().String()
	return node, nil
}

// Farm shares brokers between scenarios: one per set of settings, but a fresh one for a scenario that wants to be alone.
type Farm struct {
	Broker Broker
	T      testing.TB // brokers live as long as this test
	mu     sync.Mutex
	nodes  map[string]func() (Node, error)
}

// For returns a broker with the settings of the scenario.
func (f *Farm) For(s Scenario) (Node, error) {
	ws := slices.ContainsFunc(s.steps, func(st step) bool { return st.verb == "open" && strings.HasPrefix(st.text, "ws") })
	if s.Alone {
		return f.Broker.Start(f.T, s.Config, ws)
	}
	config := slices.Sorted(slices.Values(s.Config))
	key := fmt.Sprint(ws, config)
	f.mu.Lock()
	if f.nodes == nil {
		f.nodes = map[string]func() (Node, error){}
	}
	start, ok := f.nodes[key]
	if !ok {
		start = sync.OnceValues(func() (Node, error) { return f.Broker.Start(f.T, config, ws) })
		f.nodes[key] = start
	}
	f.mu.Unlock()
	return start()
}
