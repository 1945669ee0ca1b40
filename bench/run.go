package bench

import (
	"context"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// run takes a plan through its phases, on one goroutine.
type run struct {
	o        *options
	plan     *plan
	engine   engine
	broker   processes
	reporter *reporter
	stats    *stats
	speaker  *speaker
	clients  []client
	result   result

	start    time.Time
	base     int64 // start in Unix nanoseconds
	stopping bool  // by Ctrl-C
	dials    dials
	traffic  traffic
	trouble  trouble
	pings    pings
	marks    marks
	offline  offline
	meeting  meeting
	phase    phase
	phaseEnd int64
	leaving  bool // ends of connections are no failures any more

	now     int64  // of the input that is being handled
	scratch []byte // the output of a client while it handles input
}

// phase does what is due in a part of the run and returns the part to go on
// with; nil ends the run.
type phase func(r *run, now int64) phase

// newRun prepares a run; nothing is connected yet.
func newRun(o *options, rep *reporter) (*run, error) {
	r := &run{o: o, plan: verbs[o.verb].plan(o), reporter: rep, stats: newStats(), start: time.Now()}
	r.base = r.start.UnixNano()
	var err error
	if r.broker, err = openProcesses(o.pids); err != nil {
		return nil, err
	}
	p := r.plan
	n := p.subscribers + p.publishers + p.idle
	if r.engine, err = newEngine(o, n, r); err != nil {
		return nil, err
	}
	r.speaker = &speaker{o: o, plan: p, to: r}
	r.stats.pairs = newPairs(o)
	r.clients = make([]client, n)
	for i := range r.clients {
		c := &r.clients[i]
		c.speaker, c.number = r.speaker, i
		nth := i // of its role
		switch {
		case i < p.subscribers:
			c.role, c.slow = subscriber, i >= p.subscribers-p.slow
		case i < p.subscribers+p.publishers:
			c.role, nth = publisher, i-p.subscribers
		}
		c.broker = o.brokerOf(c.role, nth)
		c.id = clientID(o, c.role, o.startNumber+i)
	}
	r.traffic = newTraffic(o)
	r.phase = connecting
	r.dialFrom(r.base, 0, n)
	if p.stored {
		r.phase, r.dials.end = enrolling, p.subscribers
		if o.meets() {
			r.dials.end = n
		}
	}
	return r, nil
}

// clock is the time in Unix nanoseconds. It never jumps within a run.
func (r *run) clock() int64 { return r.base + int64(time.Since(r.start)) }

// play runs until the plan is done or ctx is; then it still takes what is on
// its way.
func (r *run) play(ctx context.Context) (*result, error) {
	defer r.engine.stop()
	r.begin()
	for r.phase != nil {
		now := r.clock()
		r.stopping = r.stopping || ctx.Err() != nil
		r.phase = r.phase(r, now)
		r.publishDue()
		r.pingDue(now)
		r.tick(now)
		if err := r.engine.poll(r.patience()); err != nil {
			return nil, err
		}
	}
	r.finish()
	return &r.result, r.offline.err
}

// patience is how long the engine may wait for events when none come.
func (r *run) patience() time.Duration {
	if r.traffic.on || r.dials.started < r.dials.end {
		return time.Millisecond
	}
	return 20 * time.Millisecond
}

func connecting(r *run, now int64) phase {
	r.dialDue(now)
	settled := r.dials.started == r.dials.end && r.dials.pending == 0
	if !settled && now < r.phaseEnd && !r.stopping && !r.limitReached() {
		return connecting
	}
	r.abandon(now >= r.phaseEnd)
	return r.meet(connected)
}

func connected(r *run, now int64) phase {
	r.markConnected(now)
	r.phaseEnd = now + int64(r.o.hold)
	return holding
}

func holding(r *run, now int64) phase {
	if now < r.phaseEnd && !r.stopping && !r.limitReached() {
		return holding
	}
	r.markHeld(now)
	r.phaseEnd = now + int64(r.o.warmup)
	r.traffic.on = r.plan.publishers > 0
	return warming(r, now)
}

func warming(r *run, now int64) phase {
	if now < r.phaseEnd && !r.stopping && !r.limitReached() {
		return warming
	}
	if !r.plan.eager || !r.stopping && !r.limitReached() {
		r.markMeasure(now)
	}
	r.phaseEnd = now + int64(r.o.measure)
	r.beginTrouble(now)
	return measuring
}

func measuring(r *run, now int64) phase {
	r.troubleDue(now)
	timeIsUp := r.o.measure > 0 && now >= r.phaseEnd
	if !timeIsUp && !r.stopping && !r.limitReached() && r.stats.allReady()+r.dials.pending > 0 {
		return measuring
	}
	r.markMeasured(now)
	r.traffic.on = false
	r.phaseEnd = now + int64(r.o.drain)
	return draining
}

func draining(r *run, now int64) phase {
	r.troubleDue(now)
	if progress := r.arrived(); progress != r.traffic.arrived || r.trouble.slowUntil > 0 {
		r.traffic.arrived = progress
		r.phaseEnd = now + int64(r.o.drain)
	}
	if r.missing() && now < r.phaseEnd {
		return draining
	}
	r.markDrained()
	r.leaving = true
	for i := range r.clients {
		c := &r.clients[i]
		c.leave()
		r.engine.flush(c)
	}
	r.phaseEnd = now + int64(time.Second)
	return parting
}

// parting gives the broker time to close the connections itself.
func parting(r *run, now int64) phase {
	if r.stats.allReady() > 0 && now < r.phaseEnd {
		return parting
	}
	return nil
}

// opened, received and closed make run the engine's sink.

func (r *run) opened(c *client) {
	c.opened()
	r.engine.flush(c)
}

// received lends the client a buffer for its answers: an idle client has none.
func (r *run) received(c *client, data []byte) {
	r.now = r.clock()
	lent := len(c.out) == 0 && c.role != publisher
	if lent {
		c.out = r.scratch[:0]
	}
	err := c.feed(data)
	if err != nil {
		r.engine.close(c)
		r.closed(c, err)
	} else {
		r.engine.flush(c)
	}
	if lent {
		r.scratch = c.out[:0]
		c.out = append([]byte(nil), c.out...)
	}
}

func (r *run) closed(c *client, why error) {
	was := c.state
	c.state = gone
	switch was {
	case ready:
		r.stats.ready[c.role]--
	case dialing, greeting, subscribing:
		r.dials.pending--
	}
	switch {
	case r.leaving:
	case was == ready:
		r.stats.dropped[why.Error()]++
	default:
		r.stats.refused[why.Error()]++
	}
	c.in, c.out = nil, nil
}

// greeted, settled, delivered and acked make run the clients' listener.

func (r *run) greeted(c *client) { r.stats.connectedAfter(r.now - c.dialed) }

func (r *run) settled(c *client) {
	r.dials.pending--
	r.stats.ready[c.role]++
	r.stats.connected++
}

func (r *run) acked(_ *client, code mqtt.ReasonCode) {
	r.stats.acked++
	if code.Failed() {
		r.stats.rejected["not accepted: "+code.String()]++
	}
}

func (r *run) delivered(c *client, p *mqtt.Publish) {
	s, stamped := stampOf(p.Payload, r.now)
	if r.o.bothWays() {
		switch {
		case stamped && s.run == r.traffic.probeTag():
			r.probed(s)
			return
		case !stamped || s.run != r.traffic.run || s.sent < r.base:
			r.stats.foreign++
			return
		case c.slow:
			r.stats.slow++
			return
		}
		first, late := r.traffic.ledger.first(r.flow(c, s), s.sequence)
		if !first {
			r.stats.duplicates++
			return
		}
		if late && r.plan.ordered {
			r.stats.disordered++
		}
	}
	r.stats.delivered++
	if stamped && r.marks.measuring {
		r.stats.latency.add(r.now - s.sent)
		r.countPair(s.publisher, c, r.now-s.sent)
	}
	r.offline.took(r.now)
}

// flow numbers the messages that a publisher sends and one place receives: a
// subscriber, or all of them where each message has only one copy.
func (r *run) flow(c *client, s stamp) uint64 {
	if r.plan.single {
		return uint64(s.publisher)
	}
	return uint64(c.number)<<32 | uint64(s.publisher)
}
