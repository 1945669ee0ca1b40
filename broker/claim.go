package broker

import (
	"sync/atomic"
	"time"
)

// Claims sees to it that a client id has one owner among all nodes: the one whose
// client connected last.
type Claims interface {
	// Claim makes a client id this node's. If it says ClaimAsked, done is called
	// once, later, on any goroutine and with locks held: it must not block or call
	// back. outbid says that a newer connection of the client, on another node, has
	// it, and this one has to end. Otherwise the session is here then, if there is
	// one, and stays until Opened is called. clean: the client starts anew, and a
	// session elsewhere ends.
	Claim(id string, clean bool, done func(outbid bool)) Claimed
	// Opened tells that a connection that was granted its client id has its
	// session, or has gone.
	Opened(id string)
	// Ended tells that a session has ended. It is called with locks held.
	Ended(id string)
}

// Claimed is what becomes of a claim.
type Claimed byte

// What Claim says.
const (
	ClaimAlone Claimed = iota // there is no other node
	ClaimHere                 // the session is here: it can be resumed, but none be made
	ClaimAsked                // the others are asked
)

// claim is a client id that an Opening asks the other nodes for.
type claim struct {
	claims Claims
	id     string
	here   bool // only a session that is here may be used
	outbid bool
	state  atomic.Uint32
}

// The states of a claim. Whoever leaves claimAsked or claimGranted first sees to
// what follows.
const (
	claimAsked   uint32 = iota
	claimGranted        // the session is being looked for in the maps
	claimAnswered
	claimGivenUp
)

// Claim asks the other nodes for o's client id, and the maps for a session that
// none of them has, which has to be done before Open. True: that takes a while, and done is called once, later, on another goroutine,
// with locks held: it must not call the broker. Then either Open or Release is
// called; Release also before.
func (br *Broker) Claim(o *Opening, done func()) bool {
	o.claim = nil
	c := br.cluster.Load()
	if c == nil {
		return br.recall(o, 0, done)
	}
	k := &claim{claims: c.Claims, id: o.Ask.Client.ClientID}
	began := time.Now()
	o.claim = k // which may be answered before the call is over
	switch c.Claims.Claim(k.id, o.Ask.CleanStart, func(outbid bool) { br.claimed(o, k, outbid, time.Since(began), done) }) {
	case ClaimAsked:
		return true
	case ClaimHere:
		k.here = true
		return false
	default:
		o.claim = nil
		return br.recall(o, 0, done)
	}
}

// Clustered reports whether there may be other nodes, or sessions that they have
// left, so that Claim has to be called.
func (br *Broker) Clustered() bool {
	return br.cluster.Load() != nil || br.durable != nil && br.durable.orphans.Load()
}

// claimed takes the answer to a claim. It is called with locks held.
func (br *Broker) claimed(o *Opening, k *claim, outbid bool, waited time.Duration, done func()) {
	k.outbid = outbid
	next := claimGranted
	if outbid {
		next = claimAnswered
	}
	switch {
	case !k.state.CompareAndSwap(claimAsked, next):
		if !outbid {
			go k.claims.Opened(k.id) // which is locked now
		}
	case outbid:
		done()
	case !br.recall(o, waited, func() { k.recalled(done) }):
		if k.state.CompareAndSwap(claimGranted, claimAnswered) {
			done()
		} else {
			go k.claims.Opened(k.id)
		}
	}
}

// recalled goes on when the session has been looked for in the maps.
func (k *claim) recalled(done func()) {
	if k.state.CompareAndSwap(claimGranted, claimAnswered) {
		done()
	} else {
		k.claims.Opened(k.id)
	}
}

// Outbid reports, after a claim was answered, that a newer connection of the
// client has its id: this one ends.
func (o *Opening) Outbid() bool { return o.claim != nil && o.claim.outbid }

// Release gives a claim up, as its connection has gone before Open.
func (o *Opening) Release() {
	k := o.claim
	if k == nil || k.here || k.state.CompareAndSwap(claimAsked, claimGivenUp) || k.state.CompareAndSwap(claimGranted, claimGivenUp) {
		return
	}
	o.opened()
}

// opened tells the other nodes that the session can be claimed again. No client
// is entered.
func (o *Opening) opened() {
	if k := o.claim; k != nil && !k.here && !k.outbid {
		k.claims.Opened(k.id)
	}
	o.claim = nil
}
