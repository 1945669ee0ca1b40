package clienttest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAlarmWebhook has a server that fails and hangs before it takes an alarm
// of a running broker.
func TestAlarmWebhook(t *testing.T) {
	t.Parallel()
	took := make(chan map[string]any, 10)
	calls := 0 // the requests come one after the other
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch calls++; calls {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 2:
			<-r.Context().Done()
			return
		}
		var alarm map[string]any
		if err := json.Unmarshal(body, &alarm); err != nil || r.Method != http.MethodPost || r.URL.Path != "/hook" || r.Header.Get("X-Key") != "k" {
			t.Errorf("%s %s: %s (%v)", r.Method, r.URL, body, err)
		}
		took <- alarm
	}))
	defer web.Close()
	b := start(t, "tcp", "alarm.actions=webhook", "alarm.webhook.url="+web.URL+"/hook", "alarm.webhook.headers.x-key=k",
		"alarm.webhook.request_timeout=200ms", "os_mon.mem_check_interval=100ms", "os_mon.sysmem_high_watermark=0%")
	alarm := <-took
	activated, _ := alarm["activated"].(bool)
	if alarm["action"] != "alarm_activated" || alarm["name"] != "high_system_memory_usage" || alarm["node"] != "dunlin@127.0.0.1" || !activated {
		t.Errorf("came: %v", alarm)
	}
	if out := b.output(); strings.Contains(out, "is activated") {
		t.Errorf("the log isn't among the actions:\n%s", out)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0") // the system takes connections for it, and it says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	stuck := start(t, "tcp", "alarm.actions=webhook", "alarm.webhook.url=http://"+mute.Addr().String(), "alarm.webhook.request_timeout=1h",
		"os_mon.mem_check_interval=100ms", "os_mon.sysmem_high_watermark=0%")
	connect(t, stuck.tcp(), "c").disconnect(t) // and at its end the broker must stop in time
}
