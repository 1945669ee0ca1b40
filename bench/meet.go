package bench

import "time"

// Several brokers that are one take a moment until each knows what clients of
// the others have subscribed to, and a message that is published in that moment
// is no lost one. So the run begins when a round of probes, one from each
// publisher, has reached everybody it should.
const (
	meetEvery = 100 * time.Millisecond // between two rounds
	meetMost  = 30 * time.Second       // then the run begins all the same
)

// meeting is what a run knows of its probes. They are no messages of the run:
// their tag is another one, and nobody counts them.
type meeting struct {
	round    uint32
	at       int64  // when it began
	expected uint64 // deliveries of a round
	arrived  uint64 // of this one
	met      bool
}

// probeTag is the tag of probes of a run.
func (t *traffic) probeTag() uint16 { return t.run ^ 1 }

// meet sends probes until a round is complete, and goes on with then. One broker
// needs none.
func (r *run) meet(then phase) phase {
	if !r.o.meets() {
		return then
	}
	until := r.clock() + int64(meetMost)
	var wait phase
	wait = func(r *run, now int64) phase {
		m := &r.meeting
		if m.met || now > until || r.stopping || r.stats.ready[publisher] == 0 {
			return then
		}
		if now-m.at >= int64(meetEvery) {
			r.probe(now)
		}
		return wait
	}
	return wait
}

// probe begins a round. Publishers that use all topics in turn share them.
func (r *run) probe(now int64) {
	m, t, p := &r.meeting, &r.traffic, r.plan
	*m = meeting{round: m.round + 1, at: now}
	probes := p.publishers
	if r.o.spread {
		probes = max(probes, r.o.topics)
	}
	payload := make([]byte, stampSize)
	for i := range probes {
		c := &r.clients[p.subscribers+i%p.publishers]
		if c.state != ready {
			continue
		}
		topic, copies := p.topic(c, uint64(i))
		stamp{sent: now, run: t.probeTag(), publisher: uint32(i % p.publishers), sequence: m.round}.put(payload)
		c.sendProbe(topic, payload)
		r.engine.flush(c)
		m.expected += uint64(copies + p.slow)
	}
	m.met = m.expected == 0
}

// probed takes the delivery of a probe.
func (r *run) probed(s stamp) {
	if m := &r.meeting; s.sequence == m.round {
		m.arrived++
		m.met = m.arrived >= m.expected
	}
}

// meets reports whether the run has probes.
func (o *options) meets() bool {
	return len(o.brokers) > 1 && o.bothWays() && o.size >= stampSize && o.publishers > 0
}
