package cluster

import (
	"fmt"
	"log/slog"
	"math"
	"sync"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/metrics"
)

// What holds of claims, in milliseconds, bytes and numbers.
const (
	claimTime    = 1_500     // for the first answer of a node; then it is skipped, and settled with later
	moveTime     = 15_000    // for the session to arrive, as in EMQ X
	claimAgain   = 300       // without an answer: ask again
	askHolder    = 2_000     // between questions whether a session that is kept has been taken
	maxPiece     = 1 << 17   // of a session in one message
	maxInline    = 1 << 12   // of it in the answer to the claim
	maxAnswer    = 1 << 18   // of client ids in one message, and of sessions in the answers to it, about
	maxClaims    = 1_000     // in one message
	maxSettling  = 10        // such messages of what is settled late, on their way to one node
	maxUnsettled = 1_000_000 // client ids that have to be settled with nodes that are away
)

// Sessions are this node's clients, as claims need them: the broker.
type Sessions interface {
	// Has reports whether there is a session with this client id here.
	Has(id string) bool
	// Take ends the client's connection, if it has one, with reason 0x8E, and
	// takes its session out of this node. The state is for Adopt; nil if clean,
	// when the session ends, or if there was none. wait: something of it is still
	// on its way to where it is kept, Take is to be called again a moment later.
	Take(id string, clean bool) (state []byte, wait bool)
	// Adopt makes a session of a state that Take returned, on this node or
	// another; it has no connection yet.
	Adopt(id string, state []byte) error
	// Each calls f with every session and when its last connection came, Unix
	// milliseconds.
	Each(f func(id string, since int64))
}

// Claims sees to it that each client id has one owner in the whole cluster: the
// node whose client connected last. A node that wants an id asks all others in
// one message for all that connected in a pass, and gets the session from who
// has it.
//
// A claim's epoch decides between two: the later one wins. A node that can't be
// reached is not waited for; when it is back, both sides compare what they
// claimed meanwhile, and the older connection ends.
//
// The methods may be called at the same time. Sessions and what Claim is given
// are called with the lock held, so they must not call back; Ended may be called from
// anywhere.
type Claims struct {
	Stats ClaimStats

	self     string
	start    uint64
	net      Network
	log      *slog.Logger
	sessions Sessions
	wake     func()

	mu        sync.Mutex // guards what follows
	clock     uint64     // the greatest epoch seen
	members   map[string]*member
	open      map[string]*claim // this node's, by client id
	ready     []*claim          // of these, those not sent yet
	batches   map[uint64]*claimBatch
	batch     uint64 // the last one
	held      map[string]*heldSession
	unsettled map[string]*unsettled

	endedMu sync.Mutex
	ended   []string
}

// ClaimStats count client ids.
type ClaimStats struct {
	Claimed   metrics.Counter // asked for among the other nodes
	Moved     metrics.Counter // whose session came from another node
	Outbid    metrics.Counter // that a newer claim of another node took
	Skipped   metrics.Counter // granted without the answer of some node
	Settled   metrics.Counter // for which an older connection ended when nodes met again
	Forgotten metrics.Counter // not to be settled, since there were too many
	Failed    metrics.Counter // whose session was there and could not be brought here
}

// member is another node of the cluster.
type member struct {
	name  string
	index uint8
	start uint64 // of its process, when it was there last
	up    bool

	settling int   // batches of late claims that it has not answered
	settleAt int64 // when it is told of what was claimed without it; 0: there is nothing
}

// set is a set of members, by index.
type set uint64

func (m *member) bit() set { return 1 << m.index }

// unsettled is a client id that is ours without some members having heard of it.
type unsettled struct {
	epoch   uint64
	missing set
	doubt   bool // that is, if they don't have it; see heldSession
}

// ClaimsOptions are what a Claims is made of.
type ClaimsOptions struct {
	Self     string // this node's id
	Start    uint64 // tells this start of the node from others
	Network  Network
	Log      *slog.Logger
	Sessions Sessions
	// Wake is called by any goroutine when Tick has something to do that it
	// didn't announce; it must not block or call back.
	Wake func()
}

// NewClaims makes a Claims that knows no other node.
func NewClaims(o ClaimsOptions) *Claims {
	return &Claims{
		self: o.Self, start: o.Start, net: o.Network, log: o.Log, sessions: o.Sessions, wake: o.Wake,
		members: make(map[string]*member), open: make(map[string]*claim), batches: make(map[uint64]*claimBatch),
		held: make(map[string]*heldSession), unsettled: make(map[string]*unsettled),
	}
}

// later reports whether the first claim wins against the second.
func later(epoch uint64, node string, thanEpoch uint64, thanNode string) bool {
	return epoch > thanEpoch || epoch == thanEpoch && node > thanNode
}

// next is an epoch after all that have been seen: the time where that is
// possible, so that claims on two sides of a split compare by time.
func (c *Claims) next(now int64) uint64 {
	c.clock = max(c.clock+1, uint64(now)<<16)
	return c.clock
}

// Up tells that a member is there, and when its process started, Unix
// milliseconds. What was claimed without it is settled now, but for what was
// claimed before that: it can have no older connection.
func (c *Claims) Up(node string, start uint64, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[node]
	if m == nil {
		if m = c.admit(node); m == nil {
			c.log.Error("there is no room for one more member: client ids are not claimed from it", "node", node, "most", maxSlots)
			return
		}
	}
	switch m.start {
	case start:
	case 0: // never met: each may have clients of the same id
		c.sessions.Each(func(id string, since int64) { c.stranger(m, id, uint64(since)<<16, now) })
		for _, cl := range c.open {
			cl.skipped |= m.bit()
		}
	default:
		c.clear(m, start<<16)
	}
	m.up, m.start = true, start
	c.settle(m, now)
}

// stranger notes that a member has not heard of a session here, which has been
// ours since the epoch, or later.
func (c *Claims) stranger(m *member, id string, epoch uint64, now int64) {
	if u := c.unsettled[id]; u != nil {
		u.missing |= m.bit()
		return
	}
	c.remember(id, epoch, m.bit(), now)
}

// admit gives a member an index; nil: there is none left.
func (c *Claims) admit(node string) *member {
	var used set
	for _, m := range c.members {
		used |= m.bit()
	}
	for i := range uint8(maxSlots) {
		if used&(1<<i) == 0 {
			c.members[node] = &member{name: node, index: i}
			return c.members[node]
		}
	}
	return nil
}

// clear takes a member off what has to be settled of before an epoch.
func (c *Claims) clear(m *member, before uint64) {
	for id, u := range c.unsettled {
		if u.epoch >= before {
			continue
		}
		if u.missing &^= m.bit(); u.missing == 0 {
			delete(c.unsettled, id)
		}
	}
}

// Down tells that a member has gone or can't be reached. It is not waited for.
func (c *Claims) Down(node string, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[node]
	if m == nil {
		if m = c.admit(node); m == nil {
			return
		}
	}
	m.up, m.settling, m.settleAt = false, 0, 0
	for n, b := range c.batches {
		if b.waits &^= m.bit(); b.waits == 0 {
			delete(c.batches, n)
		}
	}
	for _, cl := range c.open {
		c.skip(cl, m, now)
	}
	for id, h := range c.held {
		c.release(id, h, m, 0, false, now)
	}
}

// Forget tells that a node is no member any more.
func (c *Claims) Forget(node string, now int64) {
	c.Down(node, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.members[node]; m != nil {
		c.clear(m, math.MaxUint64)
		delete(c.members, node)
	}
}

// Ended tells that a session has ended here. It may be called from anywhere,
// also with locks held.
func (c *Claims) Ended(id string) {
	c.endedMu.Lock()
	defer c.endedMu.Unlock()
	c.ended = append(c.ended, id)
}

// sweep forgets what had to be settled of sessions that have ended.
func (c *Claims) sweep() {
	c.endedMu.Lock()
	ended := c.ended
	c.ended = nil
	c.endedMu.Unlock()
	for _, id := range ended {
		if c.unsettled[id] != nil && !c.sessions.Has(id) {
			delete(c.unsettled, id)
		}
	}
}

// Tick does what is due at now and returns when it wants to be called next; 0:
// not before it wakes somebody.
func (c *Claims) Tick(now int64) (next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	c.flush(now)
	sooner := func(at int64) {
		if next == 0 || at < next {
			next = at
		}
	}
	for _, cl := range c.open {
		c.tickClaim(cl, now)
		if !cl.over && !cl.granted {
			sooner(min(cl.againAt, cl.endAt))
		}
	}
	for _, m := range c.members {
		if m.settleAt == 0 || !m.up {
			continue
		}
		if now >= m.settleAt && m.settling == 0 {
			c.settle(m, now)
		} else {
			sooner(max(m.settleAt, now+claimAgain))
		}
	}
	for n, b := range c.batches {
		if c.repeat(n, b, now) {
			sooner(b.againAt)
		}
	}
	for id, h := range c.held {
		if now >= h.askAt {
			h.askAt = now + askHolder
			for _, t := range h.targets {
				c.send(t.node, takenMessage(typeAsk, id, t.epoch))
			}
		}
		sooner(h.askAt)
	}
	return next
}

func (c *Claims) send(node string, m []byte) {
	if err := c.net.Send(node, KindClaims, m); err != nil { // as if it had been lost: it is asked again
		c.log.Debug("a claim is not sent", "node", node, "err", err)
	}
}

// Receive takes a message of KindClaims. The error says what is wrong with it.
func (c *Claims) Receive(from string, data []byte, now int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[from]
	if m == nil || !m.up {
		return nil // not a member, or thought to be away: it asks again when we have met
	}
	c.sweep()
	r := reader{fields.Reader{Left: data}}
	switch kind := r.head(); kind {
	case typeClaims:
		c.onClaims(m, &r, now)
	case typeAnswer:
		c.onAnswer(m, &r, now)
	case typeOffer:
		if a := r.answer(); r.Err == nil {
			c.answered(m, &a, now)
		}
	case typePull:
		if p := r.piece(); r.Err == nil {
			c.onPull(m, &p)
		}
	case typePiece:
		if p := r.piece(); r.Err == nil {
			c.onPiece(m, &p, now)
		}
	case typeTaken:
		epoch, id := r.Number(), r.Text()
		if h := c.held[id]; h != nil && r.Err == nil {
			c.release(id, h, m, epoch, true, now)
		}
	case typeAsk:
		epoch, id := r.Number(), r.Text()
		if cl := c.open[id]; r.Err == nil && (cl == nil || cl.epoch != epoch) {
			c.send(from, takenMessage(typeTaken, id, epoch))
		}
	default:
		r.Fail(fmt.Errorf("type %d is unknown", kind))
	}
	if r.Err != nil {
		return fmt.Errorf("claims from node %s: %w", from, r.Err)
	}
	return nil
}
