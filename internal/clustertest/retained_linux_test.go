package clustertest

import (
	"fmt"
	"net/http"
	"testing"
)

// TestRetainedAndDelayedOverAKill: what was acknowledged is there after
// kill -9, and what was deleted is not.
func TestRetainedAndDelayedOverAKill(t *testing.T) {
	n := started(t, nil)
	publish := func(topic, payload string) {
		t.Helper()
		body := fmt.Sprintf(`{"topic":%q,"payload":%q,"qos":1,"retain":true,"clientid":"c"}`, topic, payload)
		if err := n.Call(http.MethodPost, "/mqtt/publish", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	const many = 30
	for i := range many {
		publish(fmt.Sprint("kept/", i), "x")
		publish(fmt.Sprint("$delayed/86400/later/", i), "x")
	}
	publish("kept/0", "")
	n.Kill()
	n.Start()
	count := func(path string, want int) {
		t.Helper()
		var rows []struct{ Topic string }
		if err := n.Get(path, &rows); err != nil || len(rows) != want {
			t.Errorf("%s: %d of %d are there, %v", path, len(rows), want, err)
		}
	}
	count("/retained?_limit=100&topic=kept/%23", many-1)
	count("/delayed?_limit=100", many)
}
