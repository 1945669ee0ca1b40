package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Evacuation says how clients are sent to other nodes before this one stops.
type Evacuation struct {
	// Servers are where clients of version 5 shall go, such as host:port. Each is
	// told all of them, and every client another one first. Empty: they have to
	// know.
	Servers []string
	// Moved tells them to remember that (0x9D), where otherwise they are asked to
	// go there this time (0x9C).
	Moved bool
	Rate  int // connections that are ended in a second, at least 1
	// Wait is how long load balancers are given to notice that the node isn't
	// available any more. Meanwhile clients may still connect.
	Wait time.Duration
	// Takeover is how long, after the last connection, clients are given to take
	// their sessions over at other nodes, if that isn't done before.
	Takeover time.Duration
	// Goal is how many clients may stay. Above 0, the node only hands some over: it
	// ends by itself, after Takeover, and lets clients in again.
	Goal int
	// SessionRate is how many sessions that live in memory, and have no client, go
	// to other nodes in a second when Takeover is over; 0: they stay. They go to the
	// nodes of MigrateTo, or to all that run. Not with a Goal.
	SessionRate int
	MigrateTo   []string
}

// maxServers bounds, in bytes, what a client is told of Servers.
const maxServers = 4096

// Validate returns what is wrong with it.
func (e *Evacuation) Validate() error {
	for _, s := range e.Servers {
		if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("%q is no server reference: expected something like host:port", s)
		}
	}
	switch {
	case len(strings.Join(e.Servers, " ")) > maxServers:
		return fmt.Errorf("the server references have more than %d bytes", maxServers)
	case e.Rate < 1:
		return errors.New("the rate of connections to be ended must be at least 1 a second")
	case e.Goal < 0:
		return errors.New("the number of clients to stay must not be negative")
	case e.SessionRate < 0:
		return errors.New("the rate of sessions to be moved must not be negative")
	case e.Wait < 0 || e.Takeover < 0:
		return errors.New("the times to wait must not be negative")
	}
	return nil
}

// EvacuationState is how far an evacuation has come.
type EvacuationState int32

// The states, in their order.
const (
	NoEvacuation     EvacuationState = iota
	WaitingForChecks                 // of load balancers
	EvictingConnections
	WaitingForTakeover
	EvictingSessions
	Evacuated // nobody is here, and nobody is let in
)

// String is the state by EMQ X's name.
func (s EvacuationState) String() string {
	return [...]string{"disabled", "waiting_health_check", "evicting_conns", "waiting_takeover", "evicting_sessions", "prohibiting"}[s]
}

// EvacuationStatus is how far an evacuation has come.
type EvacuationStatus struct {
	Evacuation
	State EvacuationState

	// Clients with a connection, and sessions with and without: when it began,
	// and now.
	InitialConnected, InitialSessions int
	Connected, Sessions               int
}

// Errors of who begins or ends evacuations.
var (
	ErrEvacuating    = errors.New("the node is being evacuated already")
	ErrNotEvacuating = errors.New("the node is not being evacuated")
)

// evacuation is one that goes on.
type evacuation struct {
	EvacuationStatus // but for what changes
	state            atomic.Int32
	told             atomic.Uint32 // clients, which take turns with the servers
	stop, done       chan struct{}
}

// Evacuate begins to send all clients away: to nodes of the same cluster, where
// they find their sessions. It returns at once and goes on until EndEvacuation,
// or the end of the process.
func (s *Server) Evacuate(o Evacuation) error {
	if err := o.Validate(); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	switch {
	case s.stopped:
		return errors.New("the server is stopped")
	case s.evacuation.Load() != nil:
		return ErrEvacuating
	}
	e := &evacuation{stop: make(chan struct{}), done: make(chan struct{})}
	e.Evacuation, e.InitialConnected, e.InitialSessions = o, s.broker.Connected(), s.broker.Sessions()
	e.state.Store(int32(WaitingForChecks))
	s.evacuation.Store(e)
	s.log.Warn("clients are sent to other nodes", "goal", o.Goal, "connected", e.InitialConnected, "sessions", e.InitialSessions,
		"rate", o.Rate, "servers", strings.Join(o.Servers, " "))
	go s.evacuate(e)
	return nil
}

// EndEvacuation lets clients in again. Those who have gone are not called back.
func (s *Server) EndEvacuation() error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.evacuation.Load() == nil {
		return ErrNotEvacuating
	}
	s.endEvacuation()
	s.log.Warn("no more clients are sent to other nodes")
	return nil
}

// endEvacuation waits for its goroutine; changing is held.
func (s *Server) endEvacuation() {
	if e := s.evacuation.Load(); e != nil {
		close(e.stop)
		<-e.done
		s.evacuation.Store(nil)
	}
}

// Evacuation is how far it has come.
func (s *Server) Evacuation() EvacuationStatus {
	e := s.evacuation.Load()
	if e == nil {
		return EvacuationStatus{}
	}
	now := e.EvacuationStatus
	now.State, now.Connected, now.Sessions = EvacuationState(e.state.Load()), s.broker.Connected(), s.broker.Sessions()
	return now
}

// evictPause is between two looks at who is still here.
const evictPause = 100 * time.Millisecond

// evacuate is the goroutine of an evacuation. Clients that get in after all, as
// their CONNECT was checked before, are sent away in their turn.
func (s *Server) evacuate(e *evacuation) {
	defer close(e.done)
	if !e.pause(e.Wait) {
		return
	}
	e.state.Store(int32(EvictingConnections))
	b := s.broker.NewBatch()
	left := ration{rate: float64(e.Rate), at: time.Now()}
	var leaving []*conn
	var empty time.Time
	var moving migration
	for e.pause(evictPause) {
		now := time.Now()
		leaving = slices.DeleteFunc(leaving, func(c *conn) bool { return c.listener.hasLost(c) })
		gone := s.evict(b, e, min(left.due(now), s.broker.Connected()-len(leaving)-e.Goal))
		left.used(len(gone))
		leaving = append(leaving, gone...)
		b.End()
		switch state := EvacuationState(e.state.Load()); {
		case state == EvictingConnections && s.broker.Connected() <= e.Goal:
			empty = now
			e.state.Store(int32(WaitingForTakeover))
			s.log.Warn("clients have been sent to other nodes", "connected", s.broker.Connected(), "sessions", s.broker.Sessions())
		case state == EvictingSessions:
			if s.migrate(e, &moving, now) {
				e.state.Store(int32(Evacuated))
			}
		case state != WaitingForTakeover || now.Sub(empty) < e.Takeover && s.broker.Sessions() > 0:
		case e.Goal > 0:
			s.evacuation.CompareAndSwap(e, nil)
			return
		default:
			moving.left = ration{rate: float64(e.SessionRate), at: now}
			e.state.Store(int32(EvictingSessions))
		}
	}
}

// ration spreads what is done over time: so many in a second, and no more than
// that at once after a time when nothing was.
type ration struct {
	rate float64
	left float64
	at   time.Time // when left was true
}

// due is how many may be done now.
func (r *ration) due(now time.Time) int {
	r.left = min(r.left+now.Sub(r.at).Seconds()*r.rate, r.rate)
	r.at = now
	return int(r.left)
}

// used tells how many were done.
func (r *ration) used(n int) { r.left -= float64(n) }

// pause waits; false: the evacuation has been ended.
func (e *evacuation) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-e.stop:
		return false
	case <-timer.C:
		return true
	}
}

// evict sends up to n clients away and returns their connections, which end in a
// moment.
func (s *Server) evict(b *broker.Batch, e *evacuation, n int) (leaving []*conn) {
	for _, l := range s.opened() {
		for _, c := range l.accepted(n - len(leaving)) {
			if c.sendAway(b, e) {
				leaving = append(leaving, c)
			}
		}
	}
	return leaving
}

// hasLost reports whether a connection of the listener has ended.
func (l *listener) hasLost(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, is := l.conns[c]
	return !is
}

// accepted are up to n connections of clients.
func (l *listener) accepted(n int) (some []*conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if len(some) >= n {
			break
		}
		if c.accepted.Load() && !c.ended() {
			some = append(some, c)
		}
	}
	return some
}

// sendAway ends the connection of a client that is to find its session on
// another node. It hasn't failed, so its will waits for it. false: it is just
// being accepted.
func (c *conn) sendAway(b *broker.Batch, e *evacuation) bool {
	c.mu.Lock()
	client := c.opened
	c.mu.Unlock()
	if client == nil {
		return false
	}
	client.HoldWill(b, c)
	c.endWith(broker.Ending{Code: e.code(), Word: e.code().String()}, e.refer(nil))
	return true
}

// code is why connections end.
func (e *evacuation) code() mqtt.ReasonCode {
	if e.Moved {
		return mqtt.ServerMoved
	}
	return mqtt.UseAnotherServer
}

// refer adds the servers to props, beginning with the next one: MQTT 5 clause
// 4.11 has room for a list, and clients begin with what is first.
func (e *evacuation) refer(props *mqtt.Properties) *mqtt.Properties {
	if len(e.Servers) == 0 {
		return props
	}
	first := int(e.told.Add(1)-1) % len(e.Servers)
	list := make([]string, 0, len(e.Servers))
	list = append(append(list, e.Servers[first:]...), e.Servers[:first]...)
	if props == nil {
		props = new(mqtt.Properties)
	}
	props.Present |= mqtt.PropServerReference
	props.ServerReference = strings.Join(list, " ")
	return props
}

// refuses reports the evacuation if it lets nobody in any more, else nil.
func (s *Server) refuses() *evacuation {
	if e := s.evacuation.Load(); e != nil && EvacuationState(e.state.Load()) > WaitingForChecks {
		return e
	}
	return nil
}
