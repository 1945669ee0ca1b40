package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// rounds is how long the tests of faults between nodes go on: so many rounds of
// each fault, and ten times as many kills. `make faults ROUNDS=2` sets it; without
// it they are skipped, as they take minutes.
func rounds(t testing.TB) int {
	t.Helper()
	text := os.Getenv("DUNLIN_FAULT_ROUNDS")
	if text == "" {
		t.Skip("DUNLIN_FAULT_ROUNDS, how many rounds of faults between nodes there are, is not set")
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("DUNLIN_FAULT_ROUNDS is %q, expected how many rounds, from 1", text)
	}
	return n
}

// clustered is the workload of these tests: lighter than that of one node, as
// the nodes share the machine. Its publishers are steady, for nodes without a
// majority refuse what they can't keep.
var clustered = Workload{
	Publishers: 3, Subscribers: 6, Groups: 1, Topics: 3, Rate: 50, Size: 200, Away: 500 * time.Millisecond,
	Reconnect: Failover, Promise: AtLeastOnce, Steady: true,
}

// while is how long a fault of a round lasts: longer than nodes need to miss
// each other, the first time.
func while(round int) time.Duration {
	if round == 0 {
		return 8 * time.Second
	}
	return rand.N(20 * time.Second)
}

// meet waits until messages published at any of the nodes reach clients at any
// other, and returns how long that took.
func meet(t *testing.T, nodes ...*Node) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	var ears []*client
	for _, n := range nodes {
		c := newClient(ctx, NewHistory(), fmt.Sprintf("ear-%s-%d", n.Name, rand.Uint64()), 0, n.Dial)
		if err := c.subscribe(ctx, probeTopics+c.id, 1); err != nil {
			fail(t, nodes, "%v", err)
		}
		ears = append(ears, c)
	}
	for _, n := range nodes {
		if err := reaches(ctx, n, ears...); err != nil {
			fail(t, nodes, "%v", err)
		}
	}
	cancel()
	for _, c := range ears {
		c.wg.Wait()
	}
	return time.Since(began).Round(time.Millisecond)
}

// heals waits until the nodes are one cluster again, and says how long that took.
func heals(t *testing.T, run *Run, nodes ...*Node) {
	t.Helper()
	run.History.Note("the fault is over")
	t.Logf("after %v all nodes reached each other", meet(t, nodes...))
	joined(t, nodes...)
	run.History.Note("healed")
}
