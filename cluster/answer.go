package cluster

// sendSummary tells a node where we are.
func (r *Routes) sendSummary(node string) {
	sum := summary{epoch: r.epoch, seq: r.seq}
	digest, told := r.own.sum()
	sum.digest, sum.routes = digest, uint64(told)
	for _, s := range r.sources {
		if !s.up && s.whole != nil {
			sum.absent = append(sum.absent, absent{s.node, s.whole.epoch, s.whole.seq})
		}
	}
	r.sendTo(node, appendSummary(nil, &sum))
}

func (r *Routes) onWant(from string, in *reader, now int64) error {
	w := in.want()
	if in.Err != nil || r.present(from) == nil {
		return in.Err
	}
	if w.origin != r.self {
		r.tellAbsent(from, &w, now)
		return nil
	}
	if w.epoch != r.epoch {
		r.sendSummary(from)
		return nil
	}
	if !w.whole && !r.resend(from, w.seq) {
		w.whole, w.cursor = true, 0
	}
	if w.whole && r.sendPart(from, w.cursor) {
		return nil
	}
	r.sendSummary(from)
	return nil
}

// resend repeats the deltas after seq; false: they aren't all there any more.
func (r *Routes) resend(node string, after uint64) bool {
	missing := r.seq - min(after, r.seq)
	if missing > uint64(len(r.ring)) {
		return false
	}
	for _, m := range r.ring[uint64(len(r.ring))-missing:] {
		r.sendTo(node, m)
	}
	return true
}

// sendPart sends the shards from cursor on until it is enough; more tells
// whether any are left.
func (r *Routes) sendPart(node string, cursor uint64) (more bool) {
	var routes []byte
	next := cursor
	for next < ownShards && len(routes) < r.sizes.message {
		routes = r.own.shard(int(next), routes)
		next++
	}
	more = next < ownShards
	if !more {
		next = 0
	}
	r.sendTo(node, appendPart(nil, &part{origin: r.self, epoch: r.epoch, seq: r.seq, cursor: cursor, next: next}, routes))
	return more
}

// tellAbsent sends a part of what we remember of a node that isn't there.
func (r *Routes) tellAbsent(to string, w *want, now int64) {
	s := r.sources[w.origin]
	if s == nil || s.up || s.whole == nil || s.whole.epoch != w.epoch || s.whole.seq != w.seq {
		return
	}
	relay := r.relay(s)
	relay.until = now + keepRelay
	if w.cursor >= uint64(len(relay.parts)) {
		return
	}
	next := (w.cursor + 1) % uint64(len(relay.parts))
	p := part{origin: w.origin, epoch: w.epoch, seq: w.seq, cursor: w.cursor, next: next}
	r.sendTo(to, appendPart(nil, &p, relay.parts[w.cursor]))
}

// relay gathers what durable sessions of an absent node want, in parts.
func (r *Routes) relay(s *source) *relay {
	old := r.relays[s.node]
	if old != nil && old.epoch == s.whole.epoch && old.seq == s.whole.seq {
		return old
	}
	parts := [][]byte{nil}
	r.table.each(s.whole.at, func(filter string, in Interest) {
		if last := len(parts) - 1; in.Durable {
			parts[last] = appendRoute(parts[last], filter, Interest{Durable: true})
			if len(parts[last]) >= r.sizes.message {
				parts = append(parts, nil)
			}
		}
	})
	fresh := &relay{epoch: s.whole.epoch, seq: s.whole.seq, parts: parts}
	r.relays[s.node] = fresh
	return fresh
}
