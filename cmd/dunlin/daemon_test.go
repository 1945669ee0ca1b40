//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/node"
)

// installed is the program in a folder of its own, with links of the names of
// EMQ X's scripts, and the environment of one broker.
type installed struct {
	t    *testing.T
	dir  string
	env  []string
	addr string
}

func install(t *testing.T) *installed {
	t.Helper()
	i := &installed{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	for _, name := range []string{"emqx", "emqx_ctl"} {
		if err := os.Symlink(program, filepath.Join(i.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	i.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + i.dir,
		"DUNLIN_LISTENER__TCP__EXTERNAL=" + i.addr, "DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off",
	}
	t.Cleanup(func() {
		if pid, code := i.run("emqx", "pid"); code == 0 {
			n, _ := strconv.Atoi(strings.TrimSpace(pid))
			syscall.Kill(n, syscall.SIGKILL)
		}
	})
	return i
}

// run runs a command line, in whose folder the broker has data and log.
func (i *installed) run(name string, args ...string) (out string, code int) {
	i.t.Helper()
	c := exec.Command(filepath.Join(i.dir, name), args...)
	if name == "dunlin" {
		c.Path = program
	}
	c.Env, c.Dir = i.env, i.dir
	b, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		i.t.Fatal(err)
	}
	return string(b), c.ProcessState.ExitCode()
}

// expect runs a command line whose output must end with want.
func (i *installed) expect(want string, code int, name string, args ...string) {
	i.t.Helper()
	if out, got := i.run(name, args...); !strings.HasSuffix(out, want) || got != code {
		i.t.Errorf("%s %v: exit %d, expected %d:\n%swant\n%s", name, args, got, code, out, want)
	}
}

func (i *installed) pid() int {
	i.t.Helper()
	out, _ := i.run("dunlin", "pid")
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		i.t.Fatalf("pid: %s", out)
	}
	return pid
}

const silent = "Node 'dunlin@127.0.0.1' not responding to pings.\n"

// TestLifeInTheBackground is one of a broker that is started, asked, started
// again and stopped, under all names.
func TestLifeInTheBackground(t *testing.T) {
	i := install(t)
	i.expect(silent, 1, "dunlin", "ping")
	i.expect(silent, 1, "emqx", "pid")
	i.expect(silent, 1, "emqx", "stop")
	i.expect(silent, 1, "emqx", "restart")
	i.expect(silent, 1, "emqx_ctl", "status")

	i.expect(edition+" is started successfully!\n", 0, "emqx", "start")
	first := i.pid()
	dial(t, i.addr, "c1")
	i.expect("pong\n", 0, "emqx", "ping")
	i.expect("Node is already running!\n", 1, "dunlin", "start")
	if content, err := os.ReadFile(filepath.Join(i.dir, "data", "dunlin.pid")); string(content) != strconv.Itoa(first)+"\n" {
		t.Errorf("the file has %q, %v; want %d", content, err, first)
	}

	i.expect(edition+" is started successfully!\n", 0, "emqx", "restart")
	if i.pid() == first {
		t.Errorf("restarted, and still process %d", first)
	}
	dial(t, i.addr, "c1")
	i.expect("ok\n", 0, "dunlin", "stop")
	i.expect(silent, 1, "dunlin", "stop")
	if left, _ := filepath.Glob(filepath.Join(i.dir, "data", "*.pid")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestStartAfterAKill finds the file of the killed process, which says nothing.
func TestStartAfterAKill(t *testing.T) {
	i := install(t)
	i.expect("successfully!\n", 0, "dunlin", "start")
	killed := i.pid()
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if _, code := i.run("dunlin", "pid"); code != 0 {
			break
		}
	}
	i.expect(silent, 1, "dunlin", "stop")
	i.expect("successfully!\n", 0, "dunlin", "start")
	if i.pid() == killed {
		t.Errorf("it is still process %d", killed)
	}
}

// TestStartSaysWhatTheBrokerSays if it fails, and only once what it says if it
// doesn't: there may be a login in it.
func TestStartSaysWhatTheBrokerSays(t *testing.T) {
	other := start(t)
	i := install(t)
	good := i.env
	i.env = append(good[:len(good):len(good)], "DUNLIN_LISTENER__TCP__EXTERNAL="+other.addr)
	out, code := i.run("dunlin", "start")
	for _, want := range []string{"the port is taken", edition + " failed to start: exit status 1\n"} {
		if !strings.Contains(out, want) || code != 1 {
			t.Errorf("exit %d, %q is missing in:\n%s", code, want, out)
		}
	}
	i.env = append(good[:len(good):len(good)], "DUNLIN_MANAGEMENT__LISTENER__HTTP="+freeAddr(t), "DUNLIN_LOG__TO=console", "DUNLIN_LOG__LEVEL=info")
	if out, _ = i.run("dunlin", "start"); strings.Count(out, "curl -u admin:") != 1 {
		t.Errorf("no first login in:\n%s", out)
	}
	i.expect("ok\n", 0, "dunlin", "ctl", "banned", "add", "clientid", "c1") // which is logged
	for name, want := range map[string]bool{"console.log": false, "emqx.log": true} {
		text, err := os.ReadFile(filepath.Join(i.dir, "log", name))
		if err != nil || len(text) > 0 != want {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// TestSlowBrokers are left alone, and said so: one that can't open its log
// until somebody reads it, and one that doesn't get to the signal.
func TestSlowBrokers(t *testing.T) {
	i := install(t)
	i.env = append(i.env, "WAIT_FOR_ERLANG=1", "EMQX_WAIT_FOR_STOP=1")
	log := filepath.Join(i.dir, "log", "emqx.log")
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(log, 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := i.run("dunlin", "start")
	if !strings.Contains(out, edition+" failed to start within 1 seconds,\n") || code != 1 {
		t.Errorf("exit %d: %s", code, out)
	}
	f, err := os.OpenFile(log, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, code := i.run("dunlin", "ping"); code == 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the broker hasn't come")
		}
	}
	var pid int
	for until := time.Now().Add(time.Minute); pid == 0 && time.Now().Before(until); {
		out, _ := i.run("dunlin", "pid")
		pid, _ = strconv.Atoi(strings.TrimSpace(out))
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	i.expect("Stop failed, dangling after 1 seconds\nERROR: "+strconv.Itoa(pid)+" is still around\n", 1, "dunlin", "stop")
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// TestNames are how the program behaves under each of its names.
func TestNames(t *testing.T) {
	i := install(t)
	i.expect("successfully!\n", 0, "emqx", "start")
	f := func(want string, code int, name string, args ...string) {
		t.Helper()
		out, got := i.run(name, args...)
		if !strings.Contains(out, want) || got != code {
			t.Errorf("%s %v: exit %d, want %d; expected %q in:\n%s", name, args, got, code, want, out)
		}
	}
	f("Usage: emqx_ctl\n----", 0, "emqx_ctl")
	f("Usage: emqx_ctl\n----", 1, "emqx_ctl", "unknown")
	f("Usage: emqx ctl\n----", 1, "emqx", "ctl", "unknown")
	f("Usage: dunlin ctl\n----", 1, "dunlin", "ctl", "unknown")
	f("clients list  ", 0, "emqx_ctl", "clients", "unknown")
	f("clients list  ", 0, "emqx", "ctl", "clients", "unknown")
	f("clients list  ", 1, "dunlin", "ctl", "clients", "unknown")
	f("sasl scram add <", 0, "emqx_ctl", "sasl", "scram")
	f("Error: noexisted\n", 0, "emqx_ctl", "users", "update", "nobody", "x")
	f("Error: noexisted\n", 1, "dunlin", "ctl", "users", "update", "nobody", "x")
	f("Node 'dunlin@127.0.0.1' "+node.Version+" is started\n", 0, "emqx_ctl", "status")
	f("Start, stop and ask", 1, "emqx")
	f("Start, stop and ask", 1, "emqx", "unknown")
	f("Start, stop and ask", 0, "emqx", "help")
	f("* "+node.Version+"\tpermanent\n", 0, "emqx", "versions")
	f("emqx remote_console is about the Erlang runtime", 1, "emqx", "remote_console", "--any")
	f("the built-in configuration is ok\n", 0, "emqx", "check_conf")
	f("The configuration is valid.\n", 0, "dunlin", "check_conf")
	f("# bash completion", 0, "dunlin", "completion", "bash")
	f("kick\t", 0, "dunlin", "__complete", "ctl", "clients", "")
}

// TestConsoleOfEMQX has the lines of its console, from the start to the end.
func TestConsoleOfEMQX(t *testing.T) {
	i := install(t)
	c := exec.Command(filepath.Join(i.dir, "emqx"), "console")
	c.Env, c.Dir = i.env, i.dir
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Process.Kill()
	lines := bufio.NewScanner(out)
	f := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("no line %q", want)
	}
	f("Starting emqx on node dunlin@127.0.0.1")
	f("Start mqtt:tcp:external listener on " + i.addr + " successfully.")
	f("Dunlin " + node.Version + " is running now!")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	f("Stop mqtt:tcp:external listener on " + i.addr + " successfully.")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
