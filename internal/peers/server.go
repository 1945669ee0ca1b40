package peers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Server is one running process and where it listens. It ends with the test.
// Its methods belong to the goroutine of the test, which they fail.
type Server struct {
	Host string // 127.0.0.1
	Port int
	Dir  string // of its own; the server may write to it

	t     testing.TB
	spec  spec
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has exited
}

// spec is how a server is started.
type spec struct {
	name  string
	argv  []string
	env   []string // besides PATH
	ready func() error
	// asUs runs it as the user of the test, even as root: its files lie where
	// nobody else may be able to look.
	asUs bool
	// do runs a func in the network that the server lives in; nil: that of the test.
	do func(f func())
}

// patience is how long a server may take until it answers; the machine may be
// busy with other tests.
const patience = 60 * time.Second

// launch starts a server on a port in a folder that newDir made, and returns
// when it answers.
func launch(t testing.TB, port int, dir string, s spec) *Server {
	t.Helper()
	if s.do == nil {
		s.do = func(f func()) { f() }
	}
	if s.ready == nil {
		s.ready = func() error { return accepts(loopback(port)) }
	}
	server := &Server{Host: "127.0.0.1", Port: port, Dir: dir, t: t, spec: s}
	t.Cleanup(func() {
		server.end()
		if t.Failed() {
			t.Logf("what %s printed:\n%s", s.name, server.Output())
		}
	})
	server.Start()
	return server
}

// Addr is host:port.
func (s *Server) Addr() string { return loopback(s.Port) }

// Start starts the server after Kill, with the same port and files, and
// returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	out, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	s.cmd = command(s.spec.argv, s.spec.env, s.spec.asUs)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Dir, out, out
	if s.spec.do(func() { err = s.cmd.Start() }); err != nil {
		s.t.Fatalf("start %s: %v", s.spec.name, err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		cmd.Wait() //nolint:errcheck // its verdict is in ProcessState
		close(ended)
	}(s.cmd, s.ended)
	s.await()
}

func (s *Server) await() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		var err error
		if s.spec.do(func() { err = s.spec.ready() }); err == nil {
			return
		}
		select {
		case <-s.ended:
			s.t.Fatalf("%s ended at start: %v", s.spec.name, s.cmd.ProcessState)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s doesn't answer after %v: %v", s.spec.name, patience, err)
		}
	}
}

// Kill ends the server and the processes it has started, without a chance to
// say goodbye.
func (s *Server) Kill() {
	s.t.Helper()
	s.end()
}

func (s *Server) end() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	pause(s.cmd.Process.Pid) //nolint:errcheck // so that it starts no more of them; it may have ended by itself
	family := descendants(s.cmd.Process.Pid)
	s.cmd.Process.Kill() //nolint:errcheck // as above
	<-s.ended
	for _, pid := range family {
		kill(pid)
	}
	for deadline := time.Now().Add(patience); anyAlive(family) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// Pause stops the server's processes in the middle of what they do, and
// Resume lets them go on. Connections stay open meanwhile, and silent.
func (s *Server) Pause() { s.t.Helper(); s.signal(pause) }

// Resume ends a Pause.
func (s *Server) Resume() { s.t.Helper(); s.signal(resume) }

func (s *Server) signal(send func(pid int) error) {
	s.t.Helper()
	for _, pid := range append([]int{s.cmd.Process.Pid}, descendants(s.cmd.Process.Pid)...) {
		if err := send(pid); err != nil && pid == s.cmd.Process.Pid {
			s.t.Fatalf("signal to %s: %v", s.spec.name, err)
		}
	}
}

// Output is the end of what the server has printed.
func (s *Server) Output() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	const enough = 16 << 10
	return string(text[max(0, len(text)-enough):])
}

func (s *Server) logFile() string { return filepath.Join(s.Dir, "output.log") }

// newDir makes a folder that servers may use, whoever they run as. Its name is
// short: sockets in it have paths of 108 bytes at most.
func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peer") //nolint:usetesting // t.TempDir lies below a folder closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	give(t, dir)
	return dir
}

// write puts a file that only the server may read into its folder.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	give(t, path)
	return path
}

// run runs a command to its end, with input, and returns what it prints; it
// fails the test if the command fails.
func run(t testing.TB, c *exec.Cmd, input string) string {
	t.Helper()
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(c.Path), err, out)
	}
	return string(out)
}

// check runs a command that finds out whether a server answers.
func check(c *exec.Cmd) error {
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// accepts reports whether somebody takes connections.
func accepts(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	return errors.Join(err, closeIf(c))
}

func closeIf(c net.Conn) error {
	if c == nil {
		return nil
	}
	return c.Close()
}
