package server

import (
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/auth"
)

// access is what a connection has to do with package auth beyond answers that
// are there at once. Most connections have none.
type access struct {
	cache     auth.Cache    // what backends have said about the client's topics
	exchange  *authExchange // nil: no enhanced authentication
	suspended *suspension   // nil: no packet waits
}

// suspension is a packet that waits, for package auth or for what has to be kept. Meanwhile the connection
// reads nothing, so what the client sends behind it waits as well, and the
// goroutine of the connection serves others.
type suspension struct {
	conn    *conn
	missing atomic.Int32 // answers
	goOn    func(p *pass)
	gone    func() // instead of goOn, if the connection ends before; nil: nobody has to know
}

// suspend stops the input until n answers are there; then goOn is called on the
// connection's own goroutine. If the connection ends before, it is not called.
func (c *conn) suspend(n int, goOn func(p *pass)) *suspension {
	s := &suspension{conn: c, goOn: goOn}
	s.missing.Store(int32(n))
	c.rights().suspended = s
	c.hold(heldByAccess)
	return s
}

// answered reports one of the answers, from any goroutine. What was written
// before it is there when goOn is called.
func (s *suspension) answered() {
	if s.missing.Add(-1) == 0 {
		s.conn.link.Wake()
	}
}

// proceed goes on with the packet that waits, if its answers are there.
func (c *conn) proceed(p *pass) {
	if c.access == nil || c.access.suspended == nil {
		return
	}
	if s := c.access.suspended; s.missing.Load() == 0 {
		c.access.suspended = nil
		s.goOn(p)
		if c.access == nil || c.access.suspended == nil { // it doesn't wait for something else now
			c.unhold(heldByAccess)
		}
	}
}

// rights is the connection's access, made if there is none.
func (c *conn) rights() *access {
	if c.access == nil {
		a := new(access)
		c.mu.Lock()
		c.access = a
		c.mu.Unlock()
	}
	return c.access
}

// aclCache is what backends have said about the client's topics, to look into.
// A connection that has asked none borrows an empty one.
func (c *conn) aclCache(p *pass) *auth.Cache {
	if c.access == nil {
		return &p.noAnswers
	}
	return &c.access.cache
}

// ACLCache is broker.Conn's.
func (c *conn) ACLCache() *auth.Cache {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.access == nil {
		return nil
	}
	return &c.access.cache
}

// exchange is the connection's enhanced authentication; nil: there is none.
func (c *conn) exchange() *authExchange {
	if c.access == nil {
		return nil
	}
	return c.access.exchange
}
