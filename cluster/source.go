package cluster

// source is another node as Routes knows it. Its routes stand in a slot of the
// table; while they are fetched anew, those of before stay in theirs.
type source struct {
	node   string
	up     bool
	downAt int64

	whole *replica // nil: none yet
	thin  bool     // of the whole only what durable sessions want is left
	fill  *replica // being fetched; nil: none
	from  string   // who is asked for fill: the node itself, or one who remembers it

	fetching bool   // parts of fill are missing
	cursor   uint64 // of the next one
	asks     bool   // an answer is awaited
	askedAt  int64
	tries    int // without an answer
}

// replica is a copy of a node's routes.
type replica struct {
	at     slot
	epoch  uint64
	seq    uint64 // of the last delta in it
	digest uint64
	routes uint64
}

// maxTries is how often one is asked who doesn't answer, before another is.
const maxTries = 5

// relay is what of an absent node's routes is being told to others.
type relay struct {
	epoch, seq uint64
	parts      [][]byte
	until      int64
}

const keepRelay = 30_000 // ms after the last that asked

func (r *Routes) source(node string) *source {
	s := r.sources[node]
	if s == nil {
		s = &source{node: node, from: node}
		r.sources[node] = s
	}
	return s
}

// newer reports whether the first version is the later one.
func newer(epoch, seq, thanEpoch, thanSeq uint64) bool {
	return epoch > thanEpoch || epoch == thanEpoch && seq > thanSeq
}

// follow is the copy that the news of an epoch belong to. nil: there is none,
// because it is of an earlier start of the node or the table is full.
func (r *Routes) follow(s *source, epoch uint64) *replica {
	switch {
	case s.fill != nil && s.fill.epoch == epoch:
		return s.fill
	case s.fill != nil && s.fill.epoch > epoch, s.whole != nil && s.whole.epoch > epoch:
		return nil
	case s.whole != nil && s.whole.epoch == epoch:
		return s.whole
	}
	if s.whole != nil && !s.thin { // the node has started anew
		r.table.thin(s.whole.at)
		s.thin = true
	}
	return r.begin(s, s.node, epoch)
}

// begin opens a copy to be filled; nil: the table is full. It counts at once,
// unless the one that is there is better than nothing. There are never two that
// count, or the node would get its messages twice.
func (r *Routes) begin(s *source, from string, epoch uint64) *replica {
	r.abandon(s)
	at, ok := r.table.take(s.node)
	if !ok {
		r.log.Error("there is no room for the routes of a node: messages are not forwarded to it", "node", s.node, "most", maxSlots)
		return nil
	}
	s.fill, s.from = &replica{at: at, epoch: epoch}, from
	if s.whole == nil || s.thin {
		if s.whole != nil {
			r.table.show(s.whole.at, false)
		}
		r.table.show(at, s.up)
	}
	return s.fill
}

// abandon gives up what is being fetched.
func (r *Routes) abandon(s *source) {
	if s.fill != nil {
		r.free(s.fill)
	}
	s.fill, s.from = nil, s.node
	s.fetching, s.cursor, s.asks, s.tries = false, 0, false, 0
}

// free gives up a copy.
func (r *Routes) free(c *replica) { r.table.free(c.at, c.routes > 0) }

// refill fetches all routes of a node whose copy has turned out to be wrong.
func (r *Routes) refill(s *source, from string, epoch uint64, now int64) {
	if r.begin(s, from, epoch) != nil {
		s.fetching = true
		r.ask(s, now)
	}
}

// finish puts what has been fetched in the place of what was there before.
func (r *Routes) finish(s *source) {
	if s.whole != nil {
		r.free(s.whole)
	}
	s.whole, s.fill, s.thin = s.fill, nil, s.from != s.node
	r.abandon(s)
	r.table.show(s.whole.at, s.up)
}

// ask asks for what is missing.
func (r *Routes) ask(s *source, now int64) {
	c := s.fill
	if c == nil {
		c = s.whole
	}
	if s.tries++; c == nil || s.from != s.node && s.tries > maxTries {
		r.abandon(s) // the next summary finds somebody else
		return
	}
	s.asks, s.askedAt = true, now
	r.sendTo(s.from, appendWant(nil, &want{origin: s.node, epoch: c.epoch, seq: c.seq, cursor: s.cursor, whole: s.fetching}))
}

// apply enters routes into a copy.
func (r *Routes) apply(c *replica, in *reader) error {
	for len(in.Left) > 0 {
		filter, interest := in.route()
		if in.Err != nil {
			break
		}
		old := r.table.set(filter, c.at, interest)
		c.digest += routeHash(c.epoch, filter, interest) - routeHash(c.epoch, filter, old)
		if old.none() {
			c.routes++
		}
		if interest.none() {
			c.routes--
		}
	}
	return in.Err
}

// present is the source of a node that is there; nil: it isn't, or not known to
// be, and what it says doesn't count.
func (r *Routes) present(node string) *source {
	if s := r.sources[node]; s != nil && s.up {
		return s
	}
	return nil
}

func (r *Routes) onDelta(from string, in *reader, now int64) error {
	epoch, seq := in.Number(), in.Number()
	s := r.present(from)
	if in.Err != nil || s == nil {
		return in.Err
	}
	c := r.follow(s, epoch)
	switch {
	case c == nil || seq <= c.seq:
		return nil
	case seq > c.seq+1:
		if !s.asks {
			r.ask(s, now)
		}
		return nil
	}
	s.askedAt, s.tries = now, 0
	c.seq = seq
	return r.apply(c, in)
}

func (r *Routes) onSummary(from string, in *reader, now int64) error {
	sum := in.summary()
	s := r.present(from)
	if in.Err != nil || s == nil {
		return in.Err
	}
	r.compare(s, &sum, now)
	for i := range sum.absent {
		r.hearOf(&sum.absent[i], from, now)
	}
	return nil
}

// compare looks whether we have all that a node says it has told.
func (r *Routes) compare(s *source, sum *summary, now int64) {
	c := r.follow(s, sum.epoch)
	switch {
	case c == nil || sum.seq < c.seq || s.fetching:
	case sum.seq > c.seq:
		if !s.asks {
			r.ask(s, now)
		}
	case c.digest != sum.digest || c.routes != sum.routes || c == s.whole && s.thin:
		r.refill(s, s.node, sum.epoch, now)
	case c == s.fill:
		r.finish(s)
	default:
		s.asks, s.tries = false, 0
	}
}

// hearOf compares what we have of a node that isn't there with what another
// node has: whoever missed its last words, or came later, learns them so.
func (r *Routes) hearOf(a *absent, from string, now int64) {
	s := r.sources[a.node]
	if s == nil || s.up || s.fill != nil || s.whole != nil && !newer(a.epoch, a.seq, s.whole.epoch, s.whole.seq) {
		return
	}
	if c := r.begin(s, from, a.epoch); c != nil {
		c.seq, s.fetching = a.seq, true
		r.ask(s, now)
	}
}

func (r *Routes) onPart(from string, in *reader, now int64) error {
	p := in.part()
	s := r.sources[p.origin]
	if in.Err != nil || s == nil || s.from != from || s.up != (from == s.node) {
		return in.Err
	}
	c := s.fill
	switch {
	case p.cursor == 0 && from == s.node: // all of it, asked for or because the deltas are gone
		if c == nil && (s.whole == nil || s.whole.epoch != p.epoch) || c != nil && c.epoch != p.epoch {
			return nil
		}
		if c != nil && c.routes > 0 && p.seq <= c.seq { // an answer to what was asked twice
			return nil
		}
		if c == nil || c.routes > 0 {
			c = r.begin(s, from, p.epoch)
		}
		if c == nil {
			return nil
		}
		c.seq = p.seq
	case c == nil || c.epoch != p.epoch || !s.fetching || p.cursor != s.cursor:
		return nil
	} // if a delta was lost meanwhile the summary tells, and then it and all later ones come again
	if err := r.apply(c, in); err != nil {
		return err
	}
	s.fetching, s.cursor, s.tries = p.next != 0, p.next, 0
	switch {
	case s.fetching:
		r.ask(s, now)
	case from != s.node:
		r.finish(s)
	default: // a summary follows
		s.asks, s.askedAt = true, now
	}
	return nil
}
