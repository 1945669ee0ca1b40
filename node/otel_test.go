package node

import (
	"net"
	"strings"
	"testing"
	"time"
)

// TestDeafCollector raises an alarm while nobody takes what is sent. What the
// exporter counts is in the registry, and nothing of it is there when it is off.
func TestDeafCollector(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	run := func(env ...string) *Node {
		c, _, err := LoadConfig("", append(env, "DUNLIN_NODE__DATA_DIR="+t.TempDir(), "DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:0",
			"DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off", "DUNLIN_OPENTELEMETRY__EXPORTER__ENDPOINT="+nobody.Addr().String()))
		if err != nil {
			t.Fatal(err)
		}
		n, err := Start(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Stop)
		return n
	}
	n := run("DUNLIN_OPENTELEMETRY__METRICS__ENABLE=on", "DUNLIN_OPENTELEMETRY__METRICS__INTERVAL=100ms")
	const name = "resource/opentelemetry/metrics/down"
	for until := time.Now().Add(30 * time.Second); !n.Alarms.IsActive(name); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("no alarm; down: %v", n.OTel.Down())
		}
	}
	if a := n.Alarms.Active()[0]; a.Message != "Resource opentelemetry(metrics) is down" || !strings.Contains(a.Details["error"].(string), "refused") {
		t.Errorf("alarm: %+v", a)
	}
	if s, ok := n.Metrics.Get("opentelemetry.requests.failed"); !ok || s.Value == 0 {
		t.Errorf("failed requests: %v", s)
	}
	off := run()
	if _, there := off.Metrics.Get("opentelemetry.requests.failed"); there || off.OTel != nil {
		t.Error("it is there although it is off")
	}
}
