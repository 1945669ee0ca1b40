package node

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// configured is the default configuration with a data directory of its own and
// one listener on a port that the system chooses.
func configured(t *testing.T, env ...string) *Config {
	t.Helper()
	c, _, err := LoadConfig("", append([]string{
		"DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:0", "DUNLIN_NODE__DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"DUNLIN_MANAGEMENT__LISTENER__HTTP=127.0.0.1:0",
		"DUNLIN_DASHBOARD__LISTENER__HTTP=127.0.0.1:0",
	}, env...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStartAndStop(t *testing.T) {
	n, err := Start(configured(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	status := n.Server.Listeners()
	if len(status) != 1 || status[0].Protocol != "tcp" || status[0].Name != "external" || status[0].Zone != "external" {
		t.Fatalf("listeners: %+v", status)
	}
	nc, err := net.Dial("tcp", status[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write(mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V311, CleanStart: true, ClientID: "c"}, mqtt.V311)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := nc.Read(answer); err != nil || string(answer) != "\x20\x02\x00\x00" {
		t.Errorf("CONNECT was answered with % x, %v", answer, err)
	}
	n.Stop()
	if c, err := net.Dial("tcp", status[0].Addr.String()); err == nil {
		c.Close()
		t.Error("the listener accepts after Stop")
	}
}

// A start that fails halfway must leave nothing open.
func TestFailedStartLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()

	_, err = Start(configured(t, "DUNLIN_LISTENER__TCP__EXTERNAL="+addr, "DUNLIN_LISTENER__TCP__SECOND="+taken.Addr().String()), nil)
	if err == nil || !strings.Contains(err.Error(), "listener.tcp.second = "+taken.Addr().String()) {
		t.Fatalf("got %v", err)
	}
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the first listener is still open: %v", err)
	}
	again.Close()
}

func TestUnusableDataDir(t *testing.T) {
	c := configured(t)
	if err := os.WriteFile(c.Node.DataDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(c, nil)
	var e *DataDirError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "node.data_dir = "+c.Node.DataDir) || errors.Unwrap(err) == nil {
		t.Errorf("got %v", err)
	}
}

func TestWebSocketPath(t *testing.T) {
	c := configured(t, "DUNLIN_LISTENER__WS__EXTERNAL=127.0.0.1:0", "DUNLIN_LISTENER__WS__EXTERNAL__MQTT_PATH=/here")
	if got := c.WebSocketPath("ws", "external"); got != "/here" {
		t.Errorf("got %q", got)
	}
	if got := c.WebSocketPath("tcp", "external"); got != "" {
		t.Errorf("tcp has the path %q", got)
	}
}

// TestNothingIsLeftOfAStartThatFailed: what was begun before the management
// API found its port taken has ended.
func TestNothingIsLeftOfAStartThatFailed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := runtime.NumGoroutine()
	for _, what := range []string{"MANAGEMENT", "DASHBOARD"} {
		_, err := Start(configured(t, "DUNLIN_"+what+"__LISTENER__HTTP="+taken.Addr().String()), nil)
		if err == nil || !strings.Contains(err.Error(), "the port is taken") {
			t.Fatalf("%s: it started, or %v", what, err)
		}
	}
	for until := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			stacks := make([]byte, 64<<10)
			t.Fatalf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}
