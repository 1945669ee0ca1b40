package bench

import (
	"slices"
	"time"
)

// counts are the totals of a run; two of them make a rate.
type counts struct {
	sent, delivered, acked uint64
	connected              uint64 // connections that came to be ready
}

// stats is all that a run counts.
type stats struct {
	counts
	ready      [3]int            // connections that are, by role
	rejected   map[string]uint64 // messages that the broker acknowledged with a failure, by its word
	refused    map[string]uint64 // connections that never came to be ready, by reason
	dropped    map[string]uint64 // connections that ended unasked, by reason
	killed     uint64            // connections that --kill-every cut
	duplicates uint64            // deliveries of a message that had come before
	disordered uint64            // deliveries after one of a later message of the same publisher and topic
	foreign    uint64            // deliveries of messages that this run did not send
	slow       uint64            // deliveries to the slow subscribers

	latency histogram // of deliveries that are measured
	pairs   []pair    // of brokers, by from × number of brokers + to; nil: there is one
	connect []int64   // nanoseconds from dialling to CONNACK, of each connection
}

func newStats() *stats {
	return &stats{rejected: map[string]uint64{}, refused: map[string]uint64{}, dropped: map[string]uint64{}}
}

func (s *stats) allReady() int { return s.ready[idle] + s.ready[publisher] + s.ready[subscriber] }

func sum(by map[string]uint64) (n uint64) {
	for _, v := range by {
		n += v
	}
	return n
}

// maxConnectTimes bounds connect when connections are cut and come back.
const maxConnectTimes = 4 * maxConnections

func (s *stats) connectedAfter(d int64) {
	if len(s.connect) < maxConnectTimes {
		s.connect = append(s.connect, d)
	}
}

// connectQuantile sorts what was counted; it is for the end.
func (s *stats) connectQuantile(q float64) time.Duration {
	if len(s.connect) == 0 {
		return 0
	}
	slices.Sort(s.connect)
	return time.Duration(s.connect[min(int(q*float64(len(s.connect))), len(s.connect)-1)])
}
