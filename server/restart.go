package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// ErrNoListener is returned for a listener that is not configured.
var ErrNoListener = errors.New("there is no such listener")

// endOfListener is why connections end whose listener an operator closes.
var endOfListener = broker.Ending{Code: mqtt.AdministrativeAction, Word: "shutdown"}

// StopListener closes a listener, and ends its connections, telling every
// version 5 client that the operator did it. It stays closed until
// RestartListener or the next start. The port is free on return, with QUIC
// once the connections have ended. It may wait for another change of listeners.
func (s *Server) StopListener(protocol, name string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	l, err := s.find(protocol, name)
	if err != nil {
		return err
	}
	if !l.running() {
		return fmt.Errorf("%s is stopped already", l.cfg.Key())
	}
	l.stop(endOfListener)
	return nil
}

// RestartListener is StopListener, and opens the listener again at the same
// address, with its certificates, keys and revocation lists read anew: as long
// as these can't be read, nothing changes. A listener that was stopped is
// opened. If the address isn't to be had any more, the listener stays closed.
// For QUIC it waits until the connections have ended, 3 seconds at most.
func (s *Server) RestartListener(protocol, name string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	old, err := s.find(protocol, name)
	if err != nil {
		return err
	}
	cfg := old.cfg
	if cfg.Address.Port == 0 {
		cfg.Address = config.NewAddress(cfg.Address.Host, old.info.Addr.Port())
	}
	fresh := s.newListener(cfg)
	fresh.ends = old.ends
	fresh.most.Store(old.most.Load()) // as Change has left them
	fresh.rate.Store(old.rate.Load())
	if cfg.TLS != nil {
		if err := fresh.startTLS(); err != nil {
			return err
		}
	}
	if old.running() {
		old.stop(endOfListener)
	}
	if err := fresh.restart(); err != nil {
		fresh.stop(broker.Ending{})
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.listeners {
		if s.listeners[i] == old {
			s.listeners[i] = fresh
		}
	}
	return nil
}

// find is the listener of a name; changing is held.
func (s *Server) find(protocol, name string) (*listener, error) {
	if s.stopped {
		return nil, errors.New("the server is stopped")
	}
	for _, l := range s.opened() {
		if l.info.Protocol == protocol && l.info.Name == name {
			return l, nil
		}
	}
	return nil, ErrNoListener
}

// restart starts the listener where another one was. The port of a QUIC
// listener is free when the last of its connections has ended.
func (l *listener) restart() error {
	for until := time.Now().Add(stopTime); ; time.Sleep(5 * time.Millisecond) {
		err := l.start()
		if err == nil || l.cfg.Kind != "quic" || time.Now().After(until) {
			return err
		}
	}
}

// running reports whether the listener accepts connections.
func (l *listener) running() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed
}
