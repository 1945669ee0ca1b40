package bench

import "time"

// traffic is the publishing side of a run.
type traffic struct {
	on       bool
	credit   float64 // messages that are due and not sent; below 1 if all goes well
	last     int64   // up to when credit counts
	turn     int     // the publisher that is next
	expected uint64  // deliveries that all that was sent should cause
	arrived  uint64  // what had arrived when it was last looked at
	since    int64   // when that last changed
	forgiven uint64  // messages that the closed loop waits for no longer
	run      uint16  // tag of the messages
	ledger   *ledger
	payload  []byte
	touched  []*client // have something to flush
}

func newTraffic(o *options) traffic {
	t := traffic{payload: make([]byte, o.size), run: newRunTag(), ledger: newLedger(gapsOf(o))}
	for i := range t.payload {
		t.payload[i] = 'x'
	}
	copy(t.payload, o.message)
	return t
}

// maxBatch bounds what one pass sends, so that what arrives has its turn.
const maxBatch = 1 << 16

// publishDue sends what is due, a message from each publisher in turn. A
// publisher that is held back is left out; what is due then stays due.
func (r *run) publishDue() {
	t := &r.traffic
	if !t.on {
		return
	}
	budget := r.budget(r.clock())
	publishers := r.clients[r.plan.subscribers : r.plan.subscribers+r.plan.publishers]
	for skipped := 0; budget > 0 && skipped < len(publishers); {
		c := &publishers[t.turn%len(publishers)]
		t.turn++
		if !c.mayPublish() {
			skipped++
			continue
		}
		skipped = 0
		budget--
		r.publish(c)
	}
	for _, c := range t.touched {
		r.engine.flush(c)
	}
	t.touched = t.touched[:0]
}

func (r *run) publish(c *client) {
	t := &r.traffic
	topic, copies := r.plan.topic(c, r.stats.sent)
	if len(t.payload) >= stampSize && r.o.message == "" {
		s := stamp{sent: r.clock(), run: t.run, publisher: uint32(c.number - r.plan.subscribers), sequence: c.sequence}
		s.put(t.payload)
	}
	if len(c.out) == 0 {
		t.touched = append(t.touched, c)
	}
	c.sendMessage(topic, t.payload)
	r.stats.sent++
	t.credit--
	t.expected += uint64(copies)
}

// budget is the number of messages to send now.
func (r *run) budget(now int64) int {
	t := &r.traffic
	if t.last == 0 {
		t.last = now
	}
	elapsed := float64(now - t.last)
	t.last = now
	var n int
	switch {
	case r.o.rate > 0:
		t.credit += elapsed / float64(time.Second) * r.o.rate
		n = int(t.credit)
	case r.o.intervalOfMsg > 0:
		t.credit += elapsed / float64(r.o.intervalOfMsg) * float64(r.stats.ready[publisher])
		n = int(t.credit)
	default:
		n = r.window(now)
	}
	if limit := r.o.limit; limit > 0 {
		n = min(n, int(limit-min(limit, r.stats.sent)))
	}
	return min(n, maxBatch)
}

// window is the room left in the closed loop: the next message goes out when
// an earlier one has arrived. What does not arrive within a second is given
// up, or one lost message would take its place for ever.
func (r *run) window(now int64) int {
	t := &r.traffic
	if arrived := r.arrived(); arrived != t.arrived {
		t.arrived, t.since = arrived, now
	}
	var waiting uint64
	switch {
	case t.expected > 0 && !r.plan.stored:
		waiting = t.expected - min(t.expected, r.stats.delivered)
		waiting = waiting * r.stats.sent / t.expected // deliveries to messages
	case r.o.qos > 0:
		waiting = r.stats.sent - min(r.stats.sent, r.stats.acked)
	}
	if now-t.since > int64(time.Second) {
		t.forgiven = max(t.forgiven, waiting)
	}
	waiting -= min(waiting, t.forgiven)
	return r.o.window - int(min(waiting, uint64(r.o.window)))
}

// arrived counts all that has come back.
func (r *run) arrived() uint64 {
	s := r.stats
	return s.delivered + s.acked + s.slow + s.duplicates
}

// missing reports whether something is still on its way.
func (r *run) missing() bool {
	s := r.stats
	unsent := false
	for i := range r.clients {
		unsent = unsent || len(r.clients[i].out) > 0
	}
	return unsent || s.delivered < r.traffic.expected || r.o.qos > 0 && s.acked < s.sent ||
		s.slow < s.sent*uint64(r.plan.slow)
}

// limitReached reports whether --limit is: of messages received where none are
// sent.
func (r *run) limitReached() bool {
	if r.o.limit == 0 {
		return false
	}
	if r.plan.publishers == 0 {
		return r.stats.delivered >= r.o.limit
	}
	return r.stats.sent >= r.o.limit
}
