package clienttest

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/build"
)

// program is the built command; TestMain makes it.
var program string

func TestMain(m *testing.M) {
	// Most of these tests wait for clocks and other processes: twice as many
	// as there are processors would leave these idle.
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(8, runtime.GOMAXPROCS(0)))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(build.Main(m, func(path string) { program = path }))
}

// patience is how long a test waits for what must happen. It is far above what
// anything takes, because the machine may be busy with other tests.
const patience = 20 * time.Second

// process is a running broker.
type process struct {
	cmd  *exec.Cmd
	dir  string              // node.data_dir
	addr map[listener]string // where it listens
	gone chan struct{}       // closed when it has exited

	mu  sync.Mutex
	out strings.Builder
}

// listener is a listener's kind and name, "tcp external".
type listener string

// start runs a broker with one listener of each kind ("tcp ws") on free ports
// and the settings "key=value", all given by the environment, and returns when
// it accepts connections. It is stopped at the end of the test.
func start(t testing.TB, kinds string, settings ...string) *process {
	t.Helper()
	for _, kind := range strings.Fields(kinds) {
		settings = append(settings, "listener."+kind+".external=127.0.0.1:0")
	}
	return run(t, exec.Command(program), settings...)
}

// run is start for a command that becomes the broker in the end.
func run(t testing.TB, cmd *exec.Cmd, settings ...string) *process {
	t.Helper()
	p := launch(t, cmd, settings...)
	if !p.ready(t) {
		t.Fatalf("the broker ended at start:\n%s", p.output())
	}
	return p
}

// launch starts a broker and doesn't wait for anything.
func launch(t testing.TB, cmd *exec.Cmd, settings ...string) *process {
	t.Helper()
	p := &process{cmd: cmd, dir: t.TempDir(), addr: make(map[listener]string), gone: make(chan struct{})}
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "DUNLIN_NODE__DATA_DIR="+p.dir, "DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off")
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		cmd.Env = append(cmd.Env, "DUNLIN_"+strings.ToUpper(strings.ReplaceAll(key, ".", "__"))+"="+value)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	err = cmd.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	go p.collect(read)
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("the broker's output:\n%s", p.output())
		}
	})
	return p
}

// collect reads what the process prints until it has exited.
func (p *process) collect(out io.ReadCloser) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.mu.Lock()
		p.out.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
	}
	out.Close()
	p.cmd.Wait() // its verdict is in ProcessState
	close(p.gone)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

var (
	greeted  = regexp.MustCompile(`(?m)^Dunlin \S+ is running now!`)
	listens  = regexp.MustCompile(`(?m)^  (tcp|ssl|ws|wss|quic) +(\S+) +([0-9.]+:[0-9]+)`)
	tickSoon = 5 * time.Millisecond
)

// ready waits for what the broker prints when it accepts; false: it has
// exited.
func (p *process) ready(t testing.TB) bool {
	t.Helper()
	for until := time.Now().Add(patience); !greeted.MatchString(p.output()); {
		if time.Now().After(until) {
			t.Fatalf("the broker didn't say in %v where it listens:\n%s", patience, p.output())
		}
		select {
		case <-p.gone:
			return false
		case <-time.After(tickSoon):
		}
	}
	for _, m := range listens.FindAllStringSubmatch(p.output(), -1) {
		p.addr[listener(m[1]+" "+m[2])] = m[3]
	}
	return true
}

// tcp is the address of the listener that nearly every test uses.
func (p *process) tcp() string { return p.addr["tcp external"] }

// stop ends the process as an operator would, and sees that it goes.
func (p *process) stop(t testing.TB) {
	t.Helper()
	select {
	case <-p.gone:
		return
	default:
	}
	p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has just gone
	select {
	case <-p.gone:
	case <-time.After(patience):
		t.Errorf("the broker didn't stop within %v of SIGTERM", patience)
		p.cmd.Process.Kill() // the same
		<-p.gone
	}
}

// memory is the resident memory of the process in bytes.
func (p *process) memory(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	need(t, err == nil, fmt.Sprintf("/proc, to read the broker's memory from (%v)", err))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// need is how a test says what it can't do without: where every peer is
// promised its lack is an error, elsewhere the test skips and says so.
func need(t testing.TB, there bool, what string) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("DUNLIN_REQUIRE_PEERS") == "1":
		t.Fatalf("%s is needed and DUNLIN_REQUIRE_PEERS=1", what)
	default:
		t.Skipf("%s is needed", what)
	}
}

// needTool is need for a program.
func needTool(t testing.TB, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	need(t, err == nil, name+" (scripts/setup-debian.sh)")
}
