package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/dunlin-mq/dunlin/config"
)

// listener is one open address.
type listener struct {
	net.Listener
	Protocol     string
	door         door
	certificates *certificates // of https
	server       *http.Server
}

// door is where a request comes in: it says who may pass and what is behind it.
type door string

const (
	management door = "management" // apps log in
	dashboard  door = "dashboard"  // users log in, and there are pages
	socket     door = ""           // the rights of the file are the login
)

// kind is what listeners of a protocol and a purpose are counted by; EMQ X
// calls them so.
func (l *listener) kind() string {
	if l.door == socket {
		return l.Protocol
	}
	return l.Protocol + ":" + string(l.door)
}

// listenHTTP opens an address for at most maxClients connections at once.
func listenHTTP(key string, a config.Address, maxClients int) (net.Listener, error) {
	l, err := net.Listen("tcp", a.String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s = %v: the port is taken; choose another, or off", key, a)
	case err != nil:
		return nil, fmt.Errorf("%s = %v: can't be listened on: %w", key, a, err)
	}
	return &bounded{Listener: l, slots: make(chan struct{}, maxClients), closed: make(chan struct{})}, nil
}

// bounded lets the connections above its number of slots wait in the system's
// queue.
type bounded struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a slot, then for a connection.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.slots <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.slots
		return nil, err
	}
	return &boundedConn{Conn: c, slots: b.slots}, nil
}

// Close also ends an Accept that waits for a slot.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

type boundedConn struct {
	net.Conn
	once  sync.Once
	slots chan struct{}
}

// Close gives the slot back.
func (c *boundedConn) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}
