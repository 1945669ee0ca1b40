package bench

// trouble is what a run does to its own subscribers.
type trouble struct {
	nextKill  int64 // 0: never
	turn      int   // subscriber to look at first
	slowUntil int64 // 0: nobody is slow now
}

// beginTrouble makes the slow ones slow and plans the first cut.
func (r *run) beginTrouble(now int64) {
	if r.o.killEvery > 0 && r.plan.subscribers > 0 {
		r.trouble.nextKill = now + int64(r.o.killEvery)
	}
	if r.plan.slow > 0 {
		r.trouble.slowUntil = now + int64(r.o.slowFor)
		r.pauseSlow(true)
	}
}

func (r *run) pauseSlow(on bool) {
	for i := range r.plan.subscribers {
		if c := &r.clients[i]; c.slow {
			r.engine.pause(c, on)
		}
	}
}

// troubleDue cuts a connection when it is time, lets those that were cut come
// back, and lets the slow ones read again.
func (r *run) troubleDue(now int64) {
	t := &r.trouble
	if t.slowUntil > 0 && now >= t.slowUntil {
		t.slowUntil = 0
		r.pauseSlow(false)
	}
	again := r.dials.again
	r.dials.again = nil
	for _, c := range again {
		r.dial(c)
	}
	if t.nextKill == 0 || now < t.nextKill || !r.traffic.on {
		return
	}
	t.nextKill = now + int64(r.o.killEvery)
	for range r.plan.subscribers {
		c := &r.clients[t.turn%r.plan.subscribers]
		t.turn++
		if c.state == ready {
			r.cut(c)
			return
		}
	}
}

// cut ends the connection without a word, as a crash of the client would.
func (r *run) cut(c *client) {
	r.engine.close(c)
	c.state, c.in, c.out = gone, nil, nil
	r.stats.ready[c.role]--
	r.stats.killed++
	r.dials.again = append(r.dials.again, c)
}
