package bench

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// engine moves bytes between clients and the broker. Its methods are called
// from one goroutine, and poll calls the sink on that goroutine; nothing but
// poll waits.
type engine interface {
	// dial starts a connection; sink.opened or sink.closed tells the outcome.
	dial(c *client)
	// flush sends c.out and removes from it what the transport took; the rest
	// goes out as soon as the transport takes it.
	flush(c *client)
	// pause stops reading from the broker, or goes on with it.
	pause(c *client, on bool)
	// close ends the connection at once; the sink hears no more of it.
	close(c *client)
	// poll waits for events, at most as long as wait, and handles them.
	poll(wait time.Duration) error
	// stop closes all that is left and waits for the engine's goroutines.
	stop()
}

// sink takes what happens on the connections.
type sink interface {
	opened(c *client)
	received(c *client, data []byte) // data is valid during the call
	closed(c *client, why error)
}

// errClosedByBroker is the end of a connection without a word.
var errClosedByBroker = errors.New("closed by the broker")

// newEngine picks the lean engine where it can do the job.
func newEngine(o *options, clients int, to sink) (engine, error) {
	brokers, err := resolve(o.brokers)
	if err != nil {
		return nil, err
	}
	from, err := localAddresses(o.ifaddr)
	if err != nil {
		return nil, err
	}
	if !o.tls && !o.ws && haveEpoll {
		return newEpollEngine(brokers, from, clients, to)
	}
	return newNetEngine(o, brokers, from, clients, to)
}

func resolve(brokers []broker) (addrs []*net.TCPAddr, err error) {
	for _, b := range brokers {
		addr, err := net.ResolveTCPAddr("tcp", b.String())
		if err != nil {
			return nil, fmt.Errorf("--host: %w", err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

func localAddresses(list []string) (addrs []*net.TCPAddr, err error) {
	for _, a := range list {
		ip := net.ParseIP(a)
		if ip == nil {
			return nil, fmt.Errorf("--ifaddr: expected IP addresses, got %q", a)
		}
		addrs = append(addrs, &net.TCPAddr{IP: ip})
	}
	return addrs, nil
}
