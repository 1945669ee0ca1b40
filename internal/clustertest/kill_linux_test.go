package clustertest

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// standard is what most tests let happen: every QoS, subscribers that come and
// go.
var standard = Workload{Publishers: 4, Subscribers: 5, Topics: 3, Rate: 100, Size: 200, Away: 400 * time.Millisecond}

// judge ends the run: no defect, nothing without an answer, and accounts that
// balance.
func judge(t *testing.T, run *Run, nodes ...*Node) {
	t.Helper()
	report := run.Finish()
	_, err := balances(nodes...)
	if err := errors.Join(err, report.Err()); err != nil {
		fail(t, nodes, "%v", err)
	}
	if report.Unknown > 0 {
		fail(t, nodes, "%d messages have no answer:\n%v", report.Unknown, report)
	}
	t.Logf("no defect:\n%v", report)
}

// TestKillLoop: kill -9 at random moments loses nothing acknowledged and repeats
// no QoS 2 message, of sessions and publishers that are there, away, or coming.
func TestKillLoop(t *testing.T) {
	n := started(t, nil, unlimited)
	run := standard.Start(t, n)
	for i := range *kills {
		time.Sleep(20*time.Millisecond + rand.N(300*time.Millisecond))
		n.Kill()
		run.History.Note("kill %d", i+1)
		time.Sleep(rand.N(100 * time.Millisecond))
		n.Start()
	}
	judge(t, run, n)
}

// TestKillInPairs: a node that is killed again while it starts, or just after,
// loses nothing either.
func TestKillInPairs(t *testing.T) {
	n := started(t, nil, unlimited)
	run := standard.Start(t, n)
	for i := range max(*kills/5, 1) {
		time.Sleep(rand.N(300 * time.Millisecond))
		n.Kill()
		run.History.Note("kill %d", i+1)
		for range 2 {
			n.StartAndKill(rand.N(600 * time.Millisecond))
		}
		n.Start()
	}
	judge(t, run, n)
}

// TestStopLoop: stopping in order loses nothing and keeps every session.
func TestStopLoop(t *testing.T) {
	n := started(t, nil, unlimited)
	run := standard.Start(t, n)
	for range max(*kills/5, 1) {
		time.Sleep(rand.N(300 * time.Millisecond))
		n.Stop()
		run.History.Note("stopped")
		n.Start()
	}
	judge(t, run, n)
}

// TestKillWhileAway: sessions whose clients are all away get what came before
// the kill and after it, in order.
func TestKillWhileAway(t *testing.T) {
	n := started(t, nil, unlimited)
	w := standard
	w.Away = 0
	run := w.Start(t, n)
	for _, c := range run.subscribers {
		c.stay(8*time.Second, false)
	}
	for range 3 {
		time.Sleep(time.Second)
		n.Restart()
		run.History.Note("killed and started")
	}
	judge(t, run, n)
}

// TestKillGroups: what was acknowledged for shared groups of durable members comes
// to one of each group, at QoS 2 once, however often the node is killed, whoever
// comes and goes, also while no member is there.
func TestKillGroups(t *testing.T) {
	n := started(t, nil, unlimited)
	w := standard
	w.Subscribers, w.Groups = 2, 2
	run := w.Start(t, n)
	kill := func() {
		time.Sleep(20*time.Millisecond + rand.N(300*time.Millisecond))
		n.Restart()
		run.History.Note("killed and started")
	}
	for range max(*kills/5, 3) {
		kill()
	}
	for _, c := range run.subscribers {
		c.stay(3*time.Second, false)
	}
	for range 2 {
		kill()
	}
	judge(t, run, n)
}

// TestOtherAddress: the data belongs to the directory, not to an address.
func TestOtherAddress(t *testing.T) {
	n := started(t, nil, unlimited)
	run := standard.Start(t, n)
	for range 3 {
		time.Sleep(500 * time.Millisecond)
		n.Readdress()
		run.History.Note("moved to %v", n.Addr())
	}
	judge(t, run, n)
}
