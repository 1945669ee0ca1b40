package cluster

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/host"
)

var (
	simulatedRoutes = flag.Int("routes", 20_000, "routes of the whole cluster in TestSimulation")
	simulatedNodes  = flag.Int("nodes", 5, "nodes in TestSimulation")
)

// filterOf is a filter such as a fleet of devices has: one in ten with wildcards.
func filterOf(i int) string {
	if i%10 == 0 {
		return fmt.Sprintf("site/%d/device/%07d/#", i%97, i)
	}
	return fmt.Sprintf("site/%d/device/%07d/cmd", i%97, i)
}

func heapBytes() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// spent is the processor time of this process, which tells more on a busy machine
// than the time that passes; where nobody says it, that.
func spent() time.Duration {
	p, err := host.ReadProcess()
	if err != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(p.CPU * float64(time.Second))
}

// TestSimulation builds a cluster of synthetic routes and reports what it costs:
//
//	go test -run Simulation -v ./cluster -args -routes 1000000 -nodes 5
func TestSimulation(t *testing.T) {
	s := newSim(1)
	total, count := *simulatedRoutes, *simulatedNodes
	nodes := map[string]*routed{}
	each := total / count
	before := heapBytes()
	filters := make([][]string, count)
	for i := range count {
		for k := range each {
			filters[i] = append(filters[i], filterOf(i*each+k))
		}
	}
	text := heapBytes() - before

	before, began := heapBytes(), spent()
	for i := range count {
		r := startRouted(t, s, fmt.Sprintf("n%d", i))
		r.routes.sizes.message, r.routes.sizes.ring = maxMessage, maxRing
		nodes[r.node.id] = r
		if i == 0 {
			continue
		}
		for _, f := range filters[i] {
			r.routes.Added(f, false)
		}
		r.routes.Tick(s.now)
		r.routes.Tick(s.now + gatherNews) // nobody is there to hear it yet
	}
	own := heapBytes() - before
	t.Logf("%d routes on %d nodes; texts of %d bytes", total, count, text/total)
	t.Logf("own: %d bytes a filter besides its text, %v each", own/(each*(count-1)), (spent()-began)/time.Duration(each*(count-1)))

	// The first node joins; the others have no routes of each other, so that all
	// that is allocated is what the first learns.
	first := nodes["n0"]
	for id, r := range nodes {
		if id != "n0" {
			r.node.sees = map[string]*simNode{"n0": first.node}
			for other := range nodes {
				r.node.sees[other] = nodes[other].node
			}
			r.routes.Up("n0")
		}
	}
	before, began = heapBytes(), spent()
	simulated, bytes := s.now, s.bytes
	s.run(1000)
	for first.routes.table.Filters() < each*(count-1) && s.now < simulated+60_000 {
		s.run(10)
	}
	took := spent() - began
	learned := first.routes.table.Filters()
	if learned != each*(count-1) {
		t.Fatalf("the node has learned %d of %d routes", learned, each*(count-1))
	}
	t.Logf("join: %d routes take %v of processors for all nodes together, %v each; %d bytes a route on the wire",
		learned, took.Round(time.Millisecond), took/time.Duration(learned), (s.bytes-bytes)/learned)
	t.Logf("others': %d bytes a filter, its text included", (heapBytes()-before)/learned)

	// until has the simulation run until the first node knows so many filters.
	until := func(filters int) (ms int64) {
		from := s.now
		for first.routes.table.Filters() < filters && s.now < from+60_000 {
			s.run(1)
		}
		return s.now - from
	}
	news := func(k int) {
		for i := range 1000 {
			nodes["n1"].routes.Added(fmt.Sprintf("news/%d/%d", k, i), false)
		}
	}
	news(1)
	t.Logf("1000 new routes are known after %d ms, of which the network takes up to %d", until(learned+1000), s.delay)
	s.cut[[2]string{"n1", "n0"}], s.cut[[2]string{"n0", "n1"}] = true, true
	first.down("n1")
	nodes["n1"].down("n0")
	news(2)
	s.run(10_000)
	clear(s.cut)
	bytes = s.bytes
	first.up("n1")
	nodes["n1"].up("n0")
	healed := until(learned + 2000)
	t.Logf("1000 that came during a split of 10 s are known %d ms after it, with %d KB sent", healed, (s.bytes-bytes)>>10)
	if got := first.routes.table.Filters(); got != learned+2000 {
		t.Errorf("the node knows %d filters, want %d", got, learned+2000)
	}

	began = spent()
	first.routes.Down("n1", s.now)
	first.routes.Forget("n1")
	t.Logf("forgetting a node takes %v of processors", (spent() - began).Round(time.Millisecond))
	runtime.KeepAlive(filters)
}

func BenchmarkTableMatch(b *testing.B) {
	t := newTable()
	at, _ := t.take("n1")
	t.show(at, true)
	for i := range 1_000_000 {
		t.set(filterOf(i), at, Interest{Plain: true})
	}
	names := make([]string, 4096)
	for i := range names {
		names[i] = fmt.Sprintf("site/%d/device/%07d/cmd", (i*211)%97, i*211)
	}
	var m Matches
	i, n := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		t.Match(names[i%len(names)], &m)
		n += m.Plain.Len()
		i++
	}
	if n == 0 {
		b.Fatal("nothing has matched")
	}
}
