package cluster

import "slices"

// heldSession is a session that has been taken out of this node for another
// one's claim. It is kept until that node says that it has it, or goes.
type heldSession struct {
	state   []byte
	pending bool    // the session is still here: it can't be taken out yet, see Sessions.Take
	rank    uint64  // for the claim that it was taken out for,
	first   rival   // which is this one; for others its epoch, since somebody may have gone on with the session
	targets []rival // claims that it has been offered to and that have not taken it
	others  []rival // claims that lost against these, and get it if they fail
	doubts  set     // members that went when they had been offered it
	taken   bool    // by one of those that are no targets any more
	askAt   int64
}

// liveRank is above the rank of every copy that was kept: a session that runs is
// newer than what was taken out of it before.
const liveRank = 1 << 63

// hold keeps a session.
func (c *Claims) hold(id string, state []byte, rank uint64, to rival, now int64) *heldSession {
	h := &heldSession{state: state, rank: rank, first: to, askAt: now + askHolder}
	c.held[id] = h
	c.wake()
	return h
}

// offerTo is the answer to a claim that the session is offered to.
func (h *heldSession) offerTo(id string, to rival, inline int) answer {
	if !slices.Contains(h.targets, to) {
		h.targets = append(h.targets, to)
	}
	rank := h.rank
	if to != h.first {
		rank = h.first.epoch
	}
	if h.pending {
		return answer{id: id, epoch: to.epoch, kind: answerWait}
	}
	n := min(len(h.state), max(inline, 0), maxInline)
	return answer{id: id, epoch: to.epoch, kind: answerOffer, rank: rank, total: uint64(len(h.state)), bytes: h.state[:n]}
}

// release ends what a claim has on a session: it was taken, or its node has gone
// (epoch 0: all claims of the node). If nobody is known to have taken it, it
// comes back, and the node is asked whether it has, should it be there again.
func (c *Claims) release(id string, h *heldSession, m *member, epoch uint64, taken bool, now int64) {
	before := len(h.targets)
	h.targets = slices.DeleteFunc(h.targets, func(t rival) bool { return t.node == m.name && (epoch == 0 || t.epoch == epoch) })
	if len(h.targets) == before {
		return
	}
	if taken {
		h.taken = true
	} else {
		h.doubts |= m.bit()
	}
	if len(h.targets) > 0 || !h.taken && c.offerNext(id, h) {
		return
	}
	if h.pending { // it is here, and stays
		delete(c.held, id)
		return
	}
	if cl := c.open[id]; cl != nil && !h.taken { // our own claim takes it, see progress
		return
	}
	delete(c.held, id)
	if h.taken || c.sessions.Has(id) {
		return
	}
	if err := c.sessions.Adopt(id, h.state); err != nil {
		c.Stats.Failed.Inc()
		c.log.Error("a session that was taken out for another node can't be put back", "client", id, "err", err)
		return
	}
	c.remember(id, h.rank&^liveRank, h.doubts, now)
	if u := c.unsettled[id]; u != nil {
		u.doubt = true
	}
}

// offerNext offers a session that nobody has taken to the newest claim that had
// lost; false: there is none left.
func (c *Claims) offerNext(id string, h *heldSession) bool {
	top := newest(h.others, c.isUp)
	for _, r := range h.others {
		if m := c.members[r.node]; m != nil && !m.up {
			h.doubts |= m.bit()
		}
	}
	h.others = slices.DeleteFunc(h.others, func(r rival) bool { return r == top || !c.isUp(r.node) })
	if top.node == "" {
		return false
	}
	a := h.offerTo(id, top, maxInline)
	c.send(top.node, appendAnswer(appendHead(nil, typeOffer), &a))
	return true
}

// newest is the claim that wins among those of nodes that are up.
func newest(rivals []rival, up func(node string) bool) (top rival) {
	for _, r := range rivals {
		if up(r.node) && later(r.epoch, r.node, top.epoch, top.node) {
			top = r
		}
	}
	return top
}

func (c *Claims) isUp(node string) bool {
	m := c.members[node]
	return m != nil && m.up
}

// onClaims answers the claims of another node.
func (c *Claims) onClaims(m *member, r *reader, now int64) {
	start, n := r.Number(), r.Number()
	asks := make([]ask, 0, r.Count())
	for range cap(asks) {
		asks = append(asks, r.ask())
	}
	if r.Err != nil || start != m.start { // of a start of the node that we have not been told of: it asks again
		return
	}
	c.flush(now) // those whom we outbid must hear our claim before they hear that
	var answers []byte
	count := uint64(0)
	for i := range asks {
		c.clock = max(c.clock, asks[i].epoch)
		if a := c.answer(m, &asks[i], maxAnswer-len(answers), now); a.kind != answerNone {
			answers = appendAnswer(answers, &a)
			count++
		}
	}
	c.send(m.name, append(appendHead(nil, typeAnswer, start, n, count), answers...))
}

// answer is what this node has to say to a claim. inline is how many bytes of a
// session may be in it.
func (c *Claims) answer(m *member, a *ask, inline int, now int64) answer {
	by := rival{m.name, a.epoch}
	outbid := func(epoch uint64, node string) answer {
		return answer{id: a.id, epoch: a.epoch, kind: answerOutbid, node: node, newer: epoch}
	}
	if cl := c.open[a.id]; cl != nil {
		if later(cl.epoch, c.self, a.epoch, m.name) {
			return outbid(cl.epoch, c.self)
		}
		c.outbid(cl, by)
		return answer{id: a.id, epoch: a.epoch, kind: answerWait}
	}
	rank := uint64(liveRank)
	if u := c.unsettled[a.id]; u != nil {
		if later(u.epoch, c.self, a.epoch, m.name) {
			return outbid(u.epoch, c.self)
		}
		rank |= u.epoch
	}
	if h := c.held[a.id]; h != nil && (h.pending || !c.sessions.Has(a.id)) {
		for _, t := range h.targets {
			if t != by && later(t.epoch, t.node, a.epoch, m.name) {
				if !slices.Contains(h.others, by) {
					h.others = append(h.others, by)
				}
				return outbid(t.epoch, t.node)
			}
		}
		delete(c.unsettled, a.id)
		if h.pending && !c.takePending(a.id, h, by, a.clean || a.late) {
			return answer{}
		}
		return h.offerTo(a.id, by, inline)
	}
	if c.sessions.Has(a.id) {
		if a.doubt {
			delete(c.unsettled, a.id)
			return outbid(a.epoch+1, c.self)
		}
		if a.late {
			c.Stats.Settled.Inc()
		}
	}
	delete(c.unsettled, a.id)
	state, wait := c.sessions.Take(a.id, a.clean || a.late)
	if state == nil && (!wait || a.late) {
		return answer{}
	}
	h := c.hold(a.id, state, rank, by, now)
	h.pending = wait
	return h.offerTo(a.id, by, inline)
}

// takePending tries once more to take out a session that is wanted; false: it has
// ended.
func (c *Claims) takePending(id string, h *heldSession, by rival, clean bool) bool {
	state, wait := c.sessions.Take(id, clean)
	h.state, h.pending, h.first = state, wait, by
	if state == nil && !wait {
		delete(c.held, id)
		return false
	}
	return true
}

// onPull sends a part of a session that is kept for the asker's claim.
func (c *Claims) onPull(m *member, p *piece) {
	h := c.held[p.id]
	if h == nil || !slices.Contains(h.targets, rival{m.name, p.epoch}) || p.offset >= uint64(len(h.state)) {
		return
	}
	part := h.state[p.offset:]
	part = part[:min(len(part), maxPiece)]
	c.send(m.name, pieceMessage(typePiece, &piece{id: p.id, epoch: p.epoch, offset: p.offset, total: uint64(len(h.state)), bytes: part}))
}

// settle tells a member that is back what was claimed without it, a part at a
// time.
func (c *Claims) settle(m *member, now int64) {
	c.sweep()
	m.settleAt = 0
	var asks []ask
	for id, u := range c.unsettled {
		if u.missing&m.bit() == 0 {
			continue
		}
		if len(asks) == maxSettling*maxClaims { // the others when these are answered
			m.settleAt = now + claimAgain
			break
		}
		asks = append(asks, ask{id: id, epoch: u.epoch, late: true, doubt: u.doubt})
	}
	for some := range messages(asks, func(a ask) string { return a.id }) {
		m.settling++
		c.post(&claimBatch{late: some, waits: m.bit()}, some, now)
	}
}
