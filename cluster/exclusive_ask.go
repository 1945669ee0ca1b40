package cluster

import (
	"fmt"

	"github.com/dunlin-mq/dunlin/fields"
)

// askPeer asks a node about what it has not agreed to; at is when that is due
// again.
func (x *Exclusives) askPeer(node string, p *agreeing, now int64) (at int64) {
	var bids []bid
	again := false
	for name, due := range p.due {
		switch {
		case due > now:
		case len(bids) == mostMessages*maxBids:
			due = now + nextMessages
		default:
			h := x.has[name]
			bids = append(bids, bid{name, h.client, h.epoch, h.granted})
			again = again || due != 0
			due = now + p.pause
			p.due[name] = due
		}
		if at == 0 || due < at {
			at = due
		}
	}
	if len(bids) == 0 {
		return at
	}
	if again {
		p.pause = min(2*p.pause, agreeRarely)
	}
	for some := range messages(bids, func(b bid) string { return b.name + b.client }) {
		message := appendHead(nil, typeExclusiveAsk, uint64(len(some)))
		for i := range some {
			message = appendBid(message, &some[i])
		}
		x.send(node, message)
	}
	return at
}

func (x *Exclusives) send(node string, message []byte) {
	if err := x.net.Send(node, KindExclusive, message); err != nil { // as if it had been lost: it is asked again
		x.log.Debug("a question about exclusive topics is not sent", "node", node, "err", err)
	}
}

// Receive takes a message of KindExclusive. The error says what is wrong with it.
func (x *Exclusives) Receive(from string, data []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := reader{fields.Reader{Left: data}}
	switch kind := r.head(); kind {
	case typeExclusiveAsk:
		x.onAsk(from, &r)
	case typeExclusiveAnswer:
		x.onAnswer(from, &r)
	default:
		r.Fail(fmt.Errorf("type %d is unknown", kind))
	}
	if r.Err != nil {
		return fmt.Errorf("exclusive topics from node %s: %w", from, r.Err)
	}
	return nil
}

// onAsk answers what another node's clients have or want. It may be one that is
// thought to be away.
func (x *Exclusives) onAsk(from string, r *reader) {
	bids := make([]bid, 0, r.Count())
	for range cap(bids) {
		bids = append(bids, r.bid())
	}
	if r.Err != nil {
		return
	}
	message := appendHead(nil, typeExclusiveAnswer, uint64(len(bids)))
	for i := range bids {
		w := &bids[i]
		x.clock = max(x.clock, w.epoch)
		message = appendVerdict(message, &verdict{w.name, w.epoch, w.granted, x.refuses(from, w)})
	}
	x.send(from, message)
}

// refuses judges what another node wants. What is ours and has to stand back is
// given up.
func (x *Exclusives) refuses(from string, w *bid) bool {
	h := x.has[w.name]
	switch {
	case h == nil:
		return false
	case h.client == w.client: // its connections settle that, see Claims
		if h.gone() && w.granted {
			x.drop(w.name)
		}
		return false
	case h.granted != w.granted: // who has it keeps it, whatever clocks say
		if h.granted {
			return true
		}
	case later(w.epoch, from, h.epoch, x.self):
		return true
	}
	x.lose(w.name, h)
	return false
}

// onAnswer takes what another node says.
func (x *Exclusives) onAnswer(from string, r *reader) {
	p := x.peers[from]
	for range r.Count() {
		v := r.verdict()
		if r.Err != nil || p == nil {
			return
		}
		p.pause = agreeAgain
		h := x.has[v.name]
		if _, due := p.due[v.name]; !due || h.epoch != v.epoch {
			continue
		}
		switch {
		case !v.refused:
			delete(p.due, v.name)
			h.missing--
			x.progress(v.name, h)
		case v.granted == h.granted: // else it is asked again, as things are now
			x.lose(v.name, h)
		}
	}
}
