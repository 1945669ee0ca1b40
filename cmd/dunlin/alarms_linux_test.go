package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dunlin-mq/dunlin/mqtt"
)

const alarmTopics = "$SYS/brokers/dunlin@127.0.0.1/alarms/"

// watchAlarms subscribes to the alarms of a broker.
func watchAlarms(t *testing.T, addr string) *reader {
	t.Helper()
	nc, r := dial(t, addr, "watcher")
	s := &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: alarmTopics + "+"}}}
	if _, err := nc.Write(mqtt.Append(nil, s, mqtt.V5)); err != nil {
		t.Fatal(err)
	}
	if k, ok := r.next(t).(*mqtt.Suback); !ok || k.Codes[0] != mqtt.Success {
		t.Fatalf("SUBSCRIBE was answered with %v", k)
	}
	return r
}

// told waits until an alarm is published on a topic, and returns what is.
func told(t *testing.T, r *reader, topic, name string) map[string]any {
	t.Helper()
	for {
		m, ok := r.next(t).(*mqtt.Publish)
		if !ok {
			t.Fatal("expected PUBLISH")
		}
		var v map[string]any
		if err := json.Unmarshal(m.Payload, &v); err != nil {
			t.Fatalf("%s: %s: %v", m.Topic, m.Payload, err)
		}
		if m.Topic == alarmTopics+topic && (v["name"] == name || v["id"] == name) {
			if m.QoS != 0 || m.Retain {
				t.Errorf("%s: QoS %d, retained %v", m.Topic, m.QoS, m.Retain)
			}
			return v
		}
	}
}

// TestAlarmsOverARestart: subscribers are told of an alarm in both forms, the
// command line shows it, and after kill -9 it is history.
func TestAlarmsOverARestart(t *testing.T) {
	dir := t.TempDir()
	env := []string{"DUNLIN_NODE__DATA_DIR=" + dir, "DUNLIN_OS_MON__MEM_CHECK_INTERVAL=1s", "DUNLIN_OS_MON__SYSMEM_HIGH_WATERMARK=0%"}
	p := start(t, env...)
	r := watchAlarms(t, p.addr)
	v := told(t, r, "activate", "high_system_memory_usage")
	if v["message"] != "System memory usage is higher than 0%" || v["deactivate_at"] != "infinity" ||
		fmt.Sprint(v["details"]) != "map[high_watermark:0]" || time.Since(time.UnixMicro(int64(v["activate_at"].(float64)))) > time.Minute {
		t.Errorf("published: %v", v)
	}
	told(t, r, "alert", "system_memory_high_watermark")
	f := func(want string, args ...string) {
		t.Helper()
		out, code := execute(t, nil, append([]string{"ctl", "--data-dir", dir, "alarms"}, args...)...)
		if code != 0 || !strings.HasPrefix(out, want) || want == "" && out != "" {
			t.Errorf("%v: exit %d: %s, want %s", args, code, out, want)
		}
	}
	const shown = "Alarm(high_system_memory_usage, message=System memory usage is higher than 0%, activate_at="
	f(shown, "list")
	f("", "history")
	f("ok\n", "deactivate", "high_system_memory_usage")
	if v := told(t, r, "deactivate", "high_system_memory_usage"); v["deactivate_at"] == "infinity" || v["details"] != "no_details" {
		t.Errorf("published: %v", v)
	}
	told(t, r, "clear", "system_memory_high_watermark")
	told(t, r, "activate", "high_system_memory_usage") // it is found again
	f(shown, "history")

	p.Process.Kill()
	p.Wait()
	start(t, append(env, "DUNLIN_OS_MON__SYSMEM_HIGH_WATERMARK=100%")...)
	f("", "list")
	f(shown, "history")
	f("ok\n", "clear")
	f("", "history")
}

// TestAlarmsOfParts: a backend that doesn't answer and a process without
// descriptors have their alarms as long as that lasts.
func TestAlarmsOfParts(t *testing.T) {
	backend, dir := freeAddr(t), t.TempDir()
	p := start(t, "DUNLIN_NODE__DATA_DIR="+dir, "DUNLIN_OS_MON__MEM_CHECK_INTERVAL=1s", "DUNLIN_OS_MON__SYSMEM_HIGH_WATERMARK=100%",
		"DUNLIN_AUTH__HTTP__ENABLE=on", "DUNLIN_AUTH__HTTP__AUTH_REQ__URL=http://"+backend+"/", "DUNLIN_AUTH__HTTP__ON_ERROR=ignore")
	r := watchAlarms(t, p.addr)
	for i := range 10 {
		dial(t, p.addr, fmt.Sprint("c", i))
	}
	v := told(t, r, "activate", "resource/auth/http/down")
	if details, _ := v["details"].(map[string]any); v["message"] != "Resource auth(http) is down" || details["id"] != "http" ||
		!strings.Contains(fmt.Sprint(details["error"]), "refused") {
		t.Errorf("published: %v", v)
	}
	l, err := net.Listen("tcp", backend)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Second}
	go s.Serve(l)
	defer s.Close()
	told(t, r, "deactivate", "resource/auth/http/down")

	var before unix.Rlimit
	if err := unix.Prlimit(p.Process.Pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 40, Max: before.Max}
	if err := unix.Prlimit(p.Process.Pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	var crowd []net.Conn
	for range 60 { // more than it may accept
		if nc, err := net.Dial("tcp", p.addr); err == nil {
			crowd = append(crowd, nc)
		}
	}
	tellAll(t, r, "activate", "too_many_open_files", "listener/tcp/external/failed")
	if err := unix.Prlimit(p.Process.Pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	for _, nc := range crowd {
		nc.Close()
	}
	tellAll(t, r, "deactivate", "too_many_open_files", "listener/tcp/external/failed")
}

// tellAll waits until some alarms were published on a topic, in any order.
func tellAll(t *testing.T, r *reader, topic string, names ...string) {
	t.Helper()
	for missing := len(names); missing > 0; {
		m, ok := r.next(t).(*mqtt.Publish)
		if !ok || m.Topic != alarmTopics+topic {
			continue
		}
		var v struct{ Name string }
		if err := json.Unmarshal(m.Payload, &v); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(names, v.Name) {
			missing--
		}
	}
}
