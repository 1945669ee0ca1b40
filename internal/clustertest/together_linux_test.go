package clustertest

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestRetainedAnywhere: a retained message is retained on all nodes, and a
// deleted one on none.
func TestRetainedAnywhere(t *testing.T) {
	nodes := newCluster(t, nil, 3)
	publish := func(n *Node, topic, payload string) {
		t.Helper()
		body := fmt.Sprintf(`{"topic":%q,"payload":%q,"qos":1,"retain":true,"clientid":"c"}`, topic, payload)
		if err := n.Call(http.MethodPost, "/mqtt/publish", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int) {
		t.Helper()
		for _, n := range nodes {
			for deadline := time.Now().Add(gathering); ; time.Sleep(20 * time.Millisecond) {
				var rows []struct{ Topic string }
				err := n.Get("/retained?_limit=100&topic=kept/%23", &rows)
				if err == nil && len(rows) == want {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s has %d retained messages (%v), want %d", n.Name, len(rows), err, want)
				}
			}
		}
	}
	for i := range 30 {
		publish(nodes[i%3], fmt.Sprint("kept/", i), "x")
	}
	count(30)
	for i := range 20 {
		publish(nodes[i%2], fmt.Sprint("kept/", i), "")
	}
	count(10)
}

// TestDelayedOfTheDead: what a node took that was killed is published by another.
func TestDelayedOfTheDead(t *testing.T) {
	nodes := newCluster(t, nil, 3)
	delay := func(n *Node, seconds int, payload string) {
		t.Helper()
		body := fmt.Sprintf(`{"topic":"$delayed/%d/late","payload":%q,"qos":1,"retain":true,"clientid":"c"}`, seconds, payload)
		if err := n.Call(http.MethodPost, "/mqtt/publish", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	delay(nodes[1], 1, "of the dead")
	delay(nodes[1], 86400, "much later")
	delay(nodes[2], 86400, "of the living")
	nodes[1].Kill()
	for deadline := time.Now().Add(gathering); ; time.Sleep(50 * time.Millisecond) {
		var there []struct{ Topic string }
		waiting := 0
		err := nodes[2].Get("/retained?_limit=100&topic=late", &there)
		for _, n := range []*Node{nodes[0], nodes[2]} {
			var rows []struct{ Topic string }
			if err == nil {
				err = n.Get("/delayed?_limit=100", &rows)
			}
			waiting += len(rows)
		}
		if err == nil && len(there) == 1 && waiting == 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are published, %v wait on the others, %v", len(there), waiting, err)
		}
	}
}
