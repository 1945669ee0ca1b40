package cluster

import (
	"iter"
	"slices"

	"github.com/dunlin-mq/dunlin/broker"
)

// claim is a client id that this node wants, while it asks for it.
type claim struct {
	id    string
	epoch uint64
	clean bool
	done  []func(outbid bool)
	own   uint64 // rank of the session that is here already, if there is one

	granted bool
	opening int // connections that have been told so and have not called Opened
	over    bool

	passing []byte // a session that was found and goes to who has outbid us

	waits   set // members whose answer is missing
	skipped set // members that are not waited for
	told    bool
	endAt   int64 // when those who haven't answered are skipped
	againAt int64 // when what is missing is asked for again

	offers []*offer
	rivals []rival // newer claims of others, which get what we find
}

// offer is a session that another node keeps for a claim.
type offer struct {
	node  string
	rank  uint64
	total uint64
	state []byte // what has arrived
}

// rival is another node's claim to the same client id.
type rival struct {
	node  string
	epoch uint64
}

// claimBatch is the claims that were sent in one message.
type claimBatch struct {
	claims  []*claim // nil: they are settled late
	late    []ask
	waits   set
	endAt   int64
	againAt int64
}

// Claim makes a client id this node's, see broker.Claims. done is called with the
// lock held. ClaimHere: no other node can have it; if it turns out that the
// session that is here has gone meanwhile, or the client wants a new one, claim
// again.
func (c *Claims) Claim(id string, clean bool, now int64, done func(outbid bool)) broker.Claimed {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	if cl := c.open[id]; cl != nil { // two connections here: the later one takes over from the other, as ever
		cl.clean = cl.clean || clean && !cl.told
		cl.done = append(cl.done, done)
		return broker.ClaimAsked
	}
	switch up, away := c.there(); {
	case up|away == 0:
		return broker.ClaimAlone
	case away == 0 && !clean && c.held[id] == nil && c.sessions.Has(id):
		return broker.ClaimHere
	}
	c.begin(&claim{id: id, clean: clean, done: []func(bool){done}}, now)
	return broker.ClaimAsked
}

// Opened tells that a connection that was granted its client id has its session
// now, or has gone. From now on it can be taken by other nodes.
func (c *Claims) Opened(id string, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl := c.open[id]; cl != nil && cl.granted {
		cl.opening--
		c.close(cl, now)
	}
}

// begin opens a claim, to be sent with the next batch.
func (c *Claims) begin(cl *claim, now int64) {
	cl.epoch, cl.endAt, cl.againAt = c.next(now), now+claimTime, now+claimTime
	cl.waits, cl.skipped = c.there()
	cl.own = liveRank
	if u := c.unsettled[cl.id]; u != nil {
		cl.own |= u.epoch
	}
	c.open[cl.id] = cl
	c.ready = append(c.ready, cl)
	c.Stats.Claimed.Inc()
	if len(c.ready) == 1 {
		c.wake()
	}
}

// there are the members that can be reached, and those that can't.
func (c *Claims) there() (up, away set) {
	for _, m := range c.members {
		if m.up {
			up |= m.bit()
		} else {
			away |= m.bit()
		}
	}
	return up, away
}

// remember notes that members have not heard of a claim.
func (c *Claims) remember(id string, epoch uint64, missing set, now int64) {
	switch {
	case missing == 0:
		delete(c.unsettled, id)
		return
	case len(c.unsettled) >= maxUnsettled && c.unsettled[id] == nil:
		c.Stats.Forgotten.Inc()
		return
	}
	c.unsettled[id] = &unsettled{epoch: epoch, missing: missing}
	c.Stats.Skipped.Inc()
	for _, m := range c.members {
		if m.up && missing&m.bit() != 0 && m.settleAt == 0 {
			m.settleAt = now + claimAgain
		}
	}
}

// flush sends the claims that are ready.
func (c *Claims) flush(now int64) {
	ready := c.ready
	c.ready = nil
	for some := range messages(ready, func(cl *claim) string { return cl.id }) {
		b := &claimBatch{claims: some, endAt: now + claimTime}
		for _, cl := range some {
			cl.told = true
			b.waits |= cl.waits
		}
		c.post(b, c.asks(b), now)
		for _, cl := range some {
			c.progress(cl, now) // everybody may have gone since
		}
	}
}

// messages cuts claims into what goes into one message each; client ids can be
// long.
func messages[T any](all []T, id func(T) string) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			n, size := 0, 0
			for n < min(len(all), maxClaims) && size < maxAnswer {
				size += len(id(all[n]))
				n++
			}
			if !yield(all[:n:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// post sends a batch to all that it waits for.
func (c *Claims) post(b *claimBatch, asks []ask, now int64) {
	c.batch++
	c.batches[c.batch] = b
	c.tell(c.batch, b, asks, now)
}

func (c *Claims) tell(n uint64, b *claimBatch, asks []ask, now int64) {
	b.againAt = now + claimAgain
	message := appendHead(nil, typeClaims, c.start, n, uint64(len(asks)))
	for i := range asks {
		message = appendAsk(message, &asks[i])
	}
	for _, m := range c.members {
		if b.waits&m.bit() != 0 {
			c.send(m.name, message)
		}
	}
}

// asks are the claims of a batch that still stand. To repeat one that has been
// settled meanwhile, perhaps against us, would end a newer connection.
func (c *Claims) asks(b *claimBatch) (asks []ask) {
	for _, cl := range b.claims {
		if !cl.over {
			asks = append(asks, ask{id: cl.id, epoch: cl.epoch, clean: cl.clean})
		}
	}
	for _, a := range b.late {
		if u := c.unsettled[a.id]; u != nil && u.epoch == a.epoch {
			asks = append(asks, a)
		}
	}
	return asks
}

// repeat sends a batch again to those who have not answered; false: it is over.
func (c *Claims) repeat(n uint64, b *claimBatch, now int64) bool {
	for _, cl := range b.claims {
		for _, m := range c.members {
			if now >= b.endAt && b.waits&m.bit() != 0 {
				c.skip(cl, m, now)
			}
		}
	}
	if b.waits == 0 || b.claims != nil && now >= b.endAt { // what is settled late is asked for until the node goes
		delete(c.batches, n)
		return false
	}
	if now >= b.againAt {
		c.tell(n, b, c.asks(b), now)
	}
	return true
}

// onAnswer takes the answers to a batch.
func (c *Claims) onAnswer(m *member, r *reader, now int64) {
	start, n := r.Number(), r.Number()
	answers := make([]answer, 0, r.Count())
	for range cap(answers) {
		answers = append(answers, r.answer())
	}
	b := c.batches[n]
	if r.Err != nil || start != c.start || b == nil || b.waits&m.bit() == 0 {
		return
	}
	if b.waits &^= m.bit(); b.waits == 0 {
		delete(c.batches, n)
	}
	waiting := make(map[string]bool)
	for i := range answers {
		if answers[i].kind == answerWait {
			waiting[answers[i].id] = true
		}
		c.answered(m, &answers[i], now)
	}
	for _, cl := range b.claims {
		if !waiting[cl.id] {
			cl.waits &^= m.bit()
			c.progress(cl, now)
		}
	}
	for _, a := range b.late {
		if u := c.unsettled[a.id]; u != nil && u.epoch == a.epoch {
			if u.missing &^= m.bit(); u.missing == 0 {
				delete(c.unsettled, a.id)
			}
		}
	}
	if b.late != nil {
		m.settling--
	}
}

// answered takes one answer, to a claim that is open or not any more.
func (c *Claims) answered(m *member, a *answer, now int64) {
	cl := c.open[a.id]
	if cl == nil || cl.epoch != a.epoch {
		c.afterwards(m, a)
		return
	}
	switch a.kind {
	case answerWait: // the older claim may bring the session along
		cl.endAt, cl.againAt = max(cl.endAt, now+moveTime), now+claimAgain
		cl.waits |= m.bit()
		return
	case answerOutbid:
		c.outbid(cl, rival{a.node, a.newer})
	case answerOffer:
		if !slices.ContainsFunc(cl.offers, func(o *offer) bool { return o.node == m.name }) {
			cl.offers = append(cl.offers, &offer{node: m.name, rank: a.rank, total: a.total, state: slices.Clone(a.bytes)})
		}
		cl.endAt = max(cl.endAt, now+moveTime)
	}
	cl.waits &^= m.bit()
	c.progress(cl, now)
}

// afterwards takes an answer that comes when the claim is over: what is offered
// is not needed any more, and a newer claim ends what we have.
func (c *Claims) afterwards(m *member, a *answer) {
	u := c.unsettled[a.id]
	switch {
	case a.kind == answerOffer:
		c.send(m.name, takenMessage(typeTaken, a.id, a.epoch))
	case a.kind == answerOutbid && u != nil && u.epoch == a.epoch:
		delete(c.unsettled, a.id)
		c.Stats.Settled.Inc()
		c.sessions.Take(a.id, true)
	}
}

// outbid notes that another claim is newer. Those who wait are told at once.
func (c *Claims) outbid(cl *claim, by rival) {
	if slices.Contains(cl.rivals, by) {
		return
	}
	if len(cl.rivals) == 0 {
		c.Stats.Outbid.Inc()
	}
	cl.rivals = append(cl.rivals, by)
	cl.finish(true)
}

func (cl *claim) finish(outbid bool) {
	for _, done := range cl.done {
		done(outbid)
	}
	cl.done = nil
}

// skip stops waiting for a member.
func (c *Claims) skip(cl *claim, m *member, now int64) {
	before := len(cl.offers)
	if cl.over || cl.granted {
		return
	}
	if !m.up {
		cl.offers = slices.DeleteFunc(cl.offers, func(o *offer) bool { return o.node == m.name && uint64(len(o.state)) < o.total })
	}
	if cl.waits&m.bit() == 0 && len(cl.offers) == before {
		return
	}
	cl.waits &^= m.bit()
	cl.skipped |= m.bit()
	c.progress(cl, now)
}

// tickClaim asks again for what is missing, and gives up in the end.
func (c *Claims) tickClaim(cl *claim, now int64) {
	switch {
	case cl.over, cl.granted:
	case now >= cl.endAt:
		for _, m := range c.members {
			c.skip(cl, m, now)
		}
		if !cl.over { // the session has not arrived
			c.Stats.Failed.Inc()
			c.unreachable(cl)
			c.progress(cl, now)
		}
	case now >= cl.againAt && cl.waits != 0:
		cl.againAt = now + claimAgain
		b := &claimBatch{claims: []*claim{cl}, waits: cl.waits, endAt: cl.endAt}
		c.post(b, c.asks(b), now)
	case now >= cl.againAt:
		c.progress(cl, now)
	}
}

// unreachable gives up the sessions that have not arrived. Those who have them
// hear later that they are not needed.
func (c *Claims) unreachable(cl *claim) {
	cl.offers = slices.DeleteFunc(cl.offers, func(o *offer) bool {
		if m := c.members[o.node]; m != nil && uint64(len(o.state)) < o.total {
			cl.skipped |= m.bit()
			return true
		}
		return false
	})
}

// best is the newest session that has been found.
func (cl *claim) best() (best *offer) {
	for _, o := range cl.offers {
		if best == nil || o.rank > best.rank {
			best = o
		}
	}
	return best
}

// progress ends a claim when all have answered and the session is here, and
// asks for its next piece if not.
func (c *Claims) progress(cl *claim, now int64) {
	if cl.over || cl.granted || cl.waits != 0 || !cl.told {
		return
	}
	o := cl.best()
	if h := c.held[cl.id]; h != nil && h.pending { // it has not gone
		delete(c.held, cl.id)
	} else if h != nil && (o == nil || h.first.epoch > o.rank) { // we have it, and kept it for somebody who has not taken it
		o = &offer{node: c.self, rank: h.first.epoch, total: uint64(len(h.state)), state: h.state}
		delete(c.held, cl.id)
	}
	if o != nil && uint64(len(o.state)) < o.total && !cl.clean {
		cl.againAt = now + claimAgain
		c.send(o.node, pieceMessage(typePull, &piece{id: cl.id, epoch: cl.epoch, offset: uint64(len(o.state))}))
		return
	}
	c.conclude(cl, o, now)
}

// conclude ends the asking: the session is ours, or goes to who has outbid us.
func (c *Claims) conclude(cl *claim, o *offer, now int64) {
	if cl.clean {
		o = nil
	}
	if c.sessions.Has(cl.id) { // after a split there may be one on each side
		if o == nil || cl.own >= o.rank {
			o = nil
		} else {
			c.sessions.Take(cl.id, true)
		}
	}
	switch {
	case o == nil:
	case len(cl.rivals) > 0: // it goes on at once
		cl.passing, cl.own = o.state, o.rank
	default:
		c.adopt(cl.id, o.state)
	}
	for _, o := range cl.offers {
		c.send(o.node, takenMessage(typeTaken, cl.id, cl.epoch))
	}
	if h := c.held[cl.id]; h != nil && len(h.targets) == 0 {
		delete(c.held, cl.id)
	}
	cl.granted, cl.offers = true, nil
	c.close(cl, now)
}

// adopt enters a session that has come from another node.
func (c *Claims) adopt(id string, state []byte) {
	c.Stats.Moved.Inc()
	if err := c.sessions.Adopt(id, state); err != nil {
		c.Stats.Failed.Inc()
		c.log.Error("a session that has come from another node can't be used", "client", id, "err", err)
	}
}

// close ends a claim that has been granted when nobody needs it any more: it
// grants it to those who have come meanwhile, or passes the session on to who
// has outbid us.
func (c *Claims) close(cl *claim, now int64) {
	if len(cl.rivals) == 0 {
		cl.opening += len(cl.done)
		cl.finish(false)
	}
	if cl.opening > 0 {
		return
	}
	cl.over = true
	delete(c.open, cl.id)
	if len(cl.rivals) == 0 || !c.pass(cl, now) {
		if cl.passing != nil {
			c.adopt(cl.id, cl.passing)
		}
		c.remember(cl.id, cl.epoch, cl.skipped, now)
	}
	if len(cl.done) > 0 { // the client has connected here once more after we were outbid
		c.begin(&claim{id: cl.id, done: cl.done}, now)
	}
}

// pass hands the session on to the newest of the claims that have outbid ours;
// false: their nodes have gone.
func (c *Claims) pass(cl *claim, now int64) bool {
	top := newest(cl.rivals, c.isUp)
	if top.node == "" {
		return false
	}
	for _, r := range cl.rivals {
		a := answer{id: cl.id, epoch: r.epoch, kind: answerNone}
		if r == top {
			state, wait := cl.passing, false
			if state == nil {
				state, wait = c.sessions.Take(cl.id, false)
			}
			if state != nil || wait {
				h := c.hold(cl.id, state, cl.own, r, now)
				h.pending = wait
				h.others = slices.DeleteFunc(slices.Clone(cl.rivals), func(r rival) bool { return r == top })
				a = h.offerTo(cl.id, r, maxInline)
			}
		}
		c.send(r.node, appendAnswer(appendHead(nil, typeOffer), &a))
	}
	return true
}

// onPiece takes a part of a session.
func (c *Claims) onPiece(m *member, p *piece, now int64) {
	cl := c.open[p.id]
	if cl == nil || cl.epoch != p.epoch {
		return
	}
	for _, o := range cl.offers {
		if o.node == m.name && p.offset == uint64(len(o.state)) && p.total == o.total && len(p.bytes) > 0 {
			o.state = append(o.state, p.bytes...)
			cl.endAt = now + moveTime
			c.progress(cl, now)
		}
	}
}
