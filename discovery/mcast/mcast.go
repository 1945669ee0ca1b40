// Package mcast finds nodes of the same network by UDP multicast over IPv4:
// who looks asks the group, and every registered node of the same cluster name
// and cookie answers to the asker alone.
//
// It is EMQ X's strategy with its keys, but not its packets, which hold terms
// of Erlang and a hash of the cookie of 27 bits: nodes of Dunlin and EMQ X
// don't find each other. Here each packet is authenticated under the cookie,
// and an answer repeats what the asker has just made up. Strangers get no
// answer and can't forge one; they can read the names of nodes, and try
// cookies on what they have recorded, so a cookie has to be long.
package mcast

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/dunlin-mq/dunlin/discovery"
)

// Nodes asks and answers. It is a discovery.Registrar, and an io.Closer.
type Nodes struct {
	c    discovery.Mcast
	self discovery.Self

	listeners []*listener // while registered
}

const (
	asked   = 3           // times, as packets may be lost
	between = time.Second // so it collects answers for three seconds, as EMQ X
)

// New returns a Discoverer that is not registered, and opens nothing yet.
func New(c discovery.Mcast, self discovery.Self) *Nodes {
	return &Nodes{c: c, self: self}
}

// Discover asks the group on every port and collects answers for three
// seconds. Nobody else's answer is no error.
func (n *Nodes) Discover(ctx context.Context) ([]string, error) {
	conn, err := n.asker()
	if err != nil {
		return nil, err
	}
	defer giveUp(conn)
	defer context.AfterFunc(ctx, func() { giveUp(conn) })() // which wakes who reads from it

	var question nonce
	rand.Read(question[:]) // never fails
	found := make(map[string]bool)
	if len(n.listeners) > 0 {
		found[n.self.Name] = true // without cluster.mcast.loop it doesn't hear itself
	}
	for range asked {
		if err := n.ask(conn, question); err != nil {
			return nil, err
		}
		if err := n.collect(ctx, conn, question, found); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// asker opens a socket from which the group is asked and to which answers come.
func (n *Nodes) asker() (*net.UDPConn, error) {
	iface, err := n.iface()
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(n.c.Iface)})
	if err != nil {
		return nil, fmt.Errorf("multicast from %s: %w", n.c.Iface, err)
	}
	p := ipv4.NewPacketConn(conn)
	errs := []error{
		p.SetMulticastTTL(n.c.TTL), p.SetMulticastLoopback(n.c.Loop),
		conn.SetReadBuffer(int(n.c.RecvBuf)), conn.SetWriteBuffer(int(n.c.SendBuf)),
	}
	if iface != nil {
		errs = append(errs, p.SetMulticastInterface(iface))
	}
	if err := errors.Join(errs...); err != nil {
		giveUp(conn)
		return nil, fmt.Errorf("multicast from %s: %w", n.c.Iface, err)
	}
	return conn, nil
}

func (n *Nodes) ask(conn *net.UDPConn, question nonce) error {
	b := packet{ping, question, n.self.Cluster, n.self.Name}.seal([]byte(n.self.Cookie))
	var errs []error
	for _, port := range n.c.Ports {
		if _, err := conn.WriteTo(b, n.group(port)); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == len(n.c.Ports) {
		return fmt.Errorf("multicast to %s: %w", n.c.Addr, errors.Join(errs...))
	}
	return nil
}

// collect reads answers until it is time to ask again, or ctx ends.
func (n *Nodes) collect(ctx context.Context, conn *net.UDPConn, question nonce, found map[string]bool) error {
	err := conn.SetReadDeadline(time.Now().Add(between))
	buf := make([]byte, longest+1)
	for {
		size := 0
		if err == nil {
			size, _, err = conn.ReadFrom(buf)
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("collect answers to multicast: %w", ctx.Err())
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("collect answers to multicast: %w", err)
		}
		// Whoever else sends to this port is a stranger, or late.
		p, err := open(buf[:size], []byte(n.self.Cookie))
		if err == nil && p.kind == pong && p.nonce == question && p.cluster == n.self.Cluster {
			found[p.node] = true
		}
	}
}

// Register answers whoever asks the group from now on. Its sockets are opened
// anew each time, since interfaces come and go. It is an error if none of the
// ports is to be had.
func (n *Nodes) Register(context.Context) error {
	iface, err := n.iface()
	if err != nil {
		return err
	}
	var opened []*listener
	var errs []error
	for _, port := range n.c.Ports {
		l, err := n.listen(iface, port)
		if err != nil {
			errs = append(errs, fmt.Errorf("listen to multicast at %v: %w", n.group(port), err))
			continue
		}
		opened = append(opened, l)
	}
	if len(opened) == 0 {
		return errors.Join(errs...)
	}
	old := n.listeners
	n.listeners = opened
	return closeAll(old)
}

// Unregister ends the answers.
func (n *Nodes) Unregister(context.Context) error { return n.Close() }

// Close is Unregister.
func (n *Nodes) Close() error {
	old := n.listeners
	n.listeners = nil
	return closeAll(old)
}

// iface is the interface that has the configured address; nil leaves the
// choice to the system.
func (n *Nodes) iface() (*net.Interface, error) {
	want := net.ParseIP(n.c.Iface)
	if want.IsUnspecified() {
		return nil, nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	for i := range all {
		addrs, err := all[i].Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, addr := range addrs {
			if ip, ok := addr.(*net.IPNet); ok && ip.IP.Equal(want) {
				return &all[i], nil
			}
		}
	}
	return nil, fmt.Errorf("no network interface has the address %s of cluster.mcast.iface", n.c.Iface)
}

func (n *Nodes) group(port uint16) *net.UDPAddr {
	return &net.UDPAddr{IP: net.ParseIP(n.c.Addr), Port: int(port)}
}

// listener answers at one port what the group was asked.
type listener struct {
	conn    *net.UDPConn
	packets *ipv4.PacketConn // the same
	group   net.IP
	iface   *net.Interface // nil: any
	self    discovery.Self
	stopped sync.WaitGroup

	said    time.Time // when the log last spoke of strangers
	ignored int       // packets of strangers since then
}

func (n *Nodes) listen(iface *net.Interface, port uint16) (*listener, error) {
	conn, err := net.ListenMulticastUDP("udp4", iface, n.group(port))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(conn.SetReadBuffer(int(n.c.RecvBuf)), conn.SetWriteBuffer(int(n.c.SendBuf))); err != nil {
		giveUp(conn)
		return nil, err
	}
	l := &listener{conn: conn, packets: ipv4.NewPacketConn(conn), group: net.ParseIP(n.c.Addr), iface: iface, self: n.self}
	if err := l.packets.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true); err != nil && runtime.GOOS != "windows" { // which can't
		giveUp(conn)
		return nil, err
	}
	l.stopped.Go(l.serve)
	return l, nil
}

// serve runs until the socket is closed.
func (l *listener) serve() {
	buf := make([]byte, longest+1)
	for {
		size, where, from, err := l.packets.ReadFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			l.self.Log.Debug("listening to multicast", "error", err)
			time.Sleep(between) // the error may stay, and the next Register replaces the socket
			continue
		}
		if !l.concerns(where) {
			continue
		}
		p, err := open(buf[:size], []byte(l.self.Cookie))
		if err != nil {
			l.ignore(from, err)
			continue
		}
		if p.kind != ping || p.cluster != l.self.Cluster {
			continue // another cluster's business
		}
		answer := packet{pong, p.nonce, l.self.Cluster, l.self.Name}.seal([]byte(l.self.Cookie))
		if _, err := l.conn.WriteTo(answer, from); err != nil {
			l.self.Log.Debug("a question by multicast is not answered", "from", from.String(), "error", err)
		}
	}
}

// concerns reports whether a packet was sent to the group, over the right
// interface. The kernel hands a socket everything for its port: what was sent
// to this machine alone, perhaps from far away, and what other programs have
// asked for.
func (l *listener) concerns(where *ipv4.ControlMessage) bool {
	return where == nil || where.Dst.Equal(l.group) && (l.iface == nil || l.iface.Index == where.IfIndex)
}

// ignore tells the log of strangers once a minute.
func (l *listener) ignore(from net.Addr, why error) {
	l.ignored++
	if time.Since(l.said) < time.Minute {
		return
	}
	l.self.Log.Warn("packets of strangers at the multicast port get no answer", "last_from", from.String(), "reason", why, "packets", l.ignored)
	l.said, l.ignored = time.Now(), 0
}

// giveUp closes what nobody needs any more.
func giveUp(c io.Closer) { c.Close() }

func closeAll(listeners []*listener) error {
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.conn.Close())
		l.stopped.Wait()
	}
	return errors.Join(errs...)
}
