package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/build"
	"github.com/dunlin-mq/dunlin/internal/peers"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// program is the built command, and promised whether every peer must be there;
// TestMain sets both.
var (
	program  string
	promised bool
)

func TestMain(m *testing.M) {
	os.Setenv("TZ", "UTC") // the zone that the sessions in testdata are written in; time.Local is being read already
	promised = os.Getenv("DUNLIN_REQUIRE_PEERS") == "1"
	for _, v := range os.Environ() { // of the tests, and no settings of a broker
		if strings.HasPrefix(v, "DUNLIN_") || strings.HasPrefix(v, "EMQX_") {
			name, _, _ := strings.Cut(v, "=")
			os.Unsetenv(name)
		}
	}
	os.Exit(build.Main(m, func(path string) { program = path }))
}

// execute runs the command to its end with nothing but env in its environment.
func execute(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env = append(env, "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir())
	c.Dir = t.TempDir()
	b, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(b), c.ProcessState.ExitCode()
}

// process is a running broker.
type process struct {
	*exec.Cmd
	out  *bytes.Buffer
	addr string
}

// start starts a broker with one TCP listener on a free port and waits until
// it accepts.
func start(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program), out: new(bytes.Buffer), addr: freeAddr(t)}
	p.Env = append([]string{
		"DUNLIN_LISTENER__TCP__EXTERNAL=" + p.addr, "DUNLIN_NODE__DATA_DIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
		"DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off",
	}, env...)
	p.Stdout, p.Stderr = p.out, p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			p.Process.Kill()
			p.Wait()
		}
	})
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			c.Close()
			return p
		}
		if time.Now().After(until) {
			t.Fatalf("the broker doesn't accept connections; it printed:\n%s", p.out)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", peers.FreePort(t))
}

// dial connects a version 5 client and returns after its CONNACK.
func dial(t *testing.T, addr, id string) (net.Conn, *reader) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if _, err := nc.Write(mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: id}, mqtt.V5)); err != nil {
		t.Fatal(err)
	}
	r := &reader{nc: nc, stream: mqtt.Stream{Version: mqtt.V5, Client: true}}
	if k, ok := r.next(t).(*mqtt.Connack); !ok || k.Code != mqtt.Success {
		t.Fatalf("CONNECT was answered with %v", k)
	}
	return nc, r
}

type reader struct {
	nc      net.Conn
	stream  mqtt.Stream
	decoder mqtt.Decoder
	buf     []byte
}

func (r *reader) next(t *testing.T) mqtt.Packet {
	t.Helper()
	r.nc.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		p, n, err := r.decoder.Next(&r.stream, r.buf)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			r.buf = r.buf[n:]
			return p
		}
		chunk := make([]byte, 4096)
		k, err := r.nc.Read(chunk)
		if err != nil {
			t.Fatal(err)
		}
		r.buf = append(r.buf, chunk[:k]...)
	}
}

func TestVersion(t *testing.T) {
	out, code := execute(t, nil, "version")
	if code != 0 || !strings.HasPrefix(out, "dunlin ") || !strings.Contains(out, runtime.Version()) {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestStopTellsVersion5Clients(t *testing.T) {
	p := start(t)
	_, r := dial(t, p.addr, "c1")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if k, ok := r.next(t).(*mqtt.Disconnect); !ok || k.Code != mqtt.ServerShuttingDown {
		t.Errorf("the client got %v, expected DISCONNECT 0x8B", k)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, p.out)
	}
}

func TestStartSaysWhatItListensTo(t *testing.T) {
	p := start(t)
	p.Process.Signal(syscall.SIGTERM)
	p.Wait()
	for _, want := range []string{"Dunlin ", p.addr, "Only this machine can connect", "DUNLIN_LISTENER__TCP__EXTERNAL=0.0.0.0:1883"} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, p.out)
		}
	}
}

func TestTakenPortIsASentence(t *testing.T) {
	p := start(t)
	out, code := execute(t, []string{"DUNLIN_LISTENER__TCP__EXTERNAL=" + p.addr})
	if code == 0 || !strings.Contains(out, "listener.tcp.external = "+p.addr) || !strings.Contains(out, "the port is taken") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestMisspelledVariableStopsTheStart(t *testing.T) {
	out, code := execute(t, []string{"DUNLIN_ZONE__EXTERNAL__MAX_INFLIGTH=64"})
	if code == 0 || !strings.Contains(out, "DUNLIN_ZONE__EXTERNAL__MAX_INFLIGTH") || !strings.Contains(out, "max_inflight") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestMisspelledKeyStopsCheckConfigAndStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "emqx.conf")
	if err := os.WriteFile(file, []byte("node.name = dunlin@127.0.0.1\nalow_anonymous = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check-config", "--config", file}, {"--config", file}} {
		out, code := execute(t, nil, args...)
		for _, want := range []string{"alow_anonymous", file + ":2", "allow_anonymous"} {
			if code == 0 || !strings.Contains(out, want) {
				t.Errorf("%v: exit %d, %q is missing in: %s", args, code, want, out)
			}
		}
	}
}

func TestCheckConfigListsWhatHasNoEffect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "emqx.conf")
	if err := os.WriteFile(file, []byte("node.process_limit = 2048000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := execute(t, []string{"DUNLIN_CONFIG=" + file}, "check-config")
	if code != 0 || !strings.Contains(out, "node.process_limit") || !strings.Contains(out, "The configuration is valid.") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestListenersCanBeSwitchedOff(t *testing.T) {
	p := start(t, "DUNLIN_LISTENER__TCP__INTERNAL=off")
	p.Process.Signal(syscall.SIGTERM)
	p.Wait()
	if strings.Contains(p.out.String(), "internal") {
		t.Errorf("the internal listener is open:\n%s", p.out)
	}
}

func TestAnonymousCanBeRefused(t *testing.T) {
	p := start(t, "DUNLIN_ALLOW_ANONYMOUS=false")
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.Write(mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: "x"}, mqtt.V5))
	r := &reader{nc: nc, stream: mqtt.Stream{Version: mqtt.V5, Client: true}}
	if k, ok := r.next(t).(*mqtt.Connack); !ok || k.Code != mqtt.NotAuthorized {
		t.Errorf("got %v, expected CONNACK 0x87", k)
	}
}

func TestUnusableDataDirectoryIsASentence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := execute(t, []string{"DUNLIN_LISTENER__TCP__EXTERNAL=" + freeAddr(t), "DUNLIN_NODE__DATA_DIR=" + file + "/data"})
	if code == 0 || !strings.Contains(out, "node.data_dir") {
		t.Errorf("exit %d: %s", code, out)
	}
}
