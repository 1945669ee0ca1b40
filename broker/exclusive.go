package broker

import (
	"sync"

	"github.com/dunlin-mq/dunlin/topic"
)

// Exclusives sees to it that an exclusive topic has one client of all nodes. It is
// called with locks held, and never calls back.
type Exclusives interface {
	// Ask asks the other nodes for a topic, for a client that doesn't have it. done
	// is called once, on any goroutine and with locks held, perhaps before Ask
	// returns: false, another node's client has it. over is to be called when the
	// client has subscribed, or will not; also before done, which then is not
	// called any more.
	Ask(name, client string, done func(ok bool)) (over func())
	// Held tells that a client of this node has a topic, asked for or not.
	Held(name, client string)
	// Released tells that it doesn't have it any more. away: its session is on its
	// way to another node, and has it there.
	Released(name, client string, away bool)
}

// exclusive knows who holds the $exclusive subscriptions: one client a topic.
type exclusive struct {
	mu      sync.Mutex
	holders map[string]holder
	others  Exclusives // nil: there are no other nodes
}

type holder struct {
	client *Client
	id     string
}

// join has other nodes hear of all there is, or nobody with nil.
func (e *exclusive) join(others Exclusives) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.others = others; others == nil {
		return
	}
	for name, h := range e.holders {
		others.Held(name, h.id)
	}
}

// claim is true if c has the topic for itself from now on, or had it. The client
// is entered.
func (e *exclusive) claim(c *Client, name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h, held := e.holders[name]; held && h.client != c {
		return false
	}
	e.holders[name] = holder{c, c.info.ClientID}
	if e.others != nil {
		e.others.Held(name, c.info.ClientID)
	}
	return true
}

// release gives the topic up; away: the session is on its way to another node. The
// client is entered.
func (e *exclusive) release(c *Client, name string, away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.holders[name].client != c {
		return
	}
	delete(e.holders, name)
	if e.others != nil {
		e.others.Released(name, c.info.ClientID, away)
	}
}

// AskExclusive asks the other nodes for a topic before a client subscribes to it
// with $exclusive/; done and over are as for Exclusives. nil: there is nobody to
// ask, and done is not called.
func (br *Broker) AskExclusive(name, client string, done func(ok bool)) (over func()) {
	e := &br.exclusive
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.others == nil || e.holders[name].client != nil { // Subscribe knows
		return nil
	}
	return e.others.Ask(name, client, done)
}

// awaitExclusive is AskExclusive for who can wait. The client is not entered.
func (br *Broker) awaitExclusive(f topic.Filter, client string) (over func(), ok bool) {
	if f.Kind != topic.Exclusive {
		return func() {}, true
	}
	answer := make(chan bool, 1)
	if over = br.AskExclusive(f.Bare, client, func(ok bool) { answer <- ok }); over == nil {
		return func() {}, true
	}
	if ok = <-answer; !ok {
		over()
	}
	return over, ok
}

// LoseExclusive takes an exclusive topic away from a client, as one of another
// node has it, and ends its connection so that it learns of that; false: it
// doesn't have it any more.
func (br *Broker) LoseExclusive(name, client string) bool {
	c := br.clients.get(client)
	if c == nil {
		return false
	}
	b := br.NewBatch()
	defer b.End()
	c.enter(b)
	sub := c.giveUp(topic.Filter{Kind: topic.Exclusive, Bare: name}.String())
	if sub != nil && c.conn != nil {
		c.conn.End(endExclusive)
	}
	info := c.info
	c.leave(b)
	if sub == nil {
		return false
	}
	br.unsubscribed(info, sub)
	return true
}
