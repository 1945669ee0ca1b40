package clustertest

import (
	"testing"
	"time"
)

// unlimited lets sessions keep whatever comes while their clients are away.
const unlimited = "zone.external.max_mqueue_len=0"

func started(t *testing.T, network *Network, settings ...string) *Node {
	t.Helper()
	n := NewNode(t, program, network, settings...)
	n.Start()
	return n
}

// TestWorkload: while no process and no disk fails, one node loses nothing,
// repeats no QoS 2 message, keeps the order, and its account balances, however
// its clients come and go.
func TestWorkload(t *testing.T) {
	homes(t, func(t *testing.T, network *Network) {
		n := started(t, network, unlimited)
		run := Workload{Publishers: 3, Subscribers: 4, Groups: 1, Topics: 3, Rate: 150, Size: 100, Away: 300 * time.Millisecond}.Start(t, n)
		time.Sleep(3 * time.Second)
		report := run.Finish()
		report.Require(t)
		if report.Unknown > 0 {
			t.Errorf("%d messages were never acknowledged:\n%v", report.Unknown, report)
		}
		account := RequireBalance(t, n)[0]
		if account.Published < int64(report.Acknowledged) || account.Delivered+account.Queued+account.Dropped["qos0_msg"] < int64(report.Acknowledged) {
			t.Errorf("%d messages were acknowledged, the account says %+v", report.Acknowledged, account)
		}
	})
}

// TestWorkloadFindsLoss: sessions that hold one message lose what comes while
// their clients are away, and the report says so.
func TestWorkloadFindsLoss(t *testing.T) {
	n := started(t, nil, "zone.external.max_mqueue_len=1", "zone.external.session_durability=memory")
	run := Workload{Publishers: 2, Subscribers: 2, Topics: 1, Rate: 200, Away: 300 * time.Millisecond}.Start(t, n)
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		var a Accounting
		if err := n.Get("/accounting", &a); err != nil {
			t.Fatal(err)
		}
		if a.Dropped["queue_full"] > 10 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was dropped: %+v", a)
		}
	}
	run.quiet = 2 * time.Second // it is lost already
	if report := run.Finish(); report.Lost == 0 {
		t.Errorf("the loss was not found:\n%v", report)
	}
	RequireBalance(t, n)
}

// TestWorkloadOverHang: a node that hangs for a while loses nothing, as long
// as it goes on.
func TestWorkloadOverHang(t *testing.T) {
	n := started(t, nil, unlimited)
	run := Workload{Publishers: 2, Subscribers: 2, Topics: 2, Rate: 100}.Start(t, n)
	time.Sleep(500 * time.Millisecond)
	for range 2 {
		run.History.Note("the node hangs")
		n.Pause()
		time.Sleep(time.Second)
		n.Resume()
		time.Sleep(500 * time.Millisecond)
	}
	run.Finish().Require(t)
	RequireBalance(t, n)
}
