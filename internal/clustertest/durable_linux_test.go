package clustertest

import (
	"testing"
	"time"
)

// TestKilledNode: a node that is killed again and again, at any moment, while
// clients publish, subscribe, come and go, loses no message that it has
// acknowledged, repeats none of QoS 2, keeps the order and forgets no session.
func TestKilledNode(t *testing.T) {
	n := started(t, nil)
	run := Workload{Publishers: 4, Subscribers: 6, Topics: 4, Rate: 200, Size: 100, Away: 300 * time.Millisecond}.Start(t, n)
	for i := range 6 {
		time.Sleep(time.Duration(300+150*i) * time.Millisecond)
		n.Kill()
		run.History.Note("the node is killed")
		n.Start()
	}
	report := run.Finish()
	report.Require(t)
	t.Log(report)
}
