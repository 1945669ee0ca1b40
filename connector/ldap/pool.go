package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/dunlin-mq/dunlin/connector"
)

// pool holds connections that all have the same login. Each belongs to one
// call at a time: the library gives up one request by closing the connection.
type pool struct {
	dialer *dialer
	slots  chan *conn // as many as there may be connections; nil: not connected
	done   chan struct{}
}

type conn struct {
	*ldap.Conn
	raw net.Conn
}

func newPool(size int, d *dialer) *pool {
	p := &pool{dialer: d, slots: make(chan *conn, size), done: make(chan struct{})}
	for range size {
		p.slots <- nil
	}
	return p
}

// use runs f on a connection and ends it when its time is over. After an error
// other than the expected ones the connection is closed.
func (p *pool) use(ctx context.Context, limit time.Duration, f func(*ldap.Conn) error, expected ...uint16) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var c *conn
	select {
	case c = <-p.slots:
	case <-p.done:
		return errors.New("closed")
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p.slots <- c }()
	if c != nil && c.IsClosing() {
		c.drop()
		c = nil
	}
	if c == nil {
		var err error
		if c, err = p.dialer.dial(ctx); err != nil {
			return err
		}
	}
	err := c.within(ctx, f)
	if err != nil && !ldap.IsErrorAnyOf(err, expected...) {
		c.drop()
		c = nil
	}
	return err
}

func (p *pool) close() {
	close(p.done)
	for range cap(p.slots) {
		if c := <-p.slots; c != nil {
			c.drop()
		}
	}
}

// within runs f until the context is over; the connection is lost then.
func (c *conn) within(ctx context.Context, f func(*ldap.Conn) error) error {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	err := f(c.Conn)
	if !stop() {
		return fmt.Errorf("%w: no answer in time: %w", connector.ErrNotConnected, context.Cause(ctx))
	}
	return err
}

func (c *conn) drop() {
	c.raw.Close() // a write that nobody takes must not hold up the library
	c.Close()     //nolint:errcheck // it is closed
}

// dialer makes connections to one of several servers.
type dialer struct {
	addrs           []string
	secure          *tls.Config // nil: none
	login, password string      // login "": nobody
	last            atomic.Int32
}

// dial tries each server once, first the one that was reached last. Each gets
// an equal part of the time that is left, so that a silent one leaves some for
// the others.
func (d *dialer) dial(ctx context.Context) (*conn, error) {
	first, n := int(d.last.Load()), len(d.addrs)
	var failed []string
	for i := range n {
		at := (first + i) % n
		c, err := d.try(ctx, d.addrs[at], n-i)
		if err == nil {
			d.last.Store(int32(at))
			return c, nil
		}
		failed = append(failed, err.Error())
		if ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
			break // the others would say the same, and might lock the account
		}
	}
	// Text alone: what a server answers to our login must not pass for an
	// answer about an entry.
	return nil, fmt.Errorf("%w: %s", connector.ErrNotConnected, strings.Join(failed, "; "))
}

func (d *dialer) try(ctx context.Context, addr string, left int) (*conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	var raw net.Conn
	var err error
	if d.secure == nil {
		raw, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
	} else {
		raw, err = (&tls.Dialer{Config: d.secure}).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	c := &conn{ldap.NewConn(raw, d.secure != nil), raw}
	c.Start()
	if d.login == "" {
		return c, nil
	}
	if err := c.within(ctx, func(l *ldap.Conn) error { return l.Bind(d.login, d.password) }); err != nil {
		c.drop()
		return nil, fmt.Errorf("login of %s at %s: %w", d.login, addr, err)
	}
	return c, nil
}
