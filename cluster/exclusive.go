package cluster

import (
	"log/slog"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/metrics"
)

// What holds of exclusive topics, in milliseconds and numbers.
const (
	agreeTime    = 1_500  // for the answer of a node; then it is not waited for
	agreeAgain   = 300    // without an answer: ask again,
	agreeRarely  = 5_000  // later and later, up to that
	awayTime     = 20_000 // a topic is kept for a session on its way to another node
	maxBids      = 1_000  // in one message
	mostMessages = 10     // to one node at a time, of those
	nextMessages = 10     // until the others
)

// Exclusives sees to it that an exclusive topic has one client of all nodes. Who
// bids one asks all that can be reached; of two at the same time the one that
// asked first gets it. Nothing of it is written down: what a node's clients have
// is free when the node goes.
//
// After a split two may have one: the one that got it first keeps it, and the
// other's node is told to take it away. That needs no memory either: nodes that
// meet tell each other all that their clients have.
//
// The methods may be called at the same time, and with a client entered.
type Exclusives struct {
	Stats ExclusiveStats

	self string
	net  Network
	log  *slog.Logger
	wake func()
	lost func(name, client string)

	mu    sync.Mutex // taken last of all locks
	clock uint64     // the greatest epoch seen
	peers map[string]*agreeing
	has   map[string]*holding // by topic
	timed map[string]*holding // of these, those that wait for the time
}

// ExclusiveStats count exclusive topics.
type ExclusiveStats struct {
	Asked   metrics.Counter // that other nodes were asked for
	Skipped metrics.Counter // granted without the answer of some node
	Lost    metrics.Counter // that were taken away, as another node's client has them
}

// holding is an exclusive topic of this node.
type holding struct {
	client  string
	epoch   uint64
	granted bool // nobody who could be asked minds
	here    bool // the client's session has it
	asks    []*exclusiveAsk
	missing int   // nodes that have not answered
	until   int64 // they are waited for, or it is kept for a session that has gone; 0: neither
}

// exclusiveAsk is a SUBSCRIBE that waits, or has been answered and isn't done yet.
type exclusiveAsk struct{ done func(ok bool) }

// agreeing is another node that can be reached.
type agreeing struct {
	due   map[string]int64 // topics that it has not agreed to, and when to ask
	pause int64            // between two questions
}

// ExclusivesOptions are what an Exclusives is made of.
type ExclusivesOptions struct {
	Self    string
	Network Network
	Log     *slog.Logger
	// Wake is called when Tick has something to do that it didn't announce; it
	// must not block or call back.
	Wake func()
	// Lost is called when a topic has to be taken away from a client of this
	// node. It must not block or call back.
	Lost func(name, client string)
}

// NewExclusives makes an Exclusives that knows no other node.
func NewExclusives(o ExclusivesOptions) *Exclusives {
	return &Exclusives{
		self: o.Self, net: o.Network, log: o.Log, wake: o.Wake, lost: o.Lost,
		peers: make(map[string]*agreeing), has: make(map[string]*holding), timed: make(map[string]*holding),
	}
}

// Ask asks the other nodes for a topic, for a client that doesn't have it. done is
// called once, with locks held, perhaps before Ask returns: it must not call back.
// over is to be called when the client has subscribed, or will not: also before
// done, which is not called then.
func (x *Exclusives) Ask(name, client string, now int64, done func(ok bool)) (over func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.has[name]
	if h != nil && h.client != client {
		done(false)
		return func() {}
	}
	if h == nil || h.gone() {
		h = x.begin(name, &holding{client: client, until: now + agreeTime}, now)
		x.timed[name] = h
		x.Stats.Asked.Inc()
	}
	a := &exclusiveAsk{done}
	h.asks = append(h.asks, a)
	if h.granted {
		a.answer(true)
	}
	x.progress(name, h)
	return func() { x.over(name, h, a) }
}

// gone reports whether it is only kept for a session that has gone elsewhere.
func (h *holding) gone() bool { return h.granted && h.until != 0 }

func (a *exclusiveAsk) answer(ok bool) {
	if a.done != nil {
		a.done(ok)
		a.done = nil
	}
}

func (x *Exclusives) over(name string, h *holding, a *exclusiveAsk) {
	x.mu.Lock()
	defer x.mu.Unlock()
	a.done = nil
	h.asks = slices.DeleteFunc(h.asks, func(one *exclusiveAsk) bool { return one == a })
	x.forsake(name, h)
}

// forsake gives a topic up that nobody has or asks for any more.
func (x *Exclusives) forsake(name string, h *holding) {
	if x.has[name] == h && !h.here && len(h.asks) == 0 {
		x.drop(name)
	}
}

// begin enters a topic, to be told to all others.
func (x *Exclusives) begin(name string, h *holding, now int64) *holding {
	x.drop(name)
	x.clock = max(x.clock+1, uint64(now)<<16)
	h.epoch = x.clock
	x.has[name] = h
	for _, p := range x.peers {
		p.due[name] = 0
		h.missing++
	}
	if h.missing > 0 {
		x.wake()
	}
	return h
}

// drop forgets a topic.
func (x *Exclusives) drop(name string) {
	delete(x.has, name)
	delete(x.timed, name)
	for _, p := range x.peers {
		delete(p.due, name)
	}
}

// Held tells that a client of this node has a topic, whether that was asked for or
// not: others may know better.
func (x *Exclusives) Held(name, client string, now int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.has[name]
	if h == nil || h.client != client || h.gone() {
		if h != nil {
			h.refuse()
		}
		h = x.begin(name, &holding{client: client, granted: true}, now)
	}
	h.here = true
	x.grant(name, h)
}

// Released tells that the client doesn't have it any more. away: its session is on
// its way to another node, and has it there.
func (x *Exclusives) Released(name, client string, away bool, now int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.has[name]
	if h == nil || h.client != client || !h.here {
		return
	}
	h.here = false
	if away && len(h.asks) == 0 {
		h.until = now + awayTime
		x.timed[name] = h
		x.wake()
		return
	}
	x.forsake(name, h)
}

// progress grants a topic when all have answered.
func (x *Exclusives) progress(name string, h *holding) {
	if h.missing == 0 && !h.granted {
		x.grant(name, h)
	}
}

func (x *Exclusives) grant(name string, h *holding) {
	h.granted, h.until = true, 0
	delete(x.timed, name)
	for _, a := range h.asks {
		a.answer(true)
	}
}

func (h *holding) refuse() {
	for _, a := range h.asks {
		a.answer(false)
	}
}

// lose gives a topic up to another node's client.
func (x *Exclusives) lose(name string, h *holding) {
	h.refuse()
	x.drop(name)
	if h.here {
		x.Stats.Lost.Inc()
		x.lost(name, h.client)
	}
}

// Has reports whether the topic is the client's, as far as this node knows.
func (x *Exclusives) Has(name, client string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.has[name]
	return h != nil && h.client == client && h.here
}

// Up tells that a node is there: it hears of all that this one's clients have.
func (x *Exclusives) Up(node string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.leave(node)
	p := &agreeing{due: make(map[string]int64, len(x.has)), pause: agreeAgain}
	x.peers[node] = p
	for name, h := range x.has {
		p.due[name] = 0
		h.missing++
	}
	x.wake()
}

// Down tells that a node has gone, or can't be reached. Nobody waits for it.
func (x *Exclusives) Down(node string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.leave(node)
}

// Close answers all who wait: there are no other nodes any more.
func (x *Exclusives) Close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for node := range x.peers {
		x.leave(node)
	}
}

func (x *Exclusives) leave(node string) {
	p := x.peers[node]
	if p == nil {
		return
	}
	delete(x.peers, node)
	for name := range p.due {
		h := x.has[name]
		h.missing--
		x.progress(name, h)
	}
}

// Tick does what is due at now and returns when it bids to be called next; 0: not
// before it wakes somebody.
func (x *Exclusives) Tick(now int64) (next int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	sooner := func(at int64) {
		if next == 0 || at < next {
			next = at
		}
	}
	for name, h := range x.timed {
		switch {
		case now < h.until:
			sooner(h.until)
		case h.granted: // the session has not come to another node
			x.drop(name)
		default:
			x.Stats.Skipped.Inc()
			x.grant(name, h)
		}
	}
	for node, p := range x.peers {
		if at := x.askPeer(node, p, now); at != 0 {
			sooner(at)
		}
	}
	return next
}
