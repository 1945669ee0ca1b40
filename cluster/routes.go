package cluster

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/fields"
)

// What holds of the exchange of routes, in milliseconds and bytes.
const (
	gatherNews  = 5       // news are told so long after the first of them
	summaryTime = 2_000   // between two summaries: how long a lost delta can go unnoticed
	askAgain    = 1_000   // without an answer
	keepPlain   = 60_000  // of a node that has gone: a short split must not cost a snapshot
	maxMessage  = 1 << 17 // of routes in one message, about; see sizes
	maxRing     = 1 << 20 // of deltas kept for those who missed them; see sizes
)

// Routes tells the other nodes what filters this node's clients hold, and knows
// theirs.
//
// What a node tells is numbered. Who finds a gap asks for what it has missed,
// and gets it, or all routes if the gap is old. Every summaryTime a node tells
// its last number with a digest of its routes, so that a difference is found
// however it came about; a node's routes count as complete when a summary has
// agreed with them. See DESIGN.md for the messages.
type Routes struct {
	self  string
	epoch uint64
	net   Network
	log   *slog.Logger
	own   *own
	table *Table

	mu      sync.Mutex // guards what follows
	seq     uint64     // of the last delta told
	ring    [][]byte   // the last deltas
	inRing  int        // their bytes
	newsAt  int64      // when there was news first; 0: none
	sumAt   int64      // of the next summary
	sources map[string]*source
	relays  map[string]*relay
	out     []byte // scratch

	sizes struct{ message, ring int } // maxMessage and maxRing, but in tests
}

// RoutesOptions are what a Routes is made of.
type RoutesOptions struct {
	Self    string // this node's id
	Epoch   uint64 // tells this start of the node from earlier ones: greater than theirs
	Network Network
	Log     *slog.Logger
	// Wake is called, on any goroutine and with locks held, when Tick has
	// something to do that it didn't announce; it must not block or call back.
	Wake func()
}

// NewRoutes makes a node's Routes; there are no other nodes yet.
func NewRoutes(o RoutesOptions) *Routes {
	r := &Routes{
		self: o.Self, epoch: o.Epoch, net: o.Network, log: o.Log,
		own: newOwn(o.Epoch, o.Wake), table: newTable(),
		sources: make(map[string]*source), relays: make(map[string]*relay),
	}
	r.sizes.message, r.sizes.ring = maxMessage, maxRing
	return r
}

// Table is what the other nodes want.
func (r *Routes) Table() *Table { return r.table }

// Added tells that a client has subscribed to a bare filter. durable: its
// session is durable and it wants QoS 1 or 2. Safe for concurrent use; it
// returns at once, and the others hear of it a few milliseconds later.
func (r *Routes) Added(filter string, durable bool) { r.own.add(filter, durable, 1) }

// Removed is the end of what Added told, with the same arguments.
func (r *Routes) Removed(filter string, durable bool) { r.own.add(filter, durable, -1) }

// Group tells how many members a shared group has on this node, and how many of
// them are connected; 0 members end it. Safe for concurrent use, but calls for
// one group must not overtake each other.
func (r *Routes) Group(filter, group string, members, online int) {
	r.own.setGroup(filter, group, members, online)
}

// Up tells that a node is there, or is back. Its routes count from now on.
func (r *Routes) Up(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.source(node)
	s.up, s.askedAt = true, 0
	delete(r.relays, node)
	if s.from != node { // what was fetched of it from others
		r.abandon(s)
	}
	if s.whole != nil {
		r.table.show(s.whole.at, true)
	}
	r.sendSummary(node)
}

// Down tells that a node has gone, or can't be reached. Nothing is forwarded to
// it any more. What its durable sessions want stays until it is back or Forget.
func (r *Routes) Down(node string, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.source(node)
	if s.up || s.downAt == 0 {
		s.downAt = now
	}
	s.up = false
	if s.fill != nil && s.whole == nil { // a part is better than nothing, but loses against anybody's whole
		s.whole, s.fill = s.fill, nil
		s.whole.seq = 0
	}
	r.abandon(s)
	if s.whole != nil {
		r.table.show(s.whole.at, false)
	}
	for _, other := range r.sources {
		if other.from == node && other != s {
			r.abandon(other)
		}
	}
}

// Complete reports whether the node is there and all its routes are known.
func (r *Routes) Complete(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sources[node]
	return s != nil && s.up && s.whole != nil && !s.thin
}

// Forget tells that a node is no member any more. Whatever is known of it goes.
func (r *Routes) Forget(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sources[node]
	if s == nil {
		return
	}
	r.abandon(s)
	if s.whole != nil {
		r.free(s.whole)
	}
	delete(r.sources, node)
	delete(r.relays, node)
}

// Tick does what is due at now and returns when it wants to be called next.
func (r *Routes) Tick(now int64) (next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tellNews(now)
	if now >= r.sumAt {
		r.sumAt = now + summaryTime
		for node, s := range r.sources {
			if s.up {
				r.sendSummary(node)
			}
		}
	}
	for _, s := range r.sources {
		r.tickSource(s, now)
	}
	for node, relay := range r.relays {
		if now >= relay.until {
			delete(r.relays, node)
		}
	}
	next = r.sumAt
	for _, s := range r.sources {
		if s.asks {
			next = min(next, s.askedAt+askAgain)
		}
	}
	if r.newsAt != 0 {
		next = min(next, r.newsAt+gatherNews)
	}
	return next
}

func (r *Routes) tickSource(s *source, now int64) {
	switch {
	case !s.up && s.whole != nil && !s.thin && now-s.downAt >= keepPlain:
		r.table.thin(s.whole.at)
		s.thin = true
	case s.asks && now-s.askedAt >= askAgain:
		r.ask(s, now)
	}
}

// tellNews tells the others what has changed, some milliseconds after the first
// change.
func (r *Routes) tellNews(now int64) {
	if !r.own.hasNews() {
		return
	}
	if r.newsAt == 0 {
		r.newsAt = now
	}
	if now-r.newsAt < gatherNews {
		return
	}
	r.newsAt = 0
	r.out = r.out[:0]
	r.own.news(func(filter string, in Interest) {
		r.out = appendRoute(r.out, filter, in)
		if len(r.out) >= r.sizes.message {
			r.tellDelta()
		}
	})
	if len(r.out) > 0 {
		r.tellDelta()
	}
}

// tellDelta gives what is in r.out a number, tells it and remembers it.
func (r *Routes) tellDelta() {
	r.seq++
	m := deltaMessage(r.epoch, r.seq, r.out)
	r.out = r.out[:0]
	for node, s := range r.sources {
		if s.up {
			r.sendTo(node, m)
		}
	}
	r.ring = append(r.ring, m)
	r.inRing += len(m)
	drop := 0
	for r.inRing > r.sizes.ring && drop < len(r.ring)-1 {
		r.inRing -= len(r.ring[drop])
		drop++
	}
	r.ring = slices.Delete(r.ring, 0, drop)
}

// sendTo sends; what doesn't arrive is found out by the other side.
func (r *Routes) sendTo(node string, m []byte) {
	if err := r.net.Send(node, KindRoutes, m); err != nil {
		r.log.Debug("routes are not sent", "node", node, "err", err)
	}
}

// Receive takes a message of KindRoutes. The error says what is wrong with it.
func (r *Routes) Receive(from string, data []byte, now int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := reader{fields.Reader{Left: data}}
	var err error
	switch kind := in.head(); kind {
	case typeDelta:
		err = r.onDelta(from, &in, now)
	case typeSummary:
		err = r.onSummary(from, &in, now)
	case typeWant:
		err = r.onWant(from, &in, now)
	case typePart:
		err = r.onPart(from, &in, now)
	default:
		if err = in.Err; err == nil {
			err = fmt.Errorf("type %d is unknown", kind)
		}
	}
	if err != nil {
		return fmt.Errorf("routes from node %s: %w", from, err)
	}
	return nil
}
